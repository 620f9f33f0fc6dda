//! JPEG structure: markers, frame and scan headers, a walk of the entropy-coded data, and a decoder.
//!
//! Section, table and figure numbers are those of ITU-T T.81.

mod blocks;
pub(crate) mod color;
mod decoder;
mod entropy;
mod frame;
mod huffman;
pub(crate) mod idct;
#[cfg(target_arch = "x86_64")]
mod idct_wide;
mod progressive;
mod reduced;
mod segment;
mod standard;
pub(crate) mod upsample;
mod window;

pub(crate) use decoder::{Scratch, Target, check};
pub(crate) use entropy::EntropyScratch;
pub(crate) use frame::Frame;
pub(crate) use window::Extent;
pub use window::Scale;

use self::color::ColorModel;
use self::decoder::{Quantisers, quantisers};
use self::entropy::located;
use self::frame::{Coverage, Scan};
use self::huffman::{Fault, Tables};
use self::segment::{Segment, Walker, marker};
use super::error::{ImageError, Result};
use super::probe::{Limits, Probe, exif_orientation, unknown};
use super::sniff::{Format, sniff};

/// Most scans in one image. Encoders write about ten; thousands are a known denial of service.
pub(crate) const MAX_SCANS: usize = 100;

/// How far a JPEG is read.
pub(crate) enum Depth<'a> {
    /// To the frame header.
    Header,
    /// All markers to EOI.
    Markers,
    /// All markers, and every Huffman code of every scan.
    Entropy(&'a mut EntropyScratch),
    /// All markers, and the pixels.
    Pixels(Target<'a>),
}

impl Depth<'_> {
    /// Whether the Huffman codes are read, for which memory is needed where there are several scans.
    fn reads_codes(&self) -> bool {
        matches!(self, Depth::Entropy(_) | Depth::Pixels(_))
    }

    /// Whether the coefficients of some blocks are passed over.
    fn skips(&self) -> bool {
        match self {
            Depth::Header | Depth::Markers => false,
            Depth::Entropy(_) => true,
            Depth::Pixels(target) => target.gray || !target.extent.is_all(),
        }
    }
}

/// What [`read`] found.
#[derive(Debug, Clone)]
pub(crate) struct Jpeg {
    pub(crate) frame: Frame,
    pub(crate) orientation: Option<u8>,
    /// What the components are. libjpeg-turbo decides itself.
    #[cfg_attr(feature = "turbojpeg", allow(dead_code))]
    pub(crate) model: ColorModel,
    /// An Adobe APP14 segment was seen; its CMYK samples are stored inverted.
    pub(crate) adobe: bool,
}

impl Jpeg {
    pub(crate) fn probe(&self) -> Probe {
        Probe {
            format: Format::Jpeg,
            height: self.frame.height,
            width: self.frame.width,
            channels: self.frame.components.len(),
            colorspace: self.frame.colorspace(),
            progressive: self.frame.progressive,
            exif_orientation: self.orientation,
        }
    }
}

/// Checks a JPEG completely short of computing pixels: markers, headers and every Huffman code.
///
/// Beyond what [`probe_header`](super::probe_header) does, each block of each scan must be present,
/// so data that end early are found even when an EOI marker follows them. Trailing bytes after
/// EOI, and bytes that no block needs before a marker, are accepted, as in libjpeg. What it cannot
/// see is damage that still decodes to valid codes for every block.
///
/// # Errors
/// [`ImageError::UnknownFormat`] for what is no JPEG; [`ImageError::Truncated`] or
/// [`ImageError::Corrupt`] with the byte offset; [`ImageError::Unsupported`];
/// [`ImageError::TooLarge`].
///
/// ```
/// use tfrkit::image::{Limits, verify_entropy};
/// assert!(verify_entropy(b"\xff\xd8\xff\xd9", &Limits::default()).is_err());
/// ```
pub fn verify_entropy(bytes: &[u8], limits: &Limits) -> Result<Probe> {
    if sniff(bytes) != Some(Format::Jpeg) {
        return Err(unknown(bytes));
    }
    let mut scratch = EntropyScratch::default();
    let jpeg = read(bytes, limits, Depth::Entropy(&mut scratch))?;
    jpeg.frame.check_fractions()?;
    Ok(jpeg.probe())
}

/// Reads a JPEG's structure to the given depth.
pub(crate) fn read(bytes: &[u8], limits: &Limits, mut depth: Depth<'_>) -> Result<Jpeg> {
    let mut state = State::default();
    if let Depth::Pixels(target) = &mut depth {
        state.tables = std::mem::take(&mut target.scratch.tables);
        state.tables.clear();
    }
    let read = state.read(bytes, limits, &mut depth);
    if let Depth::Pixels(target) = &mut depth {
        target.scratch.tables = state.tables;
    }
    read
}

#[derive(Default)]
struct State {
    frame: Option<Frame>,
    tables: Tables,
    coverage: Coverage,
    restart_interval: usize,
    scans: usize,
    /// Whether the frame has several scans.
    kept: bool,
    quantisers: Quantisers,
    orientation: Option<u8>,
    jfif: bool,
    adobe_transform: Option<u8>,
}

impl State {
    fn read(&mut self, bytes: &[u8], limits: &Limits, depth: &mut Depth<'_>) -> Result<Jpeg> {
        let mut walker = Walker::new(bytes)?;
        while let Some(segment) = walker.next_segment()? {
            self.take(&segment, limits, depth)?;
            if segment.marker == marker::SOS {
                self.scan(bytes, &mut walker, &segment, limits, depth)?;
            } else if self.frame.is_some() && matches!(depth, Depth::Header) {
                break;
            }
        }
        let end = walker.position();
        let frame = self.frame.take().ok_or_else(|| ImageError::corrupt(Format::Jpeg, end, "no frame header"))?;
        if !matches!(depth, Depth::Header) {
            self.coverage.finish(&frame, end)?;
            if self.kept {
                limits.check_bytes((frame.width, frame.height), frame.kept_bytes(), "bytes kept between scans")?;
            }
        }
        if let Depth::Pixels(target) = depth {
            target.finish(&frame);
        }
        let model = self.model(&frame);
        Ok(Jpeg { frame, orientation: self.orientation, model, adobe: self.adobe_transform.is_some() })
    }

    /// Takes in a scan, whose data begin where the walker is.
    fn scan(
        &mut self,
        bytes: &[u8],
        walker: &mut Walker<'_>,
        segment: &Segment<'_>,
        limits: &Limits,
        depth: &mut Depth<'_>,
    ) -> Result<()> {
        let frame = self
            .frame
            .as_ref()
            .ok_or_else(|| ImageError::corrupt(Format::Jpeg, segment.at, "a scan before the frame header"))?;
        let scan = Scan::parse(segment, frame)?;
        self.scans += 1;
        if self.scans > MAX_SCANS {
            return Err(ImageError::unsupported(Format::Jpeg, format!("more than {MAX_SCANS} scans")));
        }
        let data = walker.skip_scan()?;
        if data.is_empty() {
            return Err(ImageError::truncated(Format::Jpeg, data.start, "a scan without data"));
        }
        if data.len() * 8 < frame.least_bits(&scan) {
            return Err(located(Fault::Early, data.end));
        }
        self.kept |= frame.is_kept(&scan);
        self.coverage.add(&scan, segment.at)?;
        self.check_quantisers(frame, &scan, segment)?;
        self.tables.check(frame, &scan, segment.at)?;
        if depth.reads_codes() {
            if self.scans == 1 && frame.is_kept(&scan) {
                // No memory is taken before the later scans are known to be there and within the limits.
                read(bytes, limits, Depth::Markers)?;
            }
            self.tables.make(frame, &scan, !frame.progressive && depth.skips())?;
        }
        let (stream, base) = (bytes.get(data.clone()).unwrap_or_default(), data.start);
        match depth {
            Depth::Entropy(scratch) => {
                if self.scans == 1 {
                    scratch.start(frame)?;
                }
                entropy::walk(stream, base, frame, &scan, &self.tables, self.restart_interval, scratch)
            }
            Depth::Pixels(target) => {
                if self.scans == 1 {
                    target.start(frame, &scan, self.model(frame), self.adobe_transform.is_some())?;
                }
                target.scan(stream, base, frame, &scan, &self.tables, &self.quantisers, self.restart_interval)
            }
            _ => Ok(()),
        }
    }

    /// Takes in everything but a scan.
    fn take(&mut self, segment: &Segment<'_>, limits: &Limits, depth: &Depth<'_>) -> Result<()> {
        match segment.marker {
            m if marker::is_sof(m) => {
                if self.frame.is_some() {
                    return Err(segment.corrupt("a second frame header"));
                }
                let frame = Frame::parse(segment)?;
                limits.check(frame.width, frame.height, frame.components.len())?;
                self.frame = Some(frame);
            }
            // Of no use to a reader of the header alone.
            marker::DHT if matches!(depth, Depth::Header) => {}
            marker::DHT => self.tables.define(segment)?,
            marker::DQT => self.take_quantisers(segment)?,
            marker::DAC => check_conditioning(segment)?,
            marker::DRI => match *segment.payload {
                [hi, lo] => self.restart_interval = usize::from(u16::from_be_bytes([hi, lo])),
                _ => return Err(segment.corrupt("a DRI segment whose length is not 4")),
            },
            // libjpeg wants the whole header.
            marker::APP0 if segment.payload.starts_with(b"JFIF\0") && segment.payload.len() >= 14 => self.jfif = true,
            marker::APP1 => {
                // Exif has its segment directly after SOI. One behind the frame header, which not every depth reads, is
                // passed over in each.
                if let Some(tiff) = segment.payload.strip_prefix(b"Exif\0\0")
                    && self.orientation.is_none()
                    && self.frame.is_none()
                {
                    self.orientation = exif_orientation(tiff);
                }
            }
            marker::APP14 => {
                if let Some(rest) = segment.payload.strip_prefix(b"Adobe") {
                    self.adobe_transform = rest.get(6).copied().or(self.adobe_transform);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks that each component of a scan has its quantisation table.
    fn check_quantisers(&self, frame: &Frame, scan: &Scan, segment: &Segment<'_>) -> Result<()> {
        for component in scan.components.iter().filter_map(|part| frame.components.get(part.index)) {
            if self.quantisers.get(component.quantiser).is_none_or(Option::is_none) {
                let detail = format!("a scan whose quantisation table {} was not defined", component.quantiser);
                return Err(segment.corrupt(detail));
            }
        }
        Ok(())
    }

    /// The colour model, decided in libjpeg's order: JFIF, Adobe, then ids.
    fn model(&self, frame: &Frame) -> ColorModel {
        match (frame.components.len(), self.jfif, self.adobe_transform) {
            (1, ..) => ColorModel::Gray,
            (3, false, Some(0)) => ColorModel::Rgb,
            (3, false, None) if frame.components.iter().map(|c| c.id).eq(*b"RGB") => ColorModel::Rgb,
            (3, ..) => ColorModel::YCbCr,
            (_, _, Some(0) | None) => ColorModel::Cmyk,
            _ => ColorModel::Ycck,
        }
    }

    /// Takes in a table-of-quantisation segment (B.2.4.1).
    fn take_quantisers(&mut self, segment: &Segment<'_>) -> Result<()> {
        let mut rest = segment.payload;
        while let Some((&pq_tq, tail)) = rest.split_first() {
            let len = match pq_tq >> 4 {
                0 => 64,
                1 => 128,
                _ => return Err(segment.corrupt("a quantisation table of unknown precision")),
            };
            let Some(slot) = self.quantisers.get_mut(usize::from(pq_tq & 15)) else {
                return Err(segment.corrupt("a quantisation table for a destination above 3"));
            };
            let (table, tail) = tail
                .split_at_checked(len)
                .ok_or_else(|| segment.corrupt("a quantisation table longer than its segment"))?;
            *slot = Some(if len == 64 {
                quantisers(table.iter().map(|&q| u16::from(q)))
            } else {
                quantisers(table.as_chunks::<2>().0.iter().map(|&q| u16::from_be_bytes(q)))
            });
            rest = tail;
        }
        Ok(())
    }
}

/// Checks an arithmetic conditioning segment (B.2.4.3), which says nothing to a Huffman-coded frame, as libjpeg does.
fn check_conditioning(segment: &Segment<'_>) -> Result<()> {
    let (pairs, rest) = segment.payload.as_chunks::<2>();
    let is_good = |&[table, value]: &[u8; 2]| match table {
        0..16 => value & 15 <= value >> 4,
        16..32 => true,
        _ => false,
    };
    if rest.is_empty() && pairs.iter().all(is_good) {
        return Ok(());
    }
    Err(segment.corrupt("a DAC segment that conditions no table, or a DC table with bounds out of order"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let path = format!("{}/fixtures/images/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    }

    #[test]
    fn every_fixture_passes_the_full_walk() {
        for name in [
            "color420.jpg",
            "progressive.jpg",
            "gray.jpg",
            "cmyk.jpg",
            "exif6.jpg",
            "restart.jpg",
            "prog_restart.jpg",
            "rgbcoded.jpg",
            "flat.jpg",
            "color444.jpg",
            "color422.jpg",
        ] {
            verify_entropy(&fixture(name), &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }

    #[test]
    fn trailing_bytes_after_eoi_are_accepted() {
        let mut bytes = fixture("color420.jpg");
        bytes.extend_from_slice(b"\xff\xd8\xff\xe0 a second picture, cut");
        assert!(verify_entropy(&bytes, &Limits::default()).is_ok());
    }

    #[test]
    fn a_cut_inside_the_data_with_an_eoi_is_truncated() {
        let whole = fixture("color420.jpg");
        let half = [&whole[..whole.len() / 2], b"\xff\xd9"].concat();
        let error = verify_entropy(&half, &Limits::default()).unwrap_err();
        assert!(error.is_truncated(), "{error}");
    }

    #[test]
    fn a_progressive_image_without_its_last_scan_is_truncated() {
        let whole = fixture("progressive.jpg");
        let last_sos = (0..whole.len() - 1).rev().find(|&i| whole[i..].starts_with(b"\xff\xda")).unwrap();
        let cut = [&whole[..last_sos], b"\xff\xd9"].concat();
        let error = read(&cut, &Limits::default(), Depth::Markers).unwrap_err();
        assert!(error.is_truncated(), "{error}");
    }

    #[test]
    fn the_colour_model_follows_the_markers() {
        let read = |name| read(&fixture(name), &Limits::default(), Depth::Header).unwrap();
        assert_eq!(read("color420.jpg").model, ColorModel::YCbCr);
        assert_eq!(read("rgbcoded.jpg").model, ColorModel::Rgb);
        assert_eq!(read("gray.jpg").model, ColorModel::Gray);
        assert_eq!((read("cmyk.jpg").model, read("cmyk.jpg").adobe), (ColorModel::Cmyk, true));
        assert_eq!(read("ycck.jpg").model, ColorModel::Ycck);
        assert_eq!(read("exif6.jpg").orientation, Some(6));
    }
}
