//! Decoding options that TensorFlow does not have: EXIF orientation and limits.

#[path = "common/golden.rs"]
mod golden;

use golden::bytes;
use proptest::prelude::*;
use tfrkit::image::{
    Channels, DecodeOptions, Decoder, ImageBuf, ImageError, Limits, Orientation, Shape, Truncated, probe_header,
};

fn image(name: &str) -> Vec<u8> {
    bytes(&format!("images/{name}"))
}

fn decode(bytes: &[u8], orientation: Orientation, channels: Channels) -> ImageBuf<u8> {
    let options = DecodeOptions { orientation, channels, ..DecodeOptions::default() };
    Decoder::new(options).unwrap().decode(bytes).unwrap()
}

/// A TIFF structure that holds only the orientation, in either byte order.
fn tiff(orientation: u16, big: bool) -> Vec<u8> {
    let two = |v: u16| if big { v.to_be_bytes() } else { v.to_le_bytes() };
    let four = |v: u32| if big { v.to_be_bytes() } else { v.to_le_bytes() };
    let head = if big { b"MM\0*" } else { b"II*\0" };
    let entry = [&two(0x0112)[..], &two(3), &four(1), &two(orientation), &two(0)].concat();
    [&head[..], &four(8), &two(1), &entry, &four(0)].concat()
}

/// A JPEG with this TIFF structure as its Exif segment.
fn jpeg_with(jpeg: &[u8], tiff: &[u8]) -> Vec<u8> {
    let len = (2 + 6 + tiff.len()) as u16;
    [&jpeg[..2], b"\xff\xe1", &len.to_be_bytes(), b"Exif\0\0", tiff, &jpeg[2..]].concat()
}

/// A PNG with this TIFF structure as its eXIf chunk, behind IHDR.
fn png_with(png: &[u8], tiff: &[u8]) -> Vec<u8> {
    let body = [b"eXIf", tiff].concat();
    let length = (tiff.len() as u32).to_be_bytes();
    [&png[..33], &length, &body, &crc32fast::hash(&body).to_be_bytes(), &png[33..]].concat()
}

/// Where a pixel of the upright image stands in the stored one, of `height` x `width`.
fn stored(orientation: u16, (y, x): (usize, usize), (height, width): (usize, usize)) -> (usize, usize) {
    let (bottom, right) = (height - 1, width - 1);
    match orientation {
        2 => (y, right - x),
        3 => (bottom - y, right - x),
        4 => (bottom - y, x),
        5 => (x, y),
        6 => (bottom - x, y),
        7 => (bottom - x, right - y),
        8 => (x, right - y),
        _ => (y, x),
    }
}

#[test]
fn every_orientation_is_applied() {
    let limits = Limits::default();
    for channels in [Channels::Gray, Channels::Rgb] {
        for (name, with) in [("color420.jpg", jpeg_with as fn(&[u8], &[u8]) -> _), ("rgb.png", png_with)] {
            let file = image(name);
            let plain = decode(&file, Orientation::Apply, channels);
            let Shape { height, width, channels: c } = plain.shape();
            for orientation in 0..=9 {
                let turned = with(&file, &tiff(orientation, orientation % 2 == 0));
                assert_eq!(decode(&turned, Orientation::Ignore, channels), plain);
                let upright = decode(&turned, Orientation::Apply, channels);
                let shape = upright.shape();
                let probe = probe_header(&turned, &limits).unwrap();
                assert_eq!((probe.height, probe.width), (height, width));
                assert_eq!(probe.size(Orientation::Ignore), (height, width));
                assert_eq!(probe.size(Orientation::Apply), (shape.height, shape.width), "{name} {orientation}");
                let pixel = |image: &ImageBuf<u8>, y, x, row| image.pixels()[(y * row + x) * c..][..c].to_vec();
                for (y, x) in (0..shape.height).flat_map(|y| (0..shape.width).map(move |x| (y, x))) {
                    let (from_y, from_x) = stored(orientation, (y, x), (height, width));
                    let same = pixel(&upright, y, x, shape.width) == pixel(&plain, from_y, from_x, width);
                    assert!(same, "{name} {orientation}: {y}, {x}");
                }
            }
        }
    }
}

/// One decoder for all: a turned image must leave nothing behind, and truncated data are turned as well.
#[test]
fn turning_is_for_each_image_by_itself() {
    let options =
        DecodeOptions { orientation: Orientation::Apply, truncated: Truncated::Accept, ..DecodeOptions::default() };
    let mut decoder = Decoder::new(options).unwrap();
    let mut out = ImageBuf::empty();
    let (plain, turned) = (image("color444.jpg"), image("exif6.jpg"));
    for _ in 0..2 {
        decoder.decode_into(&turned, &mut out).unwrap();
        assert_eq!(out.shape(), Shape::new(28, 20, 3));
        decoder.decode_into(&plain, &mut out).unwrap();
        assert_eq!(out, decode(&plain, Orientation::Ignore, Channels::Rgb));
        decoder.decode_into(&turned[..turned.len() - 40], &mut out).unwrap();
        assert_eq!(out.shape(), Shape::new(28, 20, 3));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever stands in the EXIF: the pixels are those of some orientation, and nothing panics.
    #[test]
    fn hostile_exif_never_panics(
        mut head in prop::sample::select(vec![tiff(6, true), tiff(8, false)]),
        changes in prop::collection::vec((0usize..26, any::<u8>()), 0..6),
        tail in prop::collection::vec(any::<u8>(), 0..40),
        cut in 0usize..70,
    ) {
        for (at, value) in changes {
            head[at] = value;
        }
        head.extend(tail);
        head.truncate(cut);
        for file in [jpeg_with(&image("flat.jpg"), &head), png_with(&image("gray.png"), &head)] {
            let probe = probe_header(&file, &Limits::default()).unwrap();
            let upright = decode(&file, Orientation::Apply, Channels::Rgb);
            let size = (upright.shape().height, upright.shape().width);
            prop_assert_eq!(size, probe.size(Orientation::Apply));
        }
    }
}

/// What an image may have is decided by its header; at the limit it passes, just below it does not.
#[test]
fn limits_hold_for_every_format() {
    let open = Limits::default();
    // 48 blocks of luma and 24 of chroma, two bytes a coefficient.
    let kept = 72 * 64 * 2;
    for (name, samples) in [
        ("color420.jpg", 3),
        ("progressive.jpg", 3),
        ("gray.jpg", 3),
        ("cmyk.jpg", 4),
        ("ycck.jpg", 4),
        ("rgb.png", 3),
        ("rgba.png", 4),
        ("gray.png", 3),
        ("palette.png", 3),
        ("palette_trns.png", 4),
        ("interlaced.png", 3),
        ("rgb16.png", 3),
    ] {
        let file = image(name);
        let probe = probe_header(&file, &open).unwrap();
        let pixels = (probe.height * probe.width) as u64;
        let side = probe.height.max(probe.width);
        let (bytes, unit) = match name {
            "progressive.jpg" => (kept, "bytes kept between scans"),
            _ => (pixels * samples, "bytes decoded"),
        };
        let exact = Limits { max_pixels: pixels, max_dim: side, max_bytes: bytes };
        let decode = |limits| {
            let options = DecodeOptions { limits, ..DecodeOptions::default() };
            Decoder::new(options).unwrap().decode(&file)
        };
        decode(exact).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (limits, unit) in [
            (Limits { max_pixels: pixels - 1, ..exact }, "pixels"),
            (Limits { max_dim: side - 1, ..exact }, "pixels a side"),
            (Limits { max_bytes: bytes - 1, ..exact }, unit),
        ] {
            match decode(limits) {
                Err(ImageError::TooLarge { unit: found, .. }) => assert_eq!(found, unit, "{name}"),
                other => panic!("{name}, {unit}: {other:?}"),
            }
        }
    }
}
