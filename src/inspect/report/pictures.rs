//! The second reading: images that are shown, and those whose brightness is taken.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::gather::{Facts, ShardFacts};
use super::values::Values;
use crate::error::{ErrorClass, Result};
use crate::example::ExampleView;
use crate::image::{
    DecodeOptions, Decoder, Format, ImageBuf, ImageError, Limits, Orientation, Scale, Shape, decode_any, encode_jpeg,
    probe_magic, sniff,
};
use crate::inspect::boxes::{BoxMark, boxes};
use crate::inspect::kinds::Place;
use crate::inspect::preview::Fitter;
use crate::inspect::work::{Tracked, Work};
use crate::record::{Compression, OnCorrupt, RandomAccess, ReadOptions};

/// The longer side of a shown image in pixels.
pub(super) const SIDE: usize = 160;
const QUALITY: u8 = 80;
/// Larger images are not decoded.
const MOST_PIXELS: u64 = 64_000_000;
/// Boxes drawn over an image.
const MOST_BOXES: usize = 16;
/// Records that one thread takes at a time.
const AT_ONCE: usize = 64;

/// What is wanted of a record's image.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish {
    pub(super) thumbnail: bool,
    pub(super) brightness: bool,
    /// What its features hold.
    pub(super) values: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Picture {
    /// A small JPEG, or why there is none.
    pub(super) thumbnail: Option<std::result::Result<Thumbnail, String>>,
    /// Mean luma, 0 to 255.
    pub(super) brightness: Option<u8>,
}

#[derive(Debug)]
pub(super) struct Thumbnail {
    pub(super) jpeg: Vec<u8>,
    /// Height and width.
    pub(super) size: (usize, usize),
    /// Of the image itself, upright.
    pub(super) full: (usize, usize),
    pub(super) boxes: Vec<BoxMark>,
    /// Boxes that the record has.
    pub(super) box_count: usize,
}

pub(super) type Pictures = BTreeMap<Place, Picture>;

/// Reads the records wished for, and does what is wished.
pub(super) fn take(facts: &Facts, wishes: &BTreeMap<Place, Wish>, work: &Work<'_>) -> Result<(Pictures, Values)> {
    let all: Vec<(Place, Wish)> = wishes.iter().map(|(place, wish)| (*place, *wish)).collect();
    let mut units: Vec<&[(Place, Wish)]> = Vec::new();
    for of_shard in all.chunk_by(|a, b| a.0.0 == b.0.0) {
        // A compressed shard is read from front to back, so by one thread.
        let compressed = of_shard.first().is_some_and(|(p, _)| facts.shards[p.0].compression != Compression::None);
        units.extend(of_shard.chunks(if compressed { of_shard.len() } else { AT_ONCE }));
    }
    let taken = work.in_order(units.len(), |i| Taker::new()?.unit(&facts.shards, units[i], work))?;
    let (mut pictures, mut values) = (Pictures::new(), Values::default());
    // In the order of the records, so that the page does not depend on the threads.
    for (some, seen) in taken {
        pictures.extend(some);
        values.merge(seen);
    }
    Ok((pictures, values))
}

struct Taker {
    decoder: Decoder,
    fitter: Fitter,
    taken: Vec<(Place, Picture)>,
    values: Values,
}

impl Taker {
    fn new() -> Result<Self> {
        let limits = Limits { max_pixels: MOST_PIXELS, max_bytes: 4 * MOST_PIXELS, ..Default::default() };
        let options = DecodeOptions { orientation: Orientation::Apply, limits, ..Default::default() };
        Ok(Taker {
            decoder: Decoder::new(options)?,
            fitter: Fitter::new(SIDE),
            taken: Vec::new(),
            values: Values::default(),
        })
    }

    /// Takes records of one shard, in order.
    fn unit(
        mut self,
        shards: &[ShardFacts],
        wishes: &[(Place, Wish)],
        work: &Work<'_>,
    ) -> Result<(Vec<(Place, Picture)>, Values)> {
        let Some(&((shard, ..), _)) = wishes.first() else { return Ok((self.taken, self.values)) };
        let shard = &shards[shard];
        if let Some(access) = RandomAccess::open(&shard.path, work.io(), work.reading())? {
            let mut buffer = Vec::new();
            for &(place, wish) in wishes {
                work.advance(0)?;
                let record = access.record_at(place.1, place.2, &mut buffer).map_err(|e| e.at_path(&shard.path))?;
                self.record(place, wish, record.payload, shard)?;
            }
            return Ok((self.taken, self.values));
        }
        let options = ReadOptions { on_corrupt: OnCorrupt::Continue, ..work.reading() };
        let mut source = Tracked::open_stream(&shard.path, options)?;
        let mut wishes = wishes.iter().peekable();
        while let Some(&&(place, wish)) = wishes.peek() {
            match source.next_record(work) {
                Ok(Some(record)) if record.index == place.1 => {
                    self.record(place, wish, record.payload, shard)?;
                    wishes.next();
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                // The damage is among the findings.
                Err(e) if e.class() == ErrorClass::Data => {}
                Err(e) => return Err(e),
            }
        }
        Ok((self.taken, self.values))
    }

    fn record(&mut self, place: Place, wish: Wish, payload: &[u8], shard: &ShardFacts) -> Result<()> {
        if wish.values {
            // What cannot be read is among the findings.
            let _ = self.values.add(payload, shard.message);
        }
        let Some(key) = shard.image_key.as_deref() else { return Ok(()) };
        let Some(feature) = ExampleView::new(payload).feature(key)? else { return Ok(()) };
        let Some(Ok(bytes)) = feature.bytes().ok().and_then(|mut values| values.next()) else { return Ok(()) };
        let mut picture = Picture::default();
        // Whatever befalls a decoder, the report is made.
        let done = catch_unwind(AssertUnwindSafe(|| {
            if wish.brightness {
                picture.brightness = self.brightness(bytes).ok();
            }
            if wish.thumbnail {
                picture.thumbnail = Some(self.thumbnail(bytes, payload).map_err(|e| e.to_string()));
            }
        }));
        if done.is_err() {
            let (taken, values) = (std::mem::take(&mut self.taken), std::mem::take(&mut self.values));
            *self = Taker { taken, values, ..Taker::new()? };
            picture.thumbnail = wish.thumbnail.then(|| Err("the decoder panicked".to_owned()));
        }
        self.taken.push((place, picture));
        Ok(())
    }

    fn brightness(&mut self, bytes: &[u8]) -> Result<u8, ImageError> {
        let image = self.decode(bytes, Scale::Eighth)?;
        Ok(mean_luma(&image))
    }

    fn thumbnail(&mut self, bytes: &[u8], payload: &[u8]) -> Result<Thumbnail> {
        let probe = probe_magic(bytes)?.1;
        let full = probe.map_or((0, 0), |probe| probe.size(Orientation::Apply));
        let longer = full.0.max(full.1);
        let scale = Scale::for_target((longer, longer), (SIDE, SIDE));
        let image = shrink(self.decode(bytes, scale)?)?;
        let fitted = self.fitter.fit(&crate::image::Image::from(image).into_f32())?;
        let Shape { height, width, .. } = fitted.shape();
        let mut boxes = boxes(payload).unwrap_or_default();
        let box_count = boxes.len();
        boxes.truncate(MOST_BOXES);
        let boxes = boxes.into_iter().map(|mark| mark.turned(probe.and_then(|p| p.exif_orientation))).collect();
        Ok(Thumbnail { jpeg: encode_jpeg(&fitted, QUALITY)?, size: (height, width), full, boxes, box_count })
    }

    /// Decodes upright to one or three channels, where it can at a smaller scale.
    fn decode(&mut self, bytes: &[u8], scale: Scale) -> Result<ImageBuf<u8>, ImageError> {
        if matches!(sniff(bytes), Some(Format::Jpeg | Format::Png)) {
            let mut image = ImageBuf::empty();
            self.decoder.decode_scaled(bytes, scale, None, &mut image)?;
            return Ok(image);
        }
        let image = decode_any(bytes, &self.decoder.options().limits)?;
        let Shape { height, width, channels } = image.shape();
        let opaque = if channels < 3 { 1 } else { 3 };
        let pixels = image.pixels().chunks_exact(channels).flat_map(|pixel| pixel[..opaque].iter().copied()).collect();
        ImageBuf::from_pixels(Shape::new(height, width, opaque), pixels)
    }
}

/// Means of squares, as large as leaves twice what is shown: a whole image in floats would be too much.
fn shrink(image: ImageBuf<u8>) -> Result<ImageBuf<u8>, ImageError> {
    let Shape { height, width, channels } = image.shape();
    let side = height.max(width) / (2 * SIDE);
    if side < 2 {
        return Ok(image);
    }
    let shape = Shape::new(height.div_ceil(side), width.div_ceil(side), channels);
    let mut out = Vec::with_capacity(shape.height * shape.row_len());
    for rows in image.pixels().chunks(side * width * channels) {
        for x in 0..shape.width {
            let from = x * side * channels;
            let to = ((x + 1) * side).min(width) * channels;
            for channel in 0..channels {
                let squares = rows.chunks_exact(width * channels).flat_map(|row| row[from..to].iter());
                let (sum, count) = (squares.skip(channel).step_by(channels))
                    .fold((0u64, 0u64), |(sum, count), v| (sum + u64::from(*v), count + 1));
                out.push((sum / count.max(1)) as u8);
            }
        }
    }
    ImageBuf::from_pixels(shape, out)
}

/// The mean of BT.601 luma.
fn mean_luma(image: &ImageBuf<u8>) -> u8 {
    let channels = image.shape().channels.max(1);
    let (sum, count) = image.pixels().chunks_exact(channels).fold((0u64, 0u64), |(sum, count), pixel| {
        let luma = match *pixel {
            [r, g, b] => (299 * u64::from(r) + 587 * u64::from(g) + 114 * u64::from(b)) / 1000,
            _ => pixel.first().copied().map_or(0, u64::from),
        };
        (sum + luma, count + 1)
    });
    (sum / count.max(1)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(height: usize, width: usize) -> ImageBuf<u8> {
        let pixels = (0..height * width).flat_map(|i| [(i % width * 255 / width) as u8, 0, 0]).collect();
        ImageBuf::from_pixels(Shape::new(height, width, 3), pixels).unwrap()
    }

    #[test]
    fn a_large_image_is_shrunk_to_means() {
        let small = shrink(gradient(1001, 1300)).unwrap();
        assert_eq!(small.shape(), Shape::new(251, 325, 3));
        let row = &small.pixels()[..325 * 3];
        assert!(row.chunks_exact(3).is_sorted_by_key(|p| p[0]) && row[1] == 0 && row[324 * 3] > 250);
        assert_eq!(shrink(gradient(30, 40)).unwrap(), gradient(30, 40));
    }

    #[test]
    fn brightness_is_mean_luma() {
        let of =
            |pixel: &[u8]| mean_luma(&ImageBuf::from_pixels(Shape::new(2, 2, pixel.len()), pixel.repeat(4)).unwrap());
        assert_eq!((of(&[255, 255, 255]), of(&[0, 255, 0]), of(&[77])), (255, 149, 77));
    }
}
