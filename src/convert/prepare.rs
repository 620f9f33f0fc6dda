//! One source file to one serialised Example. What runs on every thread of a conversion.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::options::{ConvertOptions, Exif, Reencode, Verify};
use super::source::{Objects, SourceFile};
use crate::dataset::BOX_FEATURES;
use crate::error::{Error, ErrorKind, Result};
use crate::example::{ExampleBuilder, hex};
use crate::image::{self, Channels, DecodeOptions, Decoder, Format, ImageBuf, ImageError, Orientation, Pixels, Probe};
use crate::record::{frame::MAX_RECORD_LEN, read_full};

/// How much of a file is read before its type is told.
const START_LEN: u64 = 64 << 10;

/// What comes of a file.
pub(super) enum Prepared {
    /// A serialised Example.
    Record(Vec<u8>),
    /// A serialised Example that holds the first of so many frames or pages.
    First(Vec<u8>, usize),
    /// Nothing: the options leave such an image out. The reason.
    Filtered(String),
}

/// The bytes to store and what their header says.
struct Stored {
    bytes: Vec<u8>,
    probe: Probe,
    /// The EXIF orientation by which the image was turned, if it was.
    turned: Option<u8>,
    /// Whether it is encoded again.
    is_new: bool,
}

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
        // Pixels are decoded to be checked, which is the same for all orientations, or to be encoded anew.
        let limits = options.limits;
        let upright = DecodeOptions { orientation: Orientation::Apply, limits, ..DecodeOptions::default() };
        let decoder = Decoder::new(upright)?;
        let gray = Decoder::new(DecodeOptions { channels: Channels::Gray, ..upright })?;
        Ok(Preparer { options, root, classes, decoder, gray, pixels: ImageBuf::empty() })
    }

    /// What comes of a file. Its error names the file.
    pub(super) fn prepare(&mut self, file: &SourceFile) -> Result<Prepared> {
        let path = self.root.join(&*file.path);
        self.record(file, &path).map_err(|e| e.at_path(&path))
    }

    fn record(&mut self, file: &SourceFile, path: &Path) -> Result<Prepared> {
        let bytes = read(file, path)?;
        let notes = file.notes.as_deref();
        let format = image::sniff(&bytes).ok_or_else(|| unknown(&bytes))?;
        let probe = self.probe(&bytes, format)?;
        check_size([probe.height, probe.width], notes.and_then(|n| n.size))?;
        if let Some(reason) = self.misfit(&probe) {
            return Ok(Prepared::Filtered(reason));
        }
        let frames = image::frame_count(&bytes, format);
        let stored = self.image(bytes, probe)?;
        let is_cut = frames > 1 && stored.is_new;
        let Stored { bytes, probe, turned, .. } = stored;
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
            example = self.add_objects(example, objects, turned);
        }
        for (name, values) in notes.iter().flat_map(|n| &n.features) {
            example = example.values(&**name, values);
        }
        let record = example.encode();
        Ok(if is_cut { Prepared::First(record, frames) } else { Prepared::Record(record) })
    }

    fn add_objects<'e>(
        &'e self,
        mut example: ExampleBuilder<'e>,
        objects: &Objects,
        turned: Option<u8>,
    ) -> ExampleBuilder<'e> {
        let boxes: Vec<[f32; 4]> = objects.boxes.iter().map(|b| image::upright_box(*b, turned)).collect();
        for (at, name) in BOX_FEATURES.into_iter().enumerate() {
            example = example.floats(name, boxes.iter().map(|b| b[at]));
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

    /// What the image's header says, after the checks that need no pixels.
    fn probe(&self, bytes: &[u8], format: Format) -> Result<Probe> {
        if !is_stored(format) && self.options.reencode == Reencode::No {
            return Err(Error::new(ErrorKind::Source {
                detail: format!(
                    "a {format} image: JPEG and PNG are stored as they are, `--reencode png` stores others as PNG"
                ),
            }));
        }
        // The orientation of a PNG may come behind its header.
        let at_first = self.options.verify == Verify::None && self.options.exif == Exif::Keep && is_stored(format);
        if !at_first {
            return Ok(image::probe_header(bytes, &self.options.limits)?);
        }
        let no_size = || ImageError::Corrupt { format, detail: "no header with the image's size".into(), offset: None };
        Ok(image::probe_magic(bytes)?.1.ok_or_else(no_size)?)
    }

    /// Why the options leave an image of this size out, if they do.
    fn misfit(&self, probe: &Probe) -> Option<String> {
        let orientation = match self.options.exif {
            Exif::Keep => Orientation::Ignore,
            Exif::Bake => Orientation::Apply,
        };
        let (height, width) = probe.size(orientation);
        if let Some(least) = self.options.min_size
            && (width < least.width || height < least.height)
        {
            return Some(format!("{width}x{height} pixels, less than {}x{}", least.width, least.height));
        }
        let aspect = width.max(height) as f64 / width.min(height) as f64;
        let most = self.options.max_aspect.filter(|most| aspect > *most)?;
        Some(format!("{width}x{height} pixels, an aspect of {aspect:.2}, more than {most}"))
    }

    /// What is stored of an image.
    fn image(&mut self, bytes: Vec<u8>, probe: Probe) -> Result<Stored> {
        let is_stored = is_stored(probe.format);
        if is_stored && self.options.verify == Verify::Decode {
            self.decoder.decode_into(&bytes, &mut self.pixels)?;
        }
        let turns = self.options.exif == Exif::Bake && matches!(probe.exif_orientation, Some(2..=8));
        let side = self.options.resize_shorter.filter(|side| probe.height.min(probe.width) > *side);
        if is_stored && !turns && side.is_none() {
            return Ok(Stored { bytes, probe, turned: None, is_new: false });
        }
        let turned = probe.exif_orientation;
        let mut pixels = match probe.format {
            // Gray stays gray.
            Format::Jpeg if probe.channels == 1 => Pixels::U8(self.gray.decode(&bytes)?),
            Format::Jpeg => Pixels::U8(self.decoder.decode(&bytes)?),
            _ => image::decode_upright(&bytes, &self.options.limits)?,
        };
        if let Some(side) = side {
            pixels = pixels.resize_shorter_side(side)?;
        }
        let bytes = match pixels {
            Pixels::U8(pixels) if probe.format == Format::Jpeg => image::encode_jpeg(&pixels, self.options.quality)?,
            pixels => pixels.encode_png()?,
        };
        let probe = image::probe_header(&bytes, &self.options.limits)?;
        Ok(Stored { bytes, probe, turned, is_new: true })
    }
}

/// Whether the format is one that readers of shards know.
fn is_stored(format: Format) -> bool {
    matches!(format, Format::Jpeg | Format::Png)
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
