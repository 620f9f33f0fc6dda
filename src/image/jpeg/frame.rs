//! Frame and scan headers, and how much of the image its scans cover.

use arrayvec::ArrayVec;

use super::segment::Segment;
use crate::image::error::{ImageError, Result};
use crate::image::probe::Colorspace;
use crate::image::sniff::Format;

/// Most components of a frame.
pub(super) const COMPONENTS: usize = 4;

/// One component of a frame (B.2.2).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Component {
    pub(super) id: u8,
    /// Horizontal sampling factor, 1..=4.
    pub(super) h: usize,
    /// Vertical sampling factor, 1..=4.
    pub(super) v: usize,
    /// The quantisation table, 0..=3.
    pub(super) quantiser: usize,
}

/// A frame header.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) progressive: bool,
    pub(crate) components: ArrayVec<Component, COMPONENTS>,
}

impl Frame {
    pub(super) fn parse(segment: &Segment<'_>) -> Result<Self> {
        let progressive = match segment.marker {
            0xC0 | 0xC1 => false,
            0xC2 => true,
            0xC3 => return Err(ImageError::unsupported(Format::Jpeg, "lossless coding")),
            0xC5..=0xC7 | 0xCD..=0xCF => {
                return Err(ImageError::unsupported(Format::Jpeg, "hierarchical coding"));
            }
            _ => return Err(ImageError::unsupported(Format::Jpeg, "arithmetic coding")),
        };
        let &[precision, h1, h0, w1, w0, count, ref specs @ ..] = segment.payload else {
            return Err(segment.corrupt("a frame header shorter than 8 bytes"));
        };
        let height = usize::from(u16::from_be_bytes([h1, h0]));
        let width = usize::from(u16::from_be_bytes([w1, w0]));
        if precision != 8 {
            return Err(ImageError::unsupported(Format::Jpeg, format!("a precision of {precision} bits")));
        }
        if height == 0 || width == 0 {
            return Err(segment.corrupt(format!("a frame of {height}x{width} pixels (height x width)")));
        }
        if specs.len() != usize::from(count) * 3 {
            return Err(segment.corrupt("a frame header whose length is not that of its components"));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(ImageError::unsupported(Format::Jpeg, format!("a frame of {count} components")));
        }
        let mut components = ArrayVec::<Component, COMPONENTS>::new();
        for spec in specs.chunks_exact(3) {
            let &[id, hv, tq] = spec else { continue };
            let (h, v) = (usize::from(hv >> 4), usize::from(hv & 15));
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
                return Err(segment.corrupt(format!("sampling factors of {h}x{v}")));
            }
            if tq > 3 {
                return Err(segment.corrupt("a component whose quantisation table is above 3"));
            }
            components.push(Component { id, h, v, quantiser: usize::from(tq) });
        }
        Ok(Self { height, width, progressive, components })
    }

    /// Checks that each component has a whole fraction of the image's samples, across and down: what is between is not
    /// decoded, as in libjpeg.
    pub(crate) fn check_fractions(&self) -> Result<()> {
        let (h_max, v_max) = self.max_sampling();
        match self.components.iter().find(|c| !h_max.is_multiple_of(c.h) || !v_max.is_multiple_of(c.v)) {
            Some(component) => Err(no_fraction(component)),
            None => Ok(()),
        }
    }

    pub(super) fn max_sampling(&self) -> (usize, usize) {
        let h = self.components.iter().map(|c| c.h).max().unwrap_or(1);
        let v = self.components.iter().map(|c| c.v).max().unwrap_or(1);
        (h, v)
    }

    /// Blocks of one component across and down, as a scan of that component alone has (A.2.3).
    pub(super) fn blocks_of(&self, component: &Component) -> (usize, usize) {
        let (width, height) = self.size_of(component);
        (width.div_ceil(8), height.div_ceil(8))
    }

    /// Samples of one component across and down (A.1.1).
    pub(super) fn size_of(&self, component: &Component) -> (usize, usize) {
        let (h, v) = self.max_sampling();
        ((self.width * component.h).div_ceil(h), (self.height * component.v).div_ceil(v))
    }

    /// MCUs of a scan across and down (A.2.2, A.2.3).
    pub(super) fn mcus_of(&self, scan: &Scan) -> (usize, usize) {
        if let [only] = *scan.components
            && let Some(component) = self.components.get(only.index)
        {
            return self.blocks_of(component);
        }
        self.mcus()
    }

    /// MCUs of several components across and down.
    pub(super) fn mcus(&self) -> (usize, usize) {
        let (h, v) = self.max_sampling();
        (self.width.div_ceil(8 * h), self.height.div_ceil(8 * v))
    }

    /// Blocks of a component across and down in an MCU of a scan.
    pub(super) fn blocks_in_mcu(&self, component: &Component, scan: &Scan) -> (usize, usize) {
        if scan.components.len() == 1 { (1, 1) } else { (component.h, component.v) }
    }

    /// Whether a frame with this scan is kept until its last one.
    pub(super) fn is_kept(&self, scan: &Scan) -> bool {
        self.progressive || scan.components.len() < self.components.len()
    }

    /// Bytes that a frame of several scans is kept in until its last: two for each coefficient of a progressive one, else
    /// one for each sample, those that fill up the last MCUs too.
    pub(super) fn kept_bytes(&self) -> u64 {
        let (across, down) = self.mcus();
        let blocks = across * down * self.components.iter().map(|c| c.h * c.v).sum::<usize>();
        (blocks * if self.progressive { 128 } else { 64 }) as u64
    }

    /// The fewest bits that a scan can have, with codes of one bit each.
    pub(super) fn least_bits(&self, scan: &Scan) -> usize {
        let blocks = self.block_count(scan);
        match (self.progressive, scan.ss) {
            // A DC code and an end of block.
            (false, _) => 2 * blocks,
            (true, 0) => blocks,
            // The longest run of blocks that one code ends.
            (true, _) => blocks.div_ceil(0x7FFF),
        }
    }

    /// Blocks of a scan.
    pub(super) fn block_count(&self, scan: &Scan) -> usize {
        let parts = scan.components.iter().filter_map(|part| self.components.get(part.index));
        let in_mcu = parts.map(|component| self.blocks_in_mcu(component, scan)).map(|(h, v)| h * v);
        self.mcu_count(scan) * in_mcu.sum::<usize>()
    }

    pub(super) fn mcu_count(&self, scan: &Scan) -> usize {
        let (across, down) = self.mcus_of(scan);
        across * down
    }

    pub(super) fn colorspace(&self) -> Colorspace {
        match self.components.len() {
            1 => Colorspace::Grayscale,
            4 => Colorspace::Cmyk,
            _ => Colorspace::Rgb,
        }
    }
}

/// The error for a component that is not decoded for its size.
pub(super) fn no_fraction(component: &Component) -> ImageError {
    let Component { id, h, v, .. } = component;
    let detail = format!("component {id}, with sampling factors of {h}x{v}, has no whole fraction of the image's size");
    ImageError::decoder(Format::Jpeg, detail)
}

/// One component of a scan: its index in the frame and its tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScanComponent {
    pub(super) index: usize,
    pub(super) dc: usize,
    pub(super) ac: usize,
}

/// A scan header (B.2.3).
#[derive(Debug, Clone)]
pub(super) struct Scan {
    pub(super) components: ArrayVec<ScanComponent, COMPONENTS>,
    /// First and last coefficient, in zigzag order; 0 and 63 in a sequential frame.
    pub(super) ss: u8,
    pub(super) se: u8,
    /// Point transform of the scan before (0: this is a first scan) and of this one.
    pub(super) ah: u8,
    pub(super) al: u8,
}

impl Scan {
    pub(super) fn parse(segment: &Segment<'_>, frame: &Frame) -> Result<Self> {
        let Some((&count, rest)) = segment.payload.split_first() else {
            return Err(segment.corrupt("an empty scan header"));
        };
        let count = usize::from(count);
        if count == 0 || count > frame.components.len() || rest.len() != count * 2 + 3 {
            return Err(
                segment.corrupt(format!("a scan header of {} bytes for {count} components", segment.payload.len() + 2))
            );
        }
        let (specs, tail) = rest.split_at(count * 2);
        let &[ss, se, approx] = tail else {
            return Err(segment.corrupt("a short scan header"));
        };
        let mut components = ArrayVec::<ScanComponent, COMPONENTS>::new();
        for spec in specs.chunks_exact(2) {
            let &[id, tables] = spec else { continue };
            // As in libjpeg-turbo, where each component of a scan stands in the frame no earlier than in the scan: of
            // components with one id, the next.
            let index =
                frame.components.iter().enumerate().position(|(i, c)| c.id == id && i >= components.len()).ok_or_else(
                    || segment.corrupt(format!("component {id} is not in the frame, or not in this place")),
                )?;
            if components.iter().any(|c| c.index == index) {
                return Err(segment.corrupt(format!("component {id} twice in a scan")));
            }
            let (dc, ac) = (usize::from(tables >> 4), usize::from(tables & 15));
            if dc > 3 || ac > 3 {
                return Err(segment.corrupt("a Huffman table above 3"));
            }
            components.push(ScanComponent { index, dc, ac });
        }
        if components.len() > 1 {
            let blocks: usize =
                components.iter().filter_map(|c| frame.components.get(c.index)).map(|c| c.h * c.v).sum();
            if blocks > 10 {
                return Err(segment.corrupt(format!("{blocks} blocks in an MCU, more than 10")));
            }
        }
        let mut scan = Self { components, ss, se, ah: approx >> 4, al: approx & 15 };
        if frame.progressive {
            scan.check_progression(segment)?;
        } else {
            // Some encoders leave other values here; libjpeg reads them as these.
            (scan.ss, scan.se, scan.ah, scan.al) = (0, 63, 0, 0);
        }
        Ok(scan)
    }

    /// The rules of G.1.1.1 for one scan.
    fn check_progression(&self, segment: &Segment<'_>) -> Result<()> {
        let band =
            if self.ss == 0 { self.se == 0 } else { self.se >= self.ss && self.se <= 63 && self.components.len() == 1 };
        let approximation = self.al <= 13 && (self.ah == 0 || self.ah == self.al + 1);
        if band && approximation {
            return Ok(());
        }
        Err(segment.corrupt(format!(
            "a progressive scan of coefficients {}..{} with approximation {}..{}",
            self.ss, self.se, self.ah, self.al
        )))
    }
}

/// Which coefficients the scans so far have given, and to which bit.
///
/// A progressive file cut between two scans and closed with EOI is well formed marker by marker;
/// only this tells that its last refinements are missing.
#[derive(Debug, Clone)]
pub(super) struct Coverage {
    /// Lowest bit known of each coefficient of each component; `None` before its first scan.
    known: [[Option<u8>; 64]; COMPONENTS],
}

impl Default for Coverage {
    fn default() -> Self {
        Self { known: [[None; 64]; COMPONENTS] }
    }
}

impl Coverage {
    pub(super) fn add(&mut self, scan: &Scan, at: usize) -> Result<()> {
        for component in &scan.components {
            let Some(known) = self.known.get_mut(component.index) else {
                continue;
            };
            for bit in known.iter_mut().take(usize::from(scan.se) + 1).skip(usize::from(scan.ss)) {
                let expected = if scan.ah == 0 { None } else { Some(scan.ah) };
                // A sequential scan that repeats a component is an error for every decoder too.
                if *bit != expected {
                    return Err(ImageError::corrupt(
                        Format::Jpeg,
                        at,
                        "a scan out of order: it repeats or refines what is not there",
                    ));
                }
                *bit = Some(scan.al);
            }
        }
        Ok(())
    }

    /// Fails unless every coefficient of every component has come to its last bit.
    pub(super) fn finish(&self, frame: &Frame, end: usize) -> Result<()> {
        for (index, known) in self.known.iter().enumerate().take(frame.components.len()) {
            if let Some(k) = known.iter().position(|&bit| bit != Some(0)) {
                return Err(ImageError::truncated(
                    Format::Jpeg,
                    end,
                    format!("no scan completes coefficient {k} of component {index}"),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, payload: &[u8]) -> Segment<'_> {
        Segment { marker, at: 2, payload }
    }

    #[test]
    fn frame_headers() {
        let good = [8, 0, 16, 0, 9, 1, 1, 0x11, 0];
        let frame = Frame::parse(&segment(0xC0, &good)).unwrap();
        assert_eq!((frame.height, frame.width), (16, 9));
        assert_eq!(frame.blocks_of(&frame.components[0]), (2, 2));
        for (index, value) in [(2, 0), (4, 0), (5, 2), (7, 0x51), (7, 0x10), (8, 4)] {
            let mut bad = good;
            bad[index] = value;
            let error = Frame::parse(&segment(0xC0, &bad)).unwrap_err();
            assert!(matches!(error, ImageError::Corrupt { .. }), "{index}");
        }
        for marker in [0xC3, 0xC5, 0xC9, 0xCA, 0xCF] {
            let error = Frame::parse(&segment(marker, &good)).unwrap_err();
            assert!(matches!(error, ImageError::Unsupported { .. }));
        }
        assert!(Frame::parse(&segment(0xC0, &good[..5])).is_err());
    }

    #[test]
    fn coverage_wants_every_bit() {
        let header = [8, 0, 8, 0, 8, 1, 1, 0x11, 0];
        let frame = Frame::parse(&segment(0xC2, &header)).unwrap();
        let scan = |ss, se, approx| Scan::parse(&segment(0xDA, &[1, 1, 0, ss, se, approx]), &frame).unwrap();
        let mut coverage = Coverage::default();
        coverage.add(&scan(0, 0, 0x01), 0).unwrap();
        coverage.add(&scan(1, 63, 0x00), 0).unwrap();
        assert!(coverage.finish(&frame, 0).unwrap_err().is_truncated());
        assert!(coverage.add(&scan(1, 63, 0x10), 0).is_err());
        coverage.add(&scan(0, 0, 0x10), 0).unwrap();
        assert!(coverage.finish(&frame, 0).is_ok());
        assert!(Scan::parse(&segment(0xDA, &[1, 1, 0, 0, 5, 0]), &frame).is_err());
        assert!(Scan::parse(&segment(0xDA, &[1, 9, 0, 0, 0, 0]), &frame).is_err());
    }
}
