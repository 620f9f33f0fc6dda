//! One source file to one serialised Example. What runs on every thread of a conversion.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::options::{ConvertOptions, Reencode, Verify};
use super::source::{BOX_FEATURES, Objects, SourceFile};
use crate::error::{Error, ErrorKind, Result};
use crate::example::{ExampleBuilder, hex};
use crate::image::{self, Channels, DecodeOptions, Decoder, Format, ImageBuf, ImageError, Limits, Probe};
use crate::record::{frame::MAX_RECORD_LEN, read_full};

/// How much of a file is read before its type is told.
const START_LEN: u64 = 64 << 10;

/// Prepares files; one a thread.
pub(super) struct Preparer<'a> {
    options: &'a ConvertOptions,
    root: &'a Path,
    classes: &'a [String],
    decoder: Decoder,
    gray: Decoder,
    pixels: ImageBuf<u8>,
}

impl<'a> Preparer<'a> {
    pub(super) fn new(options: &'a ConvertOptions, root: &'a Path, classes: &'a [String]) -> Result<Self> {
        let decoder = Decoder::new(DecodeOptions::default())?;
        let gray = Decoder::new(DecodeOptions { channels: Channels::Gray, ..DecodeOptions::default() })?;
        Ok(Preparer { options, root, classes, decoder, gray, pixels: ImageBuf::empty() })
    }

    /// The serialised Example of a file. Its error names the file.
    pub(super) fn prepare(&mut self, file: &SourceFile) -> Result<Vec<u8>> {
        let path = self.root.join(&*file.path);
        self.example(file, &path).map_err(|e| e.at_path(&path))
    }

    fn example(&mut self, file: &SourceFile, path: &Path) -> Result<Vec<u8>> {
        let bytes = read(file, path)?;
        let notes = file.notes.as_deref();
        let (bytes, probe) = self.image(bytes, notes.and_then(|n| n.size))?;
        let sha256 = hex(&Sha256::digest(&bytes));
        let filename = notes.and_then(|n| n.filename.as_ref()).unwrap_or(&file.path);
        let mut example = ExampleBuilder::new()
            .int64("image/channels", probe.channels as i64)
            .text("image/colorspace", probe.colorspace.name())
            .bytes("image/encoded", &bytes)
            .text("image/filename", &**filename)
            .text("image/format", probe.format.to_string())
            .int64("image/height", probe.height as i64)
            .text("image/key/sha256", sha256)
            .int64("image/width", probe.width as i64);
        if let Some(class) = file.class {
            example =
                example.int64("image/class/label", self.label(class)).text("image/class/text", self.class_name(class));
        }
        if let Some(objects) = notes.and_then(|n| n.objects.as_ref()) {
            example = self.add_objects(example, objects);
        }
        for (name, values) in notes.iter().flat_map(|n| &n.features) {
            example = example.values(&**name, values);
        }
        Ok(example.encode())
    }

    fn add_objects<'e>(&'e self, mut example: ExampleBuilder<'e>, objects: &Objects) -> ExampleBuilder<'e> {
        for (at, name) in BOX_FEATURES.into_iter().enumerate() {
            example = example.floats(name, objects.boxes.iter().map(|b| b[at]));
        }
        let Some(classes) = &objects.classes else { return example };
        example
            .int64s("image/object/class/label", classes.iter().map(|class| self.label(*class)))
            .bytes_list("image/object/class/text", classes.iter().map(|class| self.class_name(*class).as_bytes()))
    }

    fn label(&self, class: u32) -> i64 {
        i64::from(class) + self.options.label_offset
    }

    fn class_name(&self, class: u32) -> &str {
        self.classes.get(class as usize).map(String::as_str).unwrap_or_default()
    }

    /// Checks the image, also against the size that is annotated; the bytes to store, and what their header says.
    fn image(&mut self, bytes: Vec<u8>, annotated: Option<[u32; 2]>) -> Result<(Vec<u8>, Probe)> {
        let limits = Limits::default();
        let format = image::sniff(&bytes).ok_or_else(|| unknown(&bytes))?;
        if !matches!(format, Format::Jpeg | Format::Png) {
            if self.options.reencode == Reencode::No {
                return Err(Error::new(ErrorKind::Source {
                    detail: format!(
                        "a {format} image: JPEG and PNG are stored as they are, `--reencode png` stores others as PNG"
                    ),
                }));
            }
            let mut pixels = image::decode_any(&bytes, &limits)?;
            check_size([pixels.shape().height, pixels.shape().width], annotated)?;
            if let Some(side) = self.options.resize_shorter
                && pixels.shape().height.min(pixels.shape().width) > side
            {
                pixels = image::resize_shorter_side(pixels, side)?;
            }
            return self.store(&pixels, Format::Png);
        }
        let probe = match self.options.verify {
            Verify::Header => image::probe_header(&bytes, &limits)?,
            Verify::Decode => {
                self.decoder.decode_into(&bytes, &mut self.pixels)?;
                image::probe_header(&bytes, &limits)?
            }
            Verify::None => image::probe_magic(&bytes)?.1.ok_or_else(|| ImageError::Corrupt {
                format,
                detail: "no header with the image's size".into(),
                offset: None,
            })?,
        };
        check_size([probe.height, probe.width], annotated)?;
        match self.options.resize_shorter {
            Some(side) if probe.height.min(probe.width) > side => {
                let pixels = self.all_channels(&bytes)?;
                self.store(&image::resize_shorter_side(pixels, side)?, format)
            }
            _ => Ok((bytes, probe)),
        }
    }

    /// Decodes with the image's own channels: gray stays gray, and a PNG keeps its alpha.
    fn all_channels(&mut self, bytes: &[u8]) -> Result<ImageBuf<u8>> {
        let limits = Limits::default();
        let probe = image::probe_header(bytes, &limits)?;
        let pixels = match (probe.format, probe.channels) {
            (Format::Png, 2 | 4) => image::decode_any(bytes, &limits),
            (_, 1) => self.gray.decode(bytes),
            _ => self.decoder.decode(bytes),
        };
        Ok(pixels?)
    }

    /// Encodes pixels anew.
    fn store(&self, pixels: &ImageBuf<u8>, format: Format) -> Result<(Vec<u8>, Probe)> {
        let bytes = match format {
            Format::Jpeg => image::encode_jpeg(pixels, self.options.quality)?,
            _ => image::encode_png(pixels)?,
        };
        let probe = image::probe_header(&bytes, &Limits::default())?;
        Ok((bytes, probe))
    }
}

/// Reads a file whole, but no more than its start where that is no image's.
fn read(source: &SourceFile, path: &Path) -> Result<Vec<u8>> {
    let io = |e| Error::io(path, e);
    let mut file = File::open(path).map_err(io)?;
    // One byte more than the file has, so that its end is met without growing the buffer.
    let mut bytes = vec![0; source.size.saturating_add(1).min(START_LEN) as usize];
    let start = read_full(&mut file, &mut bytes).map_err(io)?;
    let more = start == bytes.len();
    bytes.truncate(start);
    if image::sniff(&bytes).is_none() {
        return Err(unknown(&bytes));
    }
    if more {
        bytes.reserve_exact(source.size.saturating_sub(start as u64).min(MAX_RECORD_LEN) as usize + 1);
        file.take(MAX_RECORD_LEN).read_to_end(&mut bytes).map_err(io)?;
    }
    if bytes.len() as u64 >= MAX_RECORD_LEN - START_LEN {
        return Err(io(io::Error::new(io::ErrorKind::FileTooLarge, "the file is over the 2 GiB that a record holds")));
    }
    Ok(bytes)
}

/// Boxes in pixels of another image would be boxes of nothing.
fn check_size(real: [usize; 2], annotated: Option<[u32; 2]>) -> Result<()> {
    let Some(annotated) = annotated.map(|size| size.map(|side| side as usize)).filter(|size| *size != real) else {
        return Ok(());
    };
    let [height, width] = annotated;
    let turned = if real == [width, height] { ": was it annotated as its EXIF orientation turns it?" } else { "" };
    let detail = format!("annotated as {width}x{height}, the image is {}x{}{turned}", real[1], real[0]);
    Err(Error::new(ErrorKind::Source { detail }))
}

fn unknown(bytes: &[u8]) -> Error {
    ImageError::UnknownFormat { start: bytes.iter().take(8).copied().collect() }.into()
}
