//! JPEGs of any legal shape, by the generator: the pixels are TensorFlow's, which are libjpeg-turbo's.
//!
//! The sums are made by fixtures/jpeg/make_sums.py; the example `jpeg_generator` tries as many files as one likes.

#[path = "common/golden.rs"]
mod golden;
#[path = "common/jpeg_sums.rs"]
mod jpeg_sums;
#[path = "common/jpegs.rs"]
mod jpegs;

use jpeg_sums::Decoders;
use jpegs::{Noise, jpeg, wild_jpeg};
use tfrkit::image::ops::{Rect, crop_to_bounding_box};
use tfrkit::image::{DecodeOptions, Decoder, ImageBuf, Limits, probe_header, verify_entropy};

/// Holds the files of the seeds of a list against TensorFlow's sums.
fn compare(list: &str, make: impl Fn(u64) -> Vec<u8>, expected: usize) {
    let mut decoders = Decoders::new();
    let mut count = 0;
    for line in golden::text(list).lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let file = make(golden::number(words[0]));
        assert_eq!(decoders.sums(&file), words[1..], "seed {}", words[0]);
        count += 1;
    }
    assert_eq!(count, expected);
}

#[test]
fn generated_jpegs_have_tensorflows_pixels() {
    compare("jpeg/generated.txt", jpeg, 200);
}

/// Coefficients beyond those of any samples wrap and saturate where libjpeg-turbo's do, at every scale.
#[test]
fn coefficients_out_of_range_have_tensorflows_pixels() {
    compare("jpeg/wild.txt", wild_jpeg, 100);
}

/// The walks take what is decoded, and a region is a crop, whatever the shape.
#[test]
fn generated_jpegs_pass_the_walks_and_can_be_cut() {
    let mut decoder = Decoder::new(DecodeOptions::default()).unwrap();
    let (mut whole, mut region) = (ImageBuf::empty(), ImageBuf::empty());
    for seed in 1000..1150 {
        let file = jpeg(seed);
        let probe = probe_header(&file, &Limits::default()).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        verify_entropy(&file, &Limits::default()).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        decoder.decode_into(&file, &mut whole).unwrap();
        let mut noise = Noise::new(seed);
        let (y, x) = (noise.below(probe.height), noise.below(probe.width));
        let rect = Rect::at((y, x), (noise.within(1, probe.height - y), noise.within(1, probe.width - x)));
        decoder.decode_region(&file, rect, &mut region).unwrap();
        crop_to_bounding_box(&mut whole, rect).unwrap();
        assert!(region == whole, "seed {seed}: {rect:?}");
        // Data that end early are missed, whatever the script.
        let cut = [&file[..file.len() * 2 / 3], b"\xff\xd9"].concat();
        assert!(verify_entropy(&cut, &Limits::default()).is_err(), "seed {seed}");
    }
}
