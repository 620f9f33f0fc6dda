//! Makes JPEGs of any legal shape from seeds and holds decoders against each other: `jpeg_generator [COUNT] [--wild] [--first SEED] [--write DIR] [--sums FILE]`.
//!
//! Each file is decoded to one and to three channels with both transforms, by this crate's own decoder, which decodes
//! parts in every build, and by the one that decodes whole images: with the feature `turbojpeg` that is libjpeg-turbo. Says
//! which files differ, and ends with 1 if any does. With `--write`, the files go to a directory for other decoders; with
//! `--wild` makes coefficients larger than any encoder does; with `--sums`, the sums of their pixels to a file, a line for each as `fixtures/jpeg/make_sums.py` writes those of TensorFlow.
//!
//! ```sh
//! cargo run --release --features turbojpeg --example jpeg_generator -- 10000
//! ```

#[path = "../tests/common/jpeg_sums.rs"]
mod jpeg_sums;
#[path = "../tests/common/jpegs.rs"]
mod jpegs;

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use jpeg_sums::Decoders;
use tfrkit::image::ops::Rect;
use tfrkit::image::{Channels, Dct, DecodeOptions, Decoder, ImageBuf, Limits, probe_header, verify_entropy};

type Error = Box<dyn std::error::Error>;

const OPTIONS: [(Channels, Dct); 4] = [
    (Channels::Rgb, Dct::Ifast),
    (Channels::Rgb, Dct::Islow),
    (Channels::Gray, Dct::Ifast),
    (Channels::Gray, Dct::Islow),
];

/// Takes a flag and its value out of the arguments.
fn flag(args: &mut Vec<String>, name: &str) -> Result<Option<String>, Error> {
    let Some(i) = args.iter().position(|arg| arg == name) else { return Ok(None) };
    let value = args.get(i + 1).ok_or_else(|| format!("{name} takes a value"))?.clone();
    args.drain(i..i + 2);
    Ok(Some(value))
}

/// What is wrong with the decoders for a file, if anything is.
fn compare(file: &[u8], decoders: &mut [Decoder]) -> Result<(), String> {
    let probe = probe_header(file, &Limits::default()).map_err(|e| format!("the header walk: {e}"))?;
    verify_entropy(file, &Limits::default()).map_err(|e| format!("the walk of the codes: {e}"))?;
    let all = Rect::at((0, 0), (probe.height, probe.width));
    for (decoder, how) in decoders.iter_mut().zip(OPTIONS) {
        let mut own = ImageBuf::empty();
        let whole = decoder.decode(file);
        let part = decoder.decode_region(file, all, &mut own);
        match (whole, part) {
            (Ok(whole), Ok(())) if whole == own => {}
            (Ok(whole), Ok(())) => {
                let differ = whole.pixels().iter().zip(own.pixels()).filter(|(a, b)| a != b).count();
                return Err(format!("{how:?}: {differ} of {} values differ", own.pixels().len()));
            }
            // Four inks to one channel.
            (Err(_), Err(_)) if probe.channels == 4 && how.0 == Channels::Gray => {}
            (whole, part) => return Err(format!("{how:?}: {:?} and {:?}", whole.err(), part.err())),
        }
    }
    Ok(())
}

fn run() -> Result<u64, Error> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let first: u64 = flag(&mut args, "--first")?.map_or(Ok(0), |n| n.parse())?;
    let folder = flag(&mut args, "--write")?.map(PathBuf::from);
    let wild = args.iter().position(|arg| arg == "--wild").map(|i| args.remove(i)).is_some();
    let sums = flag(&mut args, "--sums")?;
    let count: u64 = args.first().map_or(Ok(1000), |n| n.parse())?;
    let mut decoders = Vec::new();
    for (channels, dct) in OPTIONS {
        decoders.push(Decoder::new(DecodeOptions { channels, dct, ..DecodeOptions::default() })?);
    }
    let (mut wrong, mut lines, mut all) = (0, String::new(), Decoders::new());
    for seed in first..first + count {
        let file = if wild { jpegs::wild_jpeg(seed) } else { jpegs::jpeg(seed) };
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder)?;
            std::fs::write(folder.join(format!("{seed:06}.jpg")), &file)?;
        }
        if sums.is_some() {
            writeln!(lines, "{seed} {}", all.sums(&file).join(" "))?;
        }
        if let Err(detail) = compare(&file, &mut decoders) {
            println!("seed {seed}: {detail}");
            wrong += 1;
        }
    }
    if let Some(path) = sums {
        std::fs::write(path, lines)?;
    }
    println!("{count} files, {wrong} differ between this crate's decoder and {}", Decoder::decoder_name());
    Ok(wrong)
}

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("jpeg_generator: {e}");
            ExitCode::from(2)
        }
    }
}
