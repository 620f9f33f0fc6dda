//! JPEGs of odd structure: decoded to TensorFlow's pixels, or refused as it refuses them.
//!
//! The cases and what TensorFlow 2.21 makes of them are written by fixtures/jpeg/make_cases.py.

#[path = "common/golden.rs"]
mod golden;

use golden::{bytes, number, text};
use sha2::{Digest, Sha256};
use tfrkit::image::{Channels, Dct, DecodeOptions, Decoder, Limits, Truncated, probe_header, verify_entropy};

/// Each case: its name, the file, and four sums or refusals.
fn cases(mut check: impl FnMut(&str, &[u8], [&str; 4])) {
    let blob = bytes("jpeg/cases.bin");
    for line in text("jpeg/cases.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let (at, len) = (number::<usize>(words[1]), number::<usize>(words[2]));
        check(words[0], &blob[at..at + len], [3, 4, 5, 6].map(|i| words[i]));
    }
}

const OPTIONS: [(Channels, Dct); 4] = [
    (Channels::Rgb, Dct::Ifast),
    (Channels::Rgb, Dct::Islow),
    (Channels::Gray, Dct::Ifast),
    (Channels::Gray, Dct::Islow),
];

/// One decoder for each way of decoding, so that no table of an image may show in the next.
#[test]
fn odd_structure_is_taken_as_tensorflow_takes_it() {
    let mut decoders = OPTIONS
        .map(|(channels, dct)| Decoder::new(DecodeOptions { channels, dct, ..DecodeOptions::default() }).unwrap());
    let mut wrong = Vec::new();
    cases(|name, file, sums| {
        for ((decoder, sum), how) in decoders.iter_mut().zip(sums).zip(OPTIONS) {
            let ours = decoder.decode(file).map(|image| {
                Sha256::digest(image.pixels()).iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>()
            });
            if ours.as_deref().unwrap_or("refused") != sum {
                wrong.push(format!("{name} {how:?}: {ours:?}, TensorFlow {sum}"));
            }
        }
        // What is stored is decoded to three channels by most.
        let refused = sums[0] == "refused";
        for (check, found) in [
            ("probe_header", probe_header(file, &Limits::default())),
            ("verify_entropy", verify_entropy(file, &Limits::default())),
        ] {
            if found.is_err() != refused {
                wrong.push(format!("{name} {check}: {found:?}, TensorFlow {}", sums[0]));
            }
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is taken in part has no tables of the image before either.
#[test]
fn a_part_has_its_own_tables() {
    let options = DecodeOptions { truncated: Truncated::Accept, ..DecodeOptions::default() };
    let mut one_for_all = Decoder::new(options).unwrap();
    cases(|name, file, _| {
        for cut in [file.len(), file.len() - 40] {
            let mut fresh = Decoder::new(options).unwrap();
            let (ours, alone) = (one_for_all.decode(&file[..cut]), fresh.decode(&file[..cut]));
            assert_eq!(ours.ok(), alone.ok(), "{name} {cut}");
        }
    });
}
