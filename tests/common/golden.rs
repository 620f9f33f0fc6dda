//! Golden values made by TensorFlow: the cases under fixtures/ops, and how near ours must be.
#![allow(dead_code)]

use std::path::PathBuf;

use tfrkit::image::{ImageBuf, Shape};

/// Most that a float may differ from TensorFlow's, in levels: 1e-5 of the range.
pub const TOLERANCE: f32 = 1e-5 * 255.0;

/// JPEG fixtures of every kind.
pub const JPEGS: [&str; 20] = [
    "color420.jpg",
    "color422.jpg",
    "color444.jpg",
    "progressive.jpg",
    "gray.jpg",
    "cmyk.jpg",
    "cmyk_plain.jpg",
    "ycck.jpg",
    "rgbcoded.jpg",
    "flat.jpg",
    "restart.jpg",
    "prog_restart.jpg",
    "exif6.jpg",
    "coded440.jpg",
    "coded411.jpg",
    "coded_mixed.jpg",
    "coded_luma_half.jpg",
    "coded_thirds.jpg",
    "coded_scans.jpg",
    "coded_wide.jpg",
];

pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

pub fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

pub fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// The parameter of a case by its key.
pub type Param<'a> = &'a dyn Fn(&str) -> f64;

pub enum Array {
    U8(ImageBuf<u8>),
    F32(ImageBuf<f32>),
}

impl Array {
    /// Reads `dtype HxWxC offset` out of the blob.
    pub fn read(blob: &[u8], description: &str) -> Self {
        let words: Vec<&str> = description.split_whitespace().collect();
        let dims: Vec<usize> = words[1].split('x').map(number).collect();
        let shape = Shape::new(dims[0], dims[1], dims[2]);
        let from = &blob[number(words[2])..];
        let len = shape.checked_len().unwrap();
        match words[0] {
            "u8" => Self::U8(ImageBuf::from_pixels(shape, from[..len].to_vec()).unwrap()),
            _ => {
                let values = from[..4 * len].chunks(4);
                let values = values.map(|b| f32::from_le_bytes(b.try_into().unwrap()));
                Self::F32(ImageBuf::from_pixels(shape, values.collect()).unwrap())
            }
        }
    }
}

/// Runs `check` on each case of `name` in fixtures/ops/`file`.txt: parameters, input, output, the line.
pub fn cases_of(file: &str, name: &str, mut check: impl FnMut(Param<'_>, Array, Array, &str)) {
    let blob = bytes(&format!("ops/{file}.bin"));
    let mut count = 0;
    for line in text(&format!("ops/{file}.txt")).lines() {
        let parts: Vec<&str> = line.split(" : ").collect();
        let mut words = parts[0].split_whitespace();
        if words.next() != Some(name) {
            continue;
        }
        let params: Vec<&str> = words.collect();
        let param = |key: &str| {
            let found = params.iter().find_map(|p| p.strip_prefix(key)?.strip_prefix('='));
            number(found.unwrap_or_else(|| panic!("no {key} in {line}")))
        };
        let (input, output) = (Array::read(&blob, parts[1]), Array::read(&blob, parts[2]));
        check(&param, input, output, line);
        count += 1;
    }
    assert!(count > 0, "no case of {name}");
}

#[track_caller]
pub fn close(ours: &ImageBuf<f32>, theirs: &Array, tolerance: f32, line: &str) {
    let Array::F32(theirs) = theirs else { panic!("{line}: TensorFlow gave u8") };
    assert_eq!(ours.shape(), theirs.shape(), "{line}");
    for (i, (a, b)) in ours.pixels().iter().zip(theirs.pixels()).enumerate() {
        assert!((a - b).abs() <= tolerance, "{line}: value {i} is {a}, not {b}");
    }
}

#[track_caller]
pub fn equal(ours: &ImageBuf<u8>, theirs: &Array, line: &str) {
    let Array::U8(theirs) = theirs else { panic!("{line}: TensorFlow gave f32") };
    assert!(ours == theirs, "{line}: {ours:?} is not {theirs:?}");
}
