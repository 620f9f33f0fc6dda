//! Ops that are put off and done together give what each by itself gives.

use proptest::prelude::*;
use tfrkit::image::{Image, ImageBuf, Shape, encode_jpeg, encode_png};
use tfrkit::pipeline::{Executor, Mode, PRESETS, Pipeline, SampleKey};

/// Ops whose result follows their input without jumps: a difference of rounding stays one. The sizes suit images of at
/// least 16 pixels a side; crops take off a little at a time.
const OPS: [&str; 22] = [
    "op = \"flip_left_right\"",
    "op = \"flip_up_down\"",
    "op = \"random_flip_left_right\"",
    "op = \"random_flip_up_down\"\np = 0.7",
    "op = \"central_crop\"\ncentral_fraction = 0.9",
    "op = \"rot90\"",
    "op = \"transpose\"\np = 0.5",
    "op = \"adjust_brightness\"\ndelta = 0.1",
    "op = \"random_brightness\"\nmax_delta = 0.2",
    "op = \"random_contrast\"\nlower = 0.6\nupper = 1.4",
    "op = \"adjust_contrast\"\ncontrast_factor = 1.3\np = 0.5",
    "op = \"random_saturation\"\nlower = 0.5\nupper = 1.5",
    "op = \"random_hue\"\nmax_delta = 0.1",
    "op = \"invert\"",
    "op = \"gaussian_blur\"\nkernel_size = 3\nsigma = [0.5, 1.0]",
    "op = \"random_rotation\"\nfactor = 0.05",
    "op = \"random_translation\"\nfactor = 0.1\np = 0.5",
    "op = \"cutout\"\nsize = [3, 3]",
    "op = \"gaussian_noise\"\nstddev = 0.05",
    "op = \"random_resized_crop\"\nsize = [24, 20]\narea_range = [0.5, 1.0]",
    "op = \"resize\"\nsize = [23, 29]",
    "op = \"one_of\"\nops = [{ op = \"flip_left_right\" }, { op = \"adjust_brightness\", delta = -0.1 }]",
];
const LAST: [&str; 3] = [
    "op = \"normalize\"\nmean = [123.7, 116.3, 103.5]\nstd = [58.4, 57.1, 57.4]",
    "op = \"per_image_standardization\"",
    "op = \"flip_left_right\"",
];

fn picture(height: usize, width: usize, channels: usize, seed: usize) -> ImageBuf<u8> {
    let pixels = (0..height * width * channels).map(|i| {
        let (y, x, c) = (i / channels / width, i / channels % width, i % channels);
        (128.0 + 100.0 * ((x + seed) as f32 / 5.0 + c as f32).sin() * (y as f32 / 7.0).cos()) as u8
    });
    ImageBuf::from_pixels(Shape::new(height, width, channels), pixels.collect()).unwrap()
}

/// Largest difference between the two ways, as a share of the range.
fn difference(pipeline: &Pipeline, mode: Mode, image: &ImageBuf<u8>, ordinal: u64) -> f32 {
    let key = SampleKey { seed: 4, ordinal, epoch: 0 };
    let run = |mut executor: Executor| executor.run_image(image.clone().into(), key, None).unwrap();
    let fused = run(Executor::new(pipeline, mode).unwrap());
    let reference = run(Executor::reference(pipeline, mode).unwrap());
    assert_eq!(fused.shape(), reference.shape());
    assert_eq!(matches!(fused, Image::U8(_)), matches!(reference, Image::U8(_)));
    let (fused, reference) = (fused.into_f32(), reference.into_f32());
    let range = reference.pixels().iter().fold(1.0f32, |most, v| most.max(v.abs()));
    let pairs = fused.pixels().iter().zip(reference.pixels());
    pairs.map(|(a, b)| (a - b).abs() / range).fold(0.0, f32::max)
}

#[test]
fn presets() {
    for (name, _) in PRESETS {
        let pipeline = Pipeline::preset(name).unwrap();
        for mode in [Mode::Train, Mode::Eval] {
            for ordinal in 0..10 {
                let image = picture(300, 270, pipeline.decode.channels.count(), ordinal as usize);
                let found = difference(&pipeline, mode, &image, ordinal);
                assert!(found <= 1e-5, "{name} {mode:?}: {found}");
            }
        }
    }
}

/// Ops that need no pixels, or begin so.
const CUTS: [&str; 9] = [
    "op = \"central_crop\"\ncentral_fraction = 0.8",
    "op = \"random_crop\"\nsize = [30, 31]",
    "op = \"random_crop\"\nsize = [25, 24]\np = 0.5",
    "op = \"crop_to_bounding_box\"\noffset = [3, 5]\nsize = [20, 19]",
    "op = \"flip_up_down\"",
    "op = \"random_flip_left_right\"\np = 0.7",
    "op = \"random_resized_crop\"\nsize = [24, 20]",
    "op = \"random_resized_crop\"\nsize = [26, 28]\np = 0.5",
    "op = \"resize\"\nsize = [20, 30]\ncrop_to_aspect_ratio = true",
];

/// A TIFF structure that holds only the orientation, as the Exif segment of a JPEG.
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let tiff = [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[orientation], &[0; 7]].concat();
    [&jpeg[..2], b"\xff\xe1\0\x22Exif\0\0", &tiff, &jpeg[2..]].concat()
}

/// Decoding at a smaller scale changes pixels by little, and of what cannot be scaled by nothing.
#[test]
fn fast_decoding_is_near() {
    let level = |i: usize| {
        128.0 + 100.0 * ((i / 3 % 520) as f32 / 40.0 + (i % 3) as f32).sin() * ((i / 1560) as f32 / 50.0).cos()
    };
    let pixels = (0..470 * 520 * 3).map(|i| level(i) as u8).collect();
    let image = ImageBuf::from_pixels(Shape::new(470, 520, 3), pixels).unwrap();
    let (jpeg, png) = (turned(&encode_jpeg(&image, 90).unwrap(), 6), encode_png(&image).unwrap());
    for (op, most) in [
        ("op = \"resize\"\nsize = [224, 224]", 1.5),
        ("op = \"resize\"\nsize = [100, 101]\ncrop_to_aspect_ratio = true", 2.5),
        ("op = \"random_resized_crop\"\nsize = [48, 40]\narea_range = [0.2, 1.0]", 5.0),
    ] {
        let spec = |fast: bool| {
            let text = format!("[decode]\nfast = {fast}\norientation = \"apply\"\n[[train]]\n{op}");
            Executor::new(&Pipeline::parse(&text).unwrap(), Mode::Train).unwrap()
        };
        let (mut fast, mut exact) = (spec(true), spec(false));
        for ordinal in 0..5 {
            let key = SampleKey { seed: 4, ordinal, epoch: 0 };
            let mut run = |file: &[u8]| [&mut fast, &mut exact].map(|e| e.run(file, key, None).unwrap().into_f32());
            let [a, b] = run(&png);
            assert!(a == b, "{op}");
            let [a, b] = run(&jpeg);
            assert_eq!(a.shape(), b.shape());
            let sum: f32 = a.pixels().iter().zip(b.pixels()).map(|(a, b)| (a - b).abs()).sum();
            let mean = sum / a.pixels().len() as f32;
            assert!(mean > 0.0 && mean < most, "{op}: {mean}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Crops before decoding: the pixels, the draws and the errors are those of decoding all.
    #[test]
    fn crops_come_before_decoding(
        cuts in prop::collection::vec(prop::sample::select(&CUTS[..]), 1..4),
        ops in prop::collection::vec(prop::sample::select(&OPS[..]), 0..3),
        (height, width) in (40usize..90, 40usize..90),
        orientation in 0u8..9,
        apply in any::<bool>(),
        ordinal in 0u64..1000,
    ) {
        let lists = cuts.into_iter().chain(ops).map(|op| format!("[[train]]\n{op}\n"));
        let word = if apply { "apply" } else { "ignore" };
        let text: String = [format!("[decode]\norientation = \"{word}\"\n")].into_iter().chain(lists).collect();
        let Ok(pipeline) = Pipeline::parse(&text) else { return Ok(()) };
        let jpeg = turned(&encode_jpeg(&picture(height, width, 3, ordinal as usize), 90).unwrap(), orientation);
        let key = SampleKey { seed: 4, ordinal, epoch: 0 };
        let run = |mut executor: Executor| {
            let mut draws = Vec::new();
            let image = executor.run(&jpeg, key, Some(&mut draws));
            (image.map(Image::into_f32).map_err(|e| e.to_string()), draws)
        };
        let (cut, cut_draws) = run(Executor::new(&pipeline, Mode::Train).unwrap());
        let (whole, whole_draws) = run(Executor::reference(&pipeline, Mode::Train).unwrap());
        prop_assert_eq!(cut_draws, whole_draws, "{}", text);
        match (cut, whole) {
            (Ok(cut), Ok(whole)) => {
                prop_assert_eq!(cut.shape(), whole.shape());
                let range = whole.pixels().iter().fold(1.0f32, |most, v| most.max(v.abs()));
                let apart = cut.pixels().iter().zip(whole.pixels()).map(|(a, b)| (a - b).abs() / range);
                prop_assert!(apart.fold(0.0, f32::max) <= 1e-5, "{}", text);
            }
            (cut, whole) => prop_assert_eq!(cut.err(), whole.err(), "{}", text),
        }
    }

    #[test]
    fn any_list(
        ops in prop::collection::vec(prop::sample::select(&OPS[..]), 1..9),
        last in prop::sample::select(&LAST[..]),
        f32 in any::<bool>(),
        (height, width) in (40usize..70, 40usize..70),
        ordinal in 0u64..1000,
    ) {
        let first = f32.then_some("op = \"resize\"\nsize = [48, 44]");
        let text: String = first.into_iter().chain(ops).chain([last]).map(|op| format!("[[train]]\n{op}\n")).collect();
        let pipeline = Pipeline::parse(&text).unwrap();
        let image = picture(height, width, 3, ordinal as usize);
        let found = difference(&pipeline, Mode::Train, &image, ordinal);
        prop_assert!(found <= 1e-5, "{}\n{}", found, text);
    }
}
