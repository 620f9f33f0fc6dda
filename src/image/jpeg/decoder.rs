//! Decodes Huffman-coded frames to libjpeg-turbo's very pixels.
//!
//! A frame of one scan goes MCU row by MCU row: codes to samples, which are kept for two MCU rows, and these to pixels
//! while they are in the cache. The samples of several scans are kept whole, and so are the coefficients of a progressive
//! frame.

use arrayvec::ArrayVec;

use super::blocks::{Part, Plane, Transform, mcu_row, natural_place};
use super::color::{ColorModel, cmyk_to_rgb, interleave, rgb_to_luma, ycck_to_cmyk};
use super::entropy::{Pace, located, scan_codes};
use super::frame::{COMPONENTS, Frame, Scan, no_fraction};
use super::huffman::{Fault, Tables};
use super::idct::COEFFICIENTS;
use super::progressive::{self, Coded};
use super::window::{Extent, Way, Window};
use crate::image::buf::{ImageBuf, Shape, fit};
use crate::image::error::{ImageError, Result};
use crate::image::ops::Rect;
use crate::image::probe::Limits;
use crate::image::sniff::Format;
use crate::image::ycc;

/// The four quantisation tables in force, row by row.
pub(super) type Quantisers = [Option<[u16; COEFFICIENTS]>; 4];

/// One table of a DQT segment, which is in zigzag order, row by row.
pub(super) fn quantisers(values: impl Iterator<Item = u16>) -> [u16; COEFFICIENTS] {
    let mut table = [0; COEFFICIENTS];
    for (k, value) in values.enumerate() {
        if let Some(place) = table.get_mut(natural_place(k)) {
            *place = value;
        }
    }
    table
}

/// Where the pixels go and which they are to be, with scratch memory that is kept from image to image.
pub(crate) struct Target<'a> {
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) image: &'a mut ImageBuf<u8>,
    /// One channel rather than three.
    pub(crate) gray: bool,
    /// The accurate inverse transform rather than the fast one.
    pub(crate) accurate: bool,
    pub(crate) limits: Limits,
    pub(crate) extent: Extent,
}

/// Memory of a decoder that is kept from image to image.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(super) tables: Tables,
    planes: [Plane; COMPONENTS],
    /// Of a progressive frame.
    coded: [Coded; COMPONENTS],
    ways: [Way; COMPONENTS],
    rows: [Vec<u8>; COMPONENTS],
    sums: Vec<u16>,
    pixels: Vec<u8>,
    model: ColorModel,
    adobe: bool,
    /// What is wanted of the image, in pixels of the decoded size.
    rect: Rect,
    /// Whether the samples come row by row of MCUs for all components, so that rows of pixels can be made as they do.
    streaming: bool,
}

impl Scratch {
    /// Holds nothing of an image before, nor memory that an outlier has left.
    pub(crate) fn give_back(&mut self) -> Result<()> {
        self.coded.iter_mut().try_for_each(Coded::clear)?;
        self.planes.iter_mut().try_for_each(|plane| fit(&mut plane.samples, 0, 0))
    }
}

/// Checks that a frame can be decoded to this many channels; returns their number.
pub(crate) fn check(frame: &Frame, gray: bool, limits: &Limits) -> Result<usize> {
    let channels = if gray { 1 } else { 3 };
    limits.check(frame.width, frame.height, channels)?;
    if frame.components.len() == 4 && gray {
        return Err(ImageError::unsupported(Format::Jpeg, "decoding four inks (CMYK) to one channel"));
    }
    Ok(channels)
}

impl Target<'_> {
    /// To be called before the first scan. That the scans have as many bits as they need at the least has been checked.
    pub(super) fn start(&mut self, frame: &Frame, scan: &Scan, model: ColorModel, adobe: bool) -> Result<()> {
        let channels = check(frame, self.gray, &self.limits)?;
        let rect = self.extent.rect(frame)?;
        self.image.reshape(Shape::new(rect.height, rect.width, channels))?;
        let Scratch { planes, coded, ways, rows, sums, pixels, .. } = &mut *self.scratch;
        let single = frame.components.len() == 1;
        let streaming = frame.progressive || !frame.is_kept(scan);
        let (mcus, mcu_rows) = frame.mcus();
        for (index, coded) in coded.iter_mut().enumerate() {
            match frame.components.get(index).filter(|_| frame.progressive) {
                Some(component) => coded.start(frame, component)?,
                None => coded.clear()?,
            }
        }
        planes.iter_mut().for_each(|plane| plane.unused = true);
        let parts = planes.iter_mut().zip(ways).zip(rows);
        for (index, (component, ((plane, way), row))) in frame.components.iter().zip(parts).enumerate() {
            plane.unused = self.gray && model == ColorModel::YCbCr && index > 0;
            plane.transform = None;
            if plane.unused {
                continue;
            }
            *way = Way::new(component, frame, self.extent.scale, &rect).ok_or_else(|| no_fraction(component))?;
            let all = mcu_rows * component.v * way.side;
            plane.stride = mcus * component.h * way.side;
            plane.rows = if streaming { all.min(2 * way.side * if single { 1 } else { component.v }) } else { all };
            fit(&mut plane.samples, plane.stride * plane.rows, 0)?;
            let (row_len, sums_len) = way.room();
            row.resize(row_len, 0);
            sums.resize(sums.len().max(sums_len), 0);
        }
        for plane in planes.iter_mut().filter(|plane| plane.unused) {
            fit(&mut plane.samples, 0, 0)?;
        }
        if matches!(model, ColorModel::Cmyk | ColorModel::Ycck) || (self.gray && model == ColorModel::Rgb) {
            pixels.resize(rect.width * frame.components.len(), 0);
        }
        (self.scratch.model, self.scratch.adobe, self.scratch.streaming) = (model, adobe, streaming);
        self.scratch.rect = rect;
        Ok(())
    }

    /// Decodes one scan; `base` is the offset of `data` in the file.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn scan(
        &mut self,
        data: &[u8],
        base: usize,
        frame: &Frame,
        scan: &Scan,
        tables: &Tables,
        quantisers: &Quantisers,
        restart_interval: usize,
    ) -> Result<()> {
        for part in &scan.components {
            let Scratch { planes, ways, .. } = &mut *self.scratch;
            let (Some(component), Some(plane), Some(way)) =
                (frame.components.get(part.index), planes.get_mut(part.index), ways.get(part.index))
            else {
                continue;
            };
            let quantisers = quantisers
                .get(component.quantiser)
                .and_then(Option::as_ref)
                .ok_or_else(|| ImageError::corrupt(Format::Jpeg, base, "a scan without its quantisation table"))?;
            // Those of its first scan.
            plane.transform.get_or_insert_with(|| Transform::new(quantisers, way.side, self.accurate));
        }
        let mut pace = Pace::new(data, restart_interval);
        let decoded = if frame.progressive {
            progressive::scan(&mut pace, &mut self.scratch.coded, frame, scan, tables)
        } else {
            self.mcu_rows(&mut pace, frame, scan, tables)
        };
        decoded.map_err(|fault| located(fault, base + pace.bits.position()))
    }

    fn mcu_rows(
        &mut self,
        pace: &mut Pace<'_>,
        frame: &Frame,
        scan: &Scan,
        tables: &Tables,
    ) -> std::result::Result<(), Fault> {
        let (across, down) = frame.mcus_of(scan);
        let window = self.window(frame, scan);
        let mut codes = scan_codes(frame, scan, tables)?;
        let mut done = 0;
        for row in 0..down {
            let mut planes = self.scratch.planes.each_mut().map(Some);
            let mut parts = ArrayVec::<Part<'_>, COMPONENTS>::new();
            for (part, codes) in scan.components.iter().zip(&codes) {
                let plane = planes.get_mut(part.index).and_then(Option::take).ok_or(Fault::NoTable)?;
                let transform = plane.transform.ok_or(Fault::NoTable)?;
                parts.push(Part {
                    samples: &mut plane.samples,
                    stride: plane.stride,
                    start: row * codes.v * transform.side % plane.rows.max(1) * plane.stride,
                    transform,
                    unused: plane.unused,
                });
            }
            mcu_row(pace, &mut codes, &mut parts, across, window.of_row(row, across))?;
            drop(parts);
            if self.scratch.streaming {
                done = self.give_complete_rows(done, row + 1, frame);
            }
        }
        Ok(())
    }

    /// The MCUs of a scan that hold what is wanted.
    fn window(&self, frame: &Frame, scan: &Scan) -> Window {
        let mut window = Window::default();
        for part in &scan.components {
            let Scratch { planes, ways, .. } = &*self.scratch;
            if let (Some(component), Some(way), Some(Plane { unused: false, .. })) =
                (frame.components.get(part.index), ways.get(part.index), planes.get(part.index))
            {
                window = window.with(way.mcus(frame.blocks_in_mcu(component, scan)));
            }
        }
        window
    }

    /// Makes the rows of pixels that so many MCU rows are enough for, from row `done` on; returns the next.
    fn give_complete_rows(&mut self, done: usize, mcu_rows: usize, frame: &Frame) -> usize {
        let rows = mcu_rows * self.mcu_height(frame);
        let mut ways = self.scratch.ways.iter().zip(&self.scratch.planes).take(frame.components.len());
        let looks_down = ways.any(|(way, plane)| !plane.unused && way.looks_down());
        let height = self.extent.scale.size_of((frame.height, frame.width)).0;
        let next = if rows >= height { height } else { rows - usize::from(looks_down) };
        self.give_rows(done, next);
        next
    }

    /// Rows of pixels of an MCU with all components.
    fn mcu_height(&self, frame: &Frame) -> usize {
        let (_, v_max) = frame.max_sampling();
        let blocks = if frame.components.len() == 1 { 1 } else { v_max };
        blocks * 8 / self.extent.scale.divisor()
    }

    /// To be called after the last scan.
    pub(super) fn finish(&mut self, frame: &Frame) {
        if frame.progressive {
            self.transform(frame);
        } else if !self.scratch.streaming {
            self.give_rows(0, usize::MAX);
        }
    }

    /// Coefficients to pixels.
    fn transform(&mut self, frame: &Frame) {
        let single = frame.components.len() == 1;
        let height = self.extent.scale.size_of((frame.height, frame.width)).0;
        let mut done = 0;
        for mcu_row in 0..height.div_ceil(self.mcu_height(frame)) {
            let parts = self.scratch.planes.iter_mut().zip(&mut self.scratch.coded).zip(&self.scratch.ways);
            for (component, ((plane, coded), way)) in frame.components.iter().zip(parts) {
                let Plane { samples, stride, rows, transform: Some(transform), unused: false } = plane else {
                    continue;
                };
                let (v, side) = (if single { 1 } else { component.v }, transform.side);
                let wanted = way.mcus((1, 1));
                for y in (mcu_row * v..(mcu_row + 1) * v).filter(|y| wanted.down.contains(y)) {
                    let at = y * side % (*rows).max(1) * *stride + wanted.across.start * side;
                    let blocks = coded.row(y).get(wanted.across.clone()).unwrap_or_default();
                    transform.row(blocks, samples.get_mut(at..).unwrap_or_default(), *stride);
                }
            }
            done = self.give_complete_rows(done, mcu_row + 1, frame);
        }
    }

    /// Makes those of these rows of pixels that are wanted.
    fn give_rows(&mut self, from: usize, to: usize) {
        let Shape { width, channels, .. } = self.image.shape();
        let len = width * channels;
        let Scratch { planes, ways, rows, sums, pixels, model, adobe, rect, .. } = &mut *self.scratch;
        let (from, to) = (from.max(rect.y), to.min(rect.y + rect.height));
        let start = from.saturating_sub(rect.y) * len;
        let out = self.image.pixels_mut().get_mut(start..).unwrap_or_default();
        for (y, out) in (from..to).zip(out.chunks_exact_mut(len.max(1))) {
            let mut full: [&[u8]; COMPONENTS] = [&[]; COMPONENTS];
            for (((full, plane), way), row) in full.iter_mut().zip(planes.iter()).zip(ways.iter()).zip(rows.iter_mut())
            {
                if !plane.unused {
                    *full = way.row(plane, y, sums, row);
                }
            }
            let [a, b, c, d] = full;
            match (*model, self.gray) {
                (ColorModel::Gray | ColorModel::YCbCr, true) => interleave([a], out),
                (ColorModel::Gray, false) => interleave([a; 3], out),
                (ColorModel::YCbCr, false) => ycc::row_to_rgb(a, b, c, out),
                (ColorModel::Rgb, false) => interleave([a, b, c], out),
                (ColorModel::Rgb, true) => {
                    interleave([a, b, c], pixels);
                    rgb_to_luma(pixels, out);
                }
                (ColorModel::Cmyk | ColorModel::Ycck, _) => {
                    interleave([a, b, c, d], pixels);
                    if *model == ColorModel::Ycck {
                        ycck_to_cmyk(pixels);
                    }
                    cmyk_to_rgb(pixels, *adobe, out);
                }
            }
        }
    }
}
