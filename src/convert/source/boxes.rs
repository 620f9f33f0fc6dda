//! Boxes as parts of the image's size.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::image;
use crate::record::frame::MAX_RECORD_LEN;

/// How far a box may reach over the edge: a pixel, or what rounding makes of a part of 1.
const PIXEL: f64 = 1.0;
const PART: f64 = 1e-4;

/// A box given in pixels, for an image of this height and width. Reaching over the edge by up to a pixel, it is cut
/// there.
pub(super) fn from_pixels(corners: [f64; 4], [height, width]: [u32; 2]) -> Result<[f32; 4], String> {
    let size = [f64::from(width), f64::from(height)];
    normalise(corners, size, PIXEL).ok_or_else(|| {
        let [xmin, ymin, xmax, ymax] = corners;
        format!("spans x {xmin} to {xmax}, y {ymin} to {ymax}: not inside the image of {width}x{height}, or inside out")
    })
}

/// A box given in parts of the image's size already.
pub(super) fn from_parts(corners: [f64; 4]) -> Result<[f32; 4], String> {
    normalise(corners, [1.0, 1.0], PART).ok_or_else(|| {
        let [xmin, ymin, xmax, ymax] = corners;
        format!(
            "spans x {xmin} to {xmax}, y {ymin} to {ymax}: not inside 0 to 1, or inside out; \
             boxes are parts of the image's width and height"
        )
    })
}

fn normalise([xmin, ymin, xmax, ymax]: [f64; 4], [width, height]: [f64; 2], slack: f64) -> Option<[f32; 4]> {
    let lies_well = |min: f64, max: f64, size: f64| min >= -slack && min <= max && max <= size + slack;
    if !(lies_well(xmin, xmax, width) && lies_well(ymin, ymax, height)) {
        return None;
    }
    let part = |value: f64, size: f64| (value / size).clamp(0.0, 1.0) as f32;
    Some([part(xmin, width), part(ymin, height), part(xmax, width), part(ymax, height)])
}

/// Height and width by the image's own header, for annotations that do not say.
pub(super) fn size_of_image(path: &Path) -> Option<[u32; 2]> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_RECORD_LEN).read_to_end(&mut bytes).ok()?;
    let (_, probe) = image::probe_magic(&bytes).ok()?;
    let probe = probe?;
    Some([u32::try_from(probe.height).ok()?, u32::try_from(probe.width).ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_become_parts_and_a_pixel_over_the_edge_is_cut() {
        assert_eq!(from_pixels([0.0, 10.0, 50.0, 20.0], [40, 100]), Ok([0.0, 0.25, 0.5, 0.5]));
        assert_eq!(from_pixels([-0.5, 0.0, 100.9, 41.0], [40, 100]), Ok([0.0, 0.0, 1.0, 1.0]));
        assert!(from_pixels([0.0, 0.0, 101.5, 40.0], [40, 100]).unwrap_err().contains("100x40"));
        assert!(from_pixels([5.0, 0.0, 4.0, 40.0], [40, 100]).is_err());
        assert!(from_pixels([f64::NAN, 0.0, 4.0, 40.0], [40, 100]).is_err());
    }

    #[test]
    fn parts_stay_and_pixels_are_not_taken_for_them() {
        assert_eq!(from_parts([0.1, 0.2, 1.00001, 0.3]), Ok([0.1, 0.2, 1.0, 0.3]));
        assert!(from_parts([12.0, 5.0, 40.0, 80.0]).unwrap_err().contains("parts of the image"));
    }
}
