//! Decoding a part of an image, or a smaller one: the pixels are those of the whole.

#[path = "common/golden.rs"]
mod golden;

use golden::{JPEGS, bytes};
use proptest::prelude::*;
use tfrkit::image::ops::{Rect, crop_to_bounding_box};
use tfrkit::image::{Channels, Dct, DecodeOptions, Decoder, ImageBuf, Orientation, Scale, Truncated, encode_jpeg};

const OTHERS: [&str; 5] = ["coded_narrow.jpg", "rgb.png", "rgba16.png", "palette.png", "interlaced.png"];
const SCALES: [Scale; 4] = [Scale::Full, Scale::Half, Scale::Quarter, Scale::Eighth];

/// A rectangle in an image of this size, from shares of its sides.
fn rect((height, width): (usize, usize), [y, x, h, w]: [f32; 4]) -> Rect {
    let side = |at: f32, len: f32, all: usize| {
        let len = ((len * all as f32) as usize).clamp(1, all);
        ((at * (all - len + 1) as f32) as usize, len)
    };
    let ((y, height), (x, width)) = (side(y, h, height), side(x, w, width));
    Rect { y, x, height, width }
}

fn shares() -> [std::ops::Range<f32>; 4] {
    [0.0..1.0, 0.0..1.0, 0.0..1.2, 0.0..1.2]
}

/// Decodes all and a part with the same options, and compares.
fn check(
    file: &[u8],
    options: DecodeOptions,
    scale: Scale,
    shares: [f32; 4],
    part: &mut Decoder,
) -> Result<(), String> {
    let (mut whole, mut region) = (ImageBuf::empty(), ImageBuf::empty());
    let mut decoder = Decoder::new(options).unwrap();
    match scale {
        Scale::Full => decoder.decode_into(file, &mut whole),
        _ => decoder.decode_scaled(file, scale, None, &mut whole),
    }
    .map_err(|e| e.to_string())?;
    let rect = rect((whole.shape().height, whole.shape().width), shares);
    crop_to_bounding_box(&mut whole, rect).unwrap();
    part.decode_scaled(file, scale, Some(rect), &mut region).map_err(|e| e.to_string())?;
    if region == whole { Ok(()) } else { Err(format!("{rect:?} at {scale:?} differs")) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// The decoder of the parts is one for all, so that nothing of an image may show in the next.
    #[test]
    fn a_region_is_a_crop_of_the_whole(
        shares in prop::collection::vec(shares(), JPEGS.len() + OTHERS.len()),
        scale in prop::sample::select(&SCALES[..]),
        islow in any::<bool>(),
        apply in any::<bool>(),
        gray in any::<bool>(),
    ) {
        let options = DecodeOptions {
            channels: if gray { Channels::Gray } else { Channels::Rgb },
            dct: if islow { Dct::Islow } else { Dct::Ifast },
            orientation: if apply { Orientation::Apply } else { Orientation::Ignore },
            ..DecodeOptions::default()
        };
        let mut part = Decoder::new(options).unwrap();
        for (name, shares) in JPEGS.iter().chain(&OTHERS).zip(shares) {
            if gray && ["cmyk.jpg", "cmyk_plain.jpg", "ycck.jpg"].contains(name) {
                continue;
            }
            let found = check(&bytes(&format!("images/{name}")), options, scale, shares, &mut part);
            prop_assert_eq!(found, Ok(()), "{}", name);
        }
    }

    #[test]
    fn a_region_of_a_larger_image(
        (height, width) in (1usize..150, 1usize..150),
        shares in prop::collection::vec(shares(), 8),
        scale in prop::sample::select(&SCALES[..]),
        orientation in 1u8..=8,
    ) {
        let pixels = (0..height * width * 3).map(|i| (i * i % 1009 % 256) as u8).collect();
        let image = ImageBuf::from_pixels(tfrkit::image::Shape::new(height, width, 3), pixels).unwrap();
        let jpeg = encode_jpeg(&image, 80).unwrap();
        // A TIFF structure that holds only the orientation.
        let tiff = [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[orientation], &[0; 7]].concat();
        let jpeg = [&jpeg[..2], b"\xff\xe1\0\x22Exif\0\0", &tiff, &jpeg[2..]].concat();
        let options = DecodeOptions { orientation: Orientation::Apply, ..DecodeOptions::default() };
        let mut part = Decoder::new(options).unwrap();
        for shares in shares {
            prop_assert_eq!(check(&jpeg, options, scale, shares, &mut part), Ok(()));
        }
    }
}

/// Damage is found wherever it is.
#[test]
fn a_region_of_a_cut_file_is_refused() {
    let corner = Rect::at((0, 0), (1, 1));
    let mut image = ImageBuf::empty();
    for name in JPEGS.into_iter().chain(OTHERS) {
        let file = bytes(&format!("images/{name}"));
        let mut decoder = Decoder::new(DecodeOptions::default()).unwrap();
        decoder.decode_region(&file, corner, &mut image).unwrap();
        for cut in 0..file.len() {
            assert!(decoder.decode_region(&file[..cut], corner, &mut image).is_err(), "{name} at {cut}");
        }
    }
    let file = bytes("images/color420.jpg");
    let closed = [&file[..file.len() - 40], b"\xff\xd9"].concat();
    let mut strict = Decoder::new(DecodeOptions::default()).unwrap();
    assert!(strict.decode_region(&closed, corner, &mut image).unwrap_err().is_truncated());
    let options = DecodeOptions { truncated: Truncated::Accept, ..DecodeOptions::default() };
    let mut lenient = Decoder::new(options).unwrap();
    lenient.decode_region(&closed, corner, &mut image).unwrap();
    assert_eq!(image.pixels(), &lenient.decode(&closed).unwrap().pixels()[..3]);
    assert!(lenient.decode_scaled(&closed, Scale::Half, None, &mut image).is_err());
}

#[test]
fn a_rectangle_outside_is_refused() {
    let mut image = ImageBuf::empty();
    for orientation in [Orientation::Ignore, Orientation::Apply] {
        let options = DecodeOptions { orientation, ..DecodeOptions::default() };
        let mut decoder = Decoder::new(options).unwrap();
        for name in ["color420.jpg", "exif6.jpg", "rgb.png"] {
            let file = bytes(&format!("images/{name}"));
            let shape = decoder.decode(&file).unwrap().shape();
            for rect in [
                Rect::at((0, 0), (shape.height + 1, 1)),
                Rect::at((0, shape.width), (1, 1)),
                Rect::at((usize::MAX, 0), (2, 1)),
                Rect::at((0, 0), (0, 1)),
            ] {
                let error = decoder.decode_region(&file, rect, &mut image).unwrap_err();
                assert!(error.to_string().contains("rows"), "{name}: {error}");
            }
        }
    }
}
