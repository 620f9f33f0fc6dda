//! How long each stage of a sample takes, on one thread: `cargo bench`, or `cargo bench -- resize` for some.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use tfrkit::example::{ExampleBuilder, ExampleView};
use tfrkit::image::ops::Normalizer;
use tfrkit::image::random::{Stream, op_id, op_seed};
use tfrkit::image::{DecodeOptions, Decoder, Image, ImageBuf, Resizer, Shape, encode_jpeg};
use tfrkit::pipeline::{Executor, Mode, Pipeline, SampleKey};
use tfrkit::record::{Shard, Writer, masked_crc};

/// Of a photograph as data sets have them.
const PHOTOGRAPH: Shape = Shape { height: 552, width: 400, channels: 3 };
const RECORDS: u64 = 256;
/// What is left of the preset `basic` behind its resize.
const OPS: &str = r#"
train = [
    { op = "random_flip_left_right" },
    { op = "random_brightness", max_delta = 0.2 },
    { op = "random_contrast", lower = 0.8, upper = 1.2 },
    { op = "random_crop", size = [224, 224] },
    { op = "normalize", mean = [127.5, 127.5, 127.5], std = [127.5, 127.5, 127.5] },
]
"#;

fn main() {
    divan::main();
}

/// Smooth shapes with grain, like a photograph.
fn picture(shape: Shape) -> ImageBuf<u8> {
    let mut noise = 1u32;
    let pixels = (0..shape.height * shape.row_len()).map(|i| {
        let (y, x, c) = (i / shape.row_len(), i % shape.row_len() / shape.channels, i % shape.channels);
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wave = 128.0 + 90.0 * (x as f32 / 17.0 + c as f32).sin() * (y as f32 / 23.0).cos();
        (wave + (noise >> 24) as f32 / 16.0 - 8.0).clamp(0.0, 255.0) as u8
    });
    ImageBuf::from_pixels(shape, pixels.collect()).unwrap()
}

/// A shard of small photographs, in memory.
fn shard() -> Shard {
    let image = encode_jpeg(&picture(PHOTOGRAPH), 75).unwrap();
    let mut writer = Writer::new(Vec::new());
    for label in 0..RECORDS as i64 {
        let example = ExampleBuilder::new()
            .bytes("image/encoded", &image)
            .text("image/filename", format!("class/{label}.jpg"))
            .int64("image/class/label", label)
            .int64("image/height", 552)
            .int64("image/width", 400);
        writer.write(&example.encode()).unwrap();
    }
    Shard::from_bytes(writer.finish().unwrap())
}

/// The CRC of a payload.
#[divan::bench(args = [1 << 10, 28 << 10, 1 << 20])]
fn crc(bencher: Bencher<'_, '_>, len: usize) {
    let payload = vec![7u8; len];
    bencher.counter(BytesCount::new(len)).bench(|| masked_crc(black_box(&payload)));
}

/// Frames walked, every CRC verified.
#[divan::bench]
fn scan(bencher: Bencher<'_, '_>) {
    let shard = shard();
    let bytes = BytesCount::new(shard.as_bytes().len());
    bencher.counter(bytes).bench(|| shard.records().fold(0, |sum, record| sum + record.unwrap().payload.len()));
}

/// Image and label found in records.
#[divan::bench]
fn find_features(bencher: Bencher<'_, '_>) {
    let shard = shard();
    let payloads: Vec<&[u8]> = shard.records().map(|record| record.unwrap().payload).collect();
    bencher.counter(ItemsCount::new(RECORDS)).bench(|| {
        payloads.iter().fold(0, |sum, payload| {
            let [image, label] = ExampleView::new(payload).find(["image/encoded", "image/class/label"]).unwrap();
            sum + image.unwrap().single_bytes().unwrap().len() as i64 + label.unwrap().single_int64().unwrap()
        })
    });
}

/// A baseline JPEG of a photograph's size without colour subsampling, and fixtures of a few blocks.
#[divan::bench(args = ["photograph", "color420", "progressive", "gray"])]
fn decode(bencher: Bencher<'_, '_>, name: &str) {
    let encoded = match name {
        "photograph" => encode_jpeg(&picture(PHOTOGRAPH), 75).unwrap(),
        name => std::fs::read(format!("{}/fixtures/images/{name}.jpg", env!("CARGO_MANIFEST_DIR"))).unwrap(),
    };
    let (mut decoder, mut image) = (Decoder::new(DecodeOptions::default()).unwrap(), ImageBuf::empty());
    decoder.decode_into(&encoded, &mut image).unwrap();
    let bytes = BytesCount::new(image.pixels().len());
    bencher.counter(bytes).bench_local(|| decoder.decode_into(black_box(&encoded), &mut image).unwrap());
}

/// Decoded pixels to 256 x 256, bilinear.
#[divan::bench]
fn resize_256(bencher: Bencher<'_, '_>) {
    let (image, mut resizer, mut out) = (picture(PHOTOGRAPH), Resizer::new(), ImageBuf::empty());
    bencher.bench_local(|| resizer.resize(black_box(&image), (256, 256), &mut out).unwrap());
}

/// Flip, brightness, contrast, crop and normalize of a resized image: one pass, and the mean.
#[divan::bench]
fn basic_ops(bencher: Bencher<'_, '_>) {
    let image = Image::F32(Image::U8(picture(Shape::new(256, 256, 3))).into_f32());
    run(bencher, &Pipeline::parse(OPS).unwrap(), image);
}

/// The same behind a decoded photograph, the resize with it.
#[divan::bench]
fn basic_resize_and_ops(bencher: Bencher<'_, '_>) {
    run(bencher, &Pipeline::preset("basic").unwrap(), Image::U8(picture(PHOTOGRAPH)));
}

fn run(bencher: Bencher<'_, '_>, pipeline: &Pipeline, image: Image) {
    let mut executor = Executor::new(pipeline, Mode::Train).unwrap();
    let mut key = SampleKey::default();
    bencher.with_inputs(|| image.clone()).bench_local_values(|image| {
        key.ordinal += 1;
        executor.run_image(image, key, None).unwrap()
    });
}

/// A whole sample of the preset `basic`, from its JPEG.
#[divan::bench]
fn basic_sample(bencher: Bencher<'_, '_>) {
    let encoded = encode_jpeg(&picture(PHOTOGRAPH), 75).unwrap();
    let mut executor = Executor::new(&Pipeline::preset("basic").unwrap(), Mode::Train).unwrap();
    let mut key = SampleKey::default();
    bencher.bench_local(|| {
        key.ordinal += 1;
        executor.run(black_box(&encoded), key, None).unwrap()
    });
}

/// `normalize` by itself, in place.
#[divan::bench]
fn normalize(bencher: Bencher<'_, '_>) {
    let mut image = Image::U8(picture(Shape::new(224, 224, 3))).into_f32();
    let normalizer = Normalizer::new(&[0.0; 3], &[1.0; 3]).unwrap();
    bencher.bench_local(|| normalizer.apply(black_box(&mut image)).unwrap());
}

/// The seed pair of a sample's op, and a block of random words.
#[divan::bench]
fn draw() -> [u32; 4] {
    Stream::new(op_seed(black_box(1), 2, 3, op_id("random_crop", 0))).block(0)
}
