//! JPEGs with damaged structure: an image or an error, never a panic, and a region is a crop whenever there is an image.

#[path = "common/golden.rs"]
mod golden;

use std::panic::{AssertUnwindSafe, catch_unwind};

use golden::{JPEGS, bytes};
use tfrkit::image::ops::{Rect, crop_to_bounding_box};
use tfrkit::image::{DecodeOptions, Decoder, ImageBuf, Limits, Orientation, Scale, verify_entropy};

struct Noise(u64);

impl Noise {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize
    }

    fn below(&mut self, n: usize) -> usize {
        self.next() % n.max(1)
    }
}

/// Segments with their markers, and scans' data as segments of their own.
fn parts(file: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut at = 2;
    while at + 4 <= file.len() && file[at + 1] != 0xD9 {
        let end = at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        parts.push(file[at..end].to_vec());
        let is_scan = file[at + 1] == 0xDA;
        at = end;
        if is_scan {
            let is_end = |i: &usize| file[*i] == 0xFF && !matches!(file[i + 1], 0 | 0xD0..=0xD7);
            at = (end..file.len() - 1).find(is_end).unwrap();
            parts.push(file[end..at].to_vec());
        }
    }
    parts
}

fn is_frame(part: &[u8]) -> bool {
    part.len() > 12 && part[0] == 0xFF && matches!(part[1], 0xC0..=0xC2)
}

fn damage(parts: &mut Vec<Vec<u8>>, donor: &[Vec<u8>], noise: &mut Noise) {
    let any = noise.below(parts.len());
    let frame = parts.iter().position(|part| is_frame(part));
    let kind = noise.below(14);
    match (kind, frame) {
        (0..=2, _) => {
            let part = &mut parts[any];
            if part.len() > 4 {
                let at = 4 + noise.below(part.len() - 4);
                part[at] ^= 1 << noise.below(8);
            }
        }
        (3, _) => {
            let other = noise.below(parts.len());
            parts.swap(any, other);
        }
        (4, _) => {
            parts.remove(any);
        }
        (5, _) => {
            let copy = parts[any].clone();
            parts.insert(any, copy);
        }
        (6 | 7, _) => {
            let theirs = donor[noise.below(donor.len())].clone();
            let same = parts.iter().position(|part| part.get(1) == theirs.get(1));
            parts[same.unwrap_or(any)] = theirs;
        }
        (8, Some(frame)) => {
            let count = usize::from(parts[frame][9]);
            let at = 11 + 3 * noise.below(count);
            if let Some(factors) = parts[frame].get_mut(at) {
                *factors = (1 + noise.below(4) as u8) << 4 | (1 + noise.below(4) as u8);
            }
        }
        (9, Some(frame)) => {
            let (at, low) = (5 + 2 * noise.below(2), noise.below(130) as u8);
            parts[frame][at..at + 2].copy_from_slice(&[0, low]);
        }
        (10, Some(frame)) => parts[frame][1] = 0xC0 + noise.below(3) as u8,
        (11, _) => parts.insert(any, vec![0xFF, 0xDD, 0, 4, 0, noise.below(5) as u8]),
        (12, _) => {
            let restart = [0xFF, 0xD0 + noise.below(8) as u8];
            let at = noise.below(parts[any].len());
            parts[any].splice(at..at, restart);
        }
        _ => {
            let keep = noise.below(parts[any].len());
            parts[any].truncate(keep);
        }
    }
    if parts.is_empty() {
        parts.push(vec![]);
    }
}

/// Whether there was an image.
fn check(file: &[u8], decoders: &mut [Decoder; 2], noise: &mut Noise) -> bool {
    let size = match tfrkit::image::probe_magic(file) {
        Ok((_, Some(probe))) => probe.height * probe.width,
        _ => 0,
    };
    if size > 40_000 {
        return false;
    }
    let verified = verify_entropy(file, &Limits::default()).is_ok();
    let mut any = false;
    for decoder in decoders {
        for scale in [Scale::Full, Scale::Half, Scale::Quarter, Scale::Eighth] {
            let (mut whole, mut region) = (ImageBuf::empty(), ImageBuf::empty());
            let decoded = match scale {
                Scale::Full => decoder.decode_into(file, &mut whole),
                _ => decoder.decode_scaled(file, scale, None, &mut whole),
            };
            let Err(error) = decoded else {
                assert!(verified, "decoded what is refused by the walk");
                any = true;
                let (height, width) = (whole.shape().height, whole.shape().width);
                let (y, x) = (noise.below(height), noise.below(width));
                let rect = Rect::at((y, x), (1 + noise.below(height - y), 1 + noise.below(width - x)));
                decoder.decode_scaled(file, scale, Some(rect), &mut region).unwrap();
                crop_to_bounding_box(&mut whole, rect).unwrap();
                assert!(region == whole, "{rect:?} at {scale:?}");
                continue;
            };
            assert!(!error.to_string().is_empty());
            let corner = Rect::at((0, 0), (1, 1));
            assert!(decoder.decode_scaled(file, scale, Some(corner), &mut region).is_err(), "{scale:?}: {error}");
        }
    }
    any
}

/// `TFRKIT_MUTATIONS` sets how many files.
#[test]
fn damaged_structure_never_panics() {
    let rounds = std::env::var("TFRKIT_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000u64);
    let first = std::env::var("TFRKIT_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0u64);
    let files = JPEGS.map(|name| parts(&bytes(&format!("images/{name}"))));
    let apply = DecodeOptions { orientation: Orientation::Apply, ..DecodeOptions::default() };
    let mut decoders = [DecodeOptions::default(), apply].map(|options| Decoder::new(options).unwrap());
    let mut images = 0;
    for round in first..first + rounds {
        let mut noise = Noise((round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut parts = files[noise.below(files.len())].clone();
        for _ in 0..1 + noise.below(3) {
            let donor = &files[noise.below(files.len())];
            damage(&mut parts, donor, &mut noise);
        }
        let file = [&b"\xff\xd8"[..], &parts.concat(), b"\xff\xd9"].concat();
        let run = catch_unwind(AssertUnwindSafe(|| check(&file, &mut decoders, &mut noise)));
        images += u64::from(run.unwrap_or_else(|_| panic!("round {round}")));
    }
    assert!(images > rounds / 20, "{images} of {rounds} still had an image");
}
