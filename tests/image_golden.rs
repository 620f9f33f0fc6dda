//! Against TensorFlow 2.21's values: operations, random draws and decoded pixels.
//!
//! The values are made by fixtures/ops/make_ops.py and fixtures/images/make_images.py.

#[path = "common/golden.rs"]
mod golden;

use golden::{Array, JPEGS, Param, TOLERANCE, bytes, close, equal, number, text};
use tfrkit::image::ops::{self, Normalizer, Rect};
use tfrkit::image::random::{self, DistortedBox, SeedPair};
use tfrkit::image::{
    Channels, Dct, DecodeOptions, Decoder, Image, ImageBuf, Resizer, Scale, Shape, Truncated, decode_any, probe_header,
    verify_entropy,
};

fn cases(name: &str, check: impl FnMut(Param<'_>, Array, Array, &str)) {
    golden::cases_of("ops", name, check);
}

#[test]
fn resize() {
    let mut resizer = Resizer::new();
    cases("resize", |_, input, output, line| {
        let Array::F32(theirs) = &output else { panic!("{line}") };
        let size = (theirs.shape().height, theirs.shape().width);
        let mut ours = ImageBuf::empty();
        match &input {
            Array::U8(image) => resizer.resize(image, size, &mut ours),
            Array::F32(image) => resizer.resize(image, size, &mut ours),
        }
        .unwrap();
        close(&ours, &output, TOLERANCE, line);
    });
}

macro_rules! exact {
    ($name:ident, $op:expr) => {
        #[test]
        fn $name() {
            cases(stringify!($name), |param, input, output, line| match input {
                Array::U8(mut image) => {
                    $op(&mut image, param);
                    equal(&image, &output, line);
                }
                Array::F32(mut image) => {
                    $op(&mut image, param);
                    close(&image, &output, 0.0, line);
                }
            });
        }
    };
}

fn crop<T: Copy + Default>(image: &mut ImageBuf<T>, param: Param<'_>) {
    let [y, x, height, width] = ["y", "x", "h", "w"].map(|key| param(key) as usize);
    let rect = Rect { y, x, height, width };
    ops::crop_to_bounding_box(image, rect).unwrap();
}

fn flip_lr<T: Copy>(image: &mut ImageBuf<T>, _: Param<'_>) {
    ops::flip_left_right(image);
}

fn flip_ud<T: Copy>(image: &mut ImageBuf<T>, _: Param<'_>) {
    ops::flip_up_down(image);
}

exact!(flip_left_right, flip_lr);
exact!(flip_up_down, flip_ud);
exact!(crop_to_bounding_box, crop);

#[test]
fn adjust_brightness() {
    cases("adjust_brightness", |param, input, output, line| {
        let delta = param("delta") as f32;
        match input {
            Array::U8(mut image) => {
                ops::adjust_brightness_u8(&mut image, delta);
                equal(&image, &output, line);
            }
            Array::F32(mut image) => {
                ops::adjust_brightness(&mut image, delta);
                close(&image, &output, 0.0, line);
            }
        }
    });
}

#[test]
fn adjust_contrast() {
    cases("adjust_contrast", |param, input, output, line| {
        let factor = param("factor") as f32;
        match input {
            Array::U8(mut image) => {
                ops::adjust_contrast_u8(&mut image, factor);
                equal(&image, &output, line);
            }
            Array::F32(mut image) => {
                ops::adjust_contrast(&mut image, factor);
                close(&image, &output, TOLERANCE, line);
            }
        }
    });
}

#[test]
fn normalize() {
    let normalizer = Normalizer::new(&[123.68, 116.779, 103.939], &[58.393, 57.12, 57.375]).unwrap();
    cases("normalize", |_, input, output, line| {
        let mut ours = match input {
            Array::U8(image) => Image::U8(image).into_f32(),
            Array::F32(image) => image,
        };
        normalizer.apply(&mut ours).unwrap();
        close(&ours, &output, 1e-5, line);
    });
}

#[test]
fn central_crop() {
    for line in text("ops/central_crop.txt").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let shape = Shape::new(number(words[1]), number(words[2]), 3);
        let rect = ops::central_crop_rect(shape, number(words[0])).unwrap();
        let ours = [rect.y, rect.x, rect.height, rect.width].map(|v| v.to_string());
        assert_eq!(ours, words[3..], "{line}");
    }
}

fn hex(text: &str) -> f32 {
    f32::from_bits(u32::from_str_radix(text, 16).unwrap())
}

fn distorted_box(seed: SeedPair, args: &[&str]) -> String {
    let limits = DistortedBox {
        min_object_covered: hex(args[2]),
        aspect_ratio_range: [hex(args[3]), hex(args[4])],
        area_range: [hex(args[5]), hex(args[6])],
        max_attempts: number(args[7]),
    };
    let objects: Vec<[f32; 4]> = args[8..].chunks(4).map(|b| [0, 1, 2, 3].map(|i| hex(b[i]))).collect();
    let size = (number(args[0]), number(args[1]));
    let rect = random::sample_distorted_bounding_box(seed, size, &objects, &limits).unwrap();
    format!("{} {} {} {}", rect.y, rect.x, rect.height, rect.width)
}

#[test]
fn draws() {
    for line in text("ops/draws.txt").lines() {
        let (call, result) = line.split_once(" : ").unwrap();
        let words: Vec<&str> = call.split_whitespace().collect();
        let seed = SeedPair([number(words[1]), number(words[2])]);
        let bits = |v: f32| format!("{:08x}", v.to_bits());
        let args = &words[3..];
        let ours = match words[0] {
            "uniform" => bits(random::uniform(seed, hex(args[0]), hex(args[1]))),
            "brightness" => bits(random::random_brightness(seed, hex(args[0])).unwrap()),
            "contrast" => bits(random::random_contrast(seed, hex(args[0]), hex(args[1])).unwrap()),
            "flip" => usize::from(random::random_flip(seed)).to_string(),
            "crop" => {
                let [h, w, ch, cw] = [0, 1, 2, 3].map(|i| number(args[i]));
                let (y, x) = random::random_crop(seed, (h, w), (ch, cw)).unwrap();
                format!("{y} {x}")
            }
            "saturation" => bits(random::random_saturation(seed, hex(args[0]), hex(args[1])).unwrap()),
            "hue" => bits(random::random_hue(seed, hex(args[0])).unwrap()),
            "quality" => random::random_jpeg_quality(seed, number(args[0]), number(args[1])).unwrap().to_string(),
            "int" => random::uniform_int(seed, number(args[0])).to_string(),
            "gate" => usize::from(random::gate(seed, hex(args[0]))).to_string(),
            "uniforms" => {
                let mut values = vec![0.0; number(args[0])];
                random::uniforms(seed, &mut values, hex(args[1]), hex(args[2]));
                values.into_iter().map(bits).collect::<Vec<_>>().join(" ")
            }
            "normals" => {
                let mut values = vec![0.0; number(args[0])];
                random::normals(seed, &mut values);
                let theirs: Vec<f32> = result.split(' ').map(hex).collect();
                let ours = &values[values.len() - theirs.len()..];
                for (a, b) in ours.iter().zip(theirs) {
                    assert!((a - b).abs() <= 2e-6, "{line}: {a} is not {b}");
                }
                continue;
            }
            "box" => distorted_box(seed, args),
            other => panic!("unknown draw {other}"),
        };
        assert_eq!(ours, result, "{line}");
    }
}

/// Each line of pixels.txt: file, decode arguments, and TensorFlow's image.
fn decoded(mut check: impl FnMut(&str, &str, ImageBuf<u8>)) {
    let blob = bytes("images/pixels.bin");
    for line in text("images/pixels.txt").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [h, w, c, offset] = [2, 3, 4, 5].map(|i| number::<usize>(words[i]));
        let pixels = blob[offset..offset + h * w * c].to_vec();
        let image = ImageBuf::from_pixels(Shape::new(h, w, c), pixels).unwrap();
        check(words[0], words[1], image);
    }
}

fn options(how: &str) -> DecodeOptions {
    DecodeOptions {
        channels: if how.ends_with("gray") { Channels::Gray } else { Channels::Rgb },
        ..DecodeOptions::default()
    }
}

#[test]
fn png_pixels_are_tensorflows() {
    decoded(|name, how, theirs| {
        if how.starts_with("png") {
            let mut decoder = Decoder::new(options(how)).unwrap();
            let ours = decoder.decode(&bytes(&format!("images/{name}"))).unwrap();
            assert!(ours == theirs, "{name} {how}:\n{ours:?}\n{theirs:?}");
        }
    });
}

#[test]
fn jpeg_pixels_are_tensorflows() {
    decoded(|name, how, theirs| {
        let dcts = match how.split('_').next() {
            Some("islow") => vec![Dct::Islow],
            Some("ifast") => vec![Dct::Ifast, Dct::Auto],
            _ => return,
        };
        let file = bytes(&format!("images/{name}"));
        for dct in dcts {
            let ours = Decoder::new(DecodeOptions { dct, ..options(how) }).unwrap().decode(&file).unwrap();
            assert_eq!(ours.shape(), theirs.shape(), "{name} {how}");
            let differs = ours.pixels().iter().zip(theirs.pixels()).position(|(a, b)| a != b);
            assert_eq!(differs, None, "{name} {how}");
        }
    });
}

#[test]
fn jpeg_pixels_at_smaller_sizes_are_tensorflows() {
    let mut count = 0;
    decoded(|name, how, theirs| {
        let scale = match how.split('_').next() {
            Some("ratio2") => Scale::Half,
            Some("ratio4") => Scale::Quarter,
            Some("ratio8") => Scale::Eighth,
            _ => return,
        };
        let dct = if how.ends_with("islow") { Dct::Islow } else { Dct::Ifast };
        let mut decoder = Decoder::new(DecodeOptions { dct, ..options(how) }).unwrap();
        let mut ours = ImageBuf::empty();
        decoder.decode_scaled(&bytes(&format!("images/{name}")), scale, None, &mut ours).unwrap();
        assert_eq!(ours.shape(), theirs.shape(), "{name} {how}");
        let differs = ours.pixels().iter().zip(theirs.pixels()).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{name} {how}");
        count += 1;
    });
    assert!(count > 80);
}

/// One decoder for all: sizes, colours and scans of one image must not show in the next.
#[test]
fn a_used_decoder_gives_the_same() {
    let mut used = Decoder::new(DecodeOptions::default()).unwrap();
    let mut out = ImageBuf::empty();
    for name in JPEGS.iter().chain(JPEGS.iter().rev()) {
        let file = bytes(&format!("images/{name}"));
        used.decode_into(&file, &mut out).unwrap();
        assert!(out == Decoder::new(DecodeOptions::default()).unwrap().decode(&file).unwrap(), "{name}");
    }
}

#[test]
fn every_cut_of_every_jpeg_is_refused() {
    let mut decoder = Decoder::new(DecodeOptions::default()).unwrap();
    let limits = DecodeOptions::default().limits;
    for name in JPEGS {
        let file = bytes(&format!("images/{name}"));
        decoder.decode(&file).unwrap_or_else(|e| panic!("{name}: {e}"));
        for cut in 0..file.len() {
            let bytes = &file[..cut];
            assert!(probe_header(bytes, &limits).is_err(), "{name} at {cut}");
            assert!(decoder.decode(bytes).is_err(), "{name} at {cut}");
        }
    }
}

/// The case that both libraries' lenient modes let pass: the data end early, and an EOI follows.
#[test]
fn every_cut_with_an_eoi_is_refused() {
    let mut decoder = Decoder::new(DecodeOptions::default()).unwrap();
    let limits = DecodeOptions::default().limits;
    for name in JPEGS {
        let file = bytes(&format!("images/{name}"));
        // The last two bytes are EOI; a cut just before it, or one that loses only bits of
        // padding, gives a complete image.
        for cut in 2..file.len() - 2 {
            let closed = [&file[..cut], b"\xff\xd9"].concat();
            if verify_entropy(&closed, &limits).is_ok() {
                let same = decoder.decode(&closed).unwrap() == decoder.decode(&file).unwrap();
                assert!(same, "{name} at {cut} of {}", file.len());
            } else {
                assert!(decoder.decode(&closed).is_err(), "{name} at {cut}");
            }
        }
        let half = [&file[..file.len() / 2], b"\xff\xd9"].concat();
        assert!(decoder.decode(&half).is_err(), "{name} at half");
    }
}

/// A restart marker that no interval announces stops a decoder too.
#[test]
fn every_cut_with_a_stray_restart_is_refused() {
    let mut decoder = Decoder::new(DecodeOptions::default()).unwrap();
    let file = bytes("images/color420.jpg");
    for cut in file.len() / 3..file.len() - 20 {
        for end in [&b"\xff\xd0\xff\xd9"[..], b"\xff\xd0\xff\xd1\xff\xd9"] {
            assert!(decoder.decode(&[&file[..cut], end].concat()).is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn accept_takes_half_an_image() {
    let options = DecodeOptions { truncated: Truncated::Accept, ..DecodeOptions::default() };
    let mut decoder = Decoder::new(options).unwrap();
    let file = bytes("images/color420.jpg");
    let half = decoder.decode(&file[..file.len() * 3 / 4]).unwrap();
    assert_eq!(half.shape(), Shape::new(45, 61, 3));
}

/// One bad image does not harm those after it on the same decoder.
#[test]
fn a_decoder_recovers_from_every_error() {
    let good = bytes("images/color420.jpg");
    let mut decoder = Decoder::new(DecodeOptions::default()).unwrap();
    let expected = decoder.decode(&good).unwrap();
    // A marker that libjpeg does not know, in the header; and a frame that is cut.
    let unknown = [&good[..2], b"\xff\xde\0\x02", &good[2..]].concat();
    for bad in [&unknown[..], &good[..good.len() / 2], b"\xff\xd8\xff", b""] {
        let _ = decoder.decode(bad);
        assert!(decoder.decode(&good).unwrap() == expected);
    }
}

/// Damage of any byte gives an error or an image, never a panic or an endless loop.
#[test]
fn damaged_bytes_never_panic() {
    let accept = DecodeOptions { truncated: Truncated::Accept, ..DecodeOptions::default() };
    let mut decoders = [DecodeOptions::default(), accept].map(|o| Decoder::new(o).unwrap());
    for name in JPEGS.iter().chain(&["rgb.png", "palette_trns.png", "gray16.png"]) {
        let file = bytes(&format!("images/{name}"));
        for (at, flip) in (0..file.len()).zip([0xFF, 0x01, 0x80].into_iter().cycle()) {
            let mut bad = file.clone();
            bad[at] ^= flip;
            // A damaged size can ask for a large image; keep the test quick.
            let small = tfrkit::image::probe_magic(&bad)
                .ok()
                .and_then(|(_, probe)| probe)
                .is_none_or(|p| p.height * p.width < 10_000);
            if small {
                let _ = decoders[at % 2].decode(&bad);
            }
        }
    }
}

#[test]
fn gray_is_the_luma_plane_and_rgb_repeats_gray() {
    let gray = |name: &str| {
        let mut decoder = Decoder::new(options("gray")).unwrap();
        decoder.decode(&bytes(&format!("images/{name}"))).unwrap()
    };
    let rgb = |name: &str| {
        let mut decoder = Decoder::new(options("rgb")).unwrap();
        decoder.decode(&bytes(&format!("images/{name}"))).unwrap()
    };
    let repeated = gray("gray.jpg").pixels().iter().flat_map(|&v| [v; 3]).collect::<Vec<_>>();
    assert_eq!(rgb("gray.jpg").pixels(), repeated);
    for name in ["color420.jpg", "color422.jpg", "progressive.jpg", "restart.jpg", "rgbcoded.jpg"] {
        let (color, luma) = (rgb(name), gray(name));
        for (pixel, &y) in color.pixels().chunks(3).zip(luma.pixels()) {
            let clipped = pixel.iter().any(|&v| v == 0 || v == 255);
            let sum = 0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2]);
            assert!(clipped || (sum - f64::from(y)).abs() < 2.0, "{name}: {pixel:?} and {y}");
        }
    }
    // TensorFlow makes no gray of four inks either.
    let mut decoder = Decoder::new(options("gray")).unwrap();
    for name in ["cmyk.jpg", "cmyk_plain.jpg", "ycck.jpg"] {
        let error = decoder.decode(&bytes(&format!("images/{name}"))).unwrap_err();
        assert!(error.to_string().contains("four inks"), "{error}");
    }
}

#[test]
fn decode_any_has_the_shape() {
    let limits = DecodeOptions::default().limits;
    for name in ["color420.jpg", "rgba.png", "graya.png"] {
        let file = bytes(&format!("images/{name}"));
        let probe = probe_header(&file, &limits).unwrap();
        let image = decode_any(&file, &limits).unwrap();
        let shape = Shape::new(probe.height, probe.width, probe.channels);
        assert_eq!(image.shape(), shape, "{name}");
    }
}
