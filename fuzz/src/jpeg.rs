//! Mutations that know the segments of a JPEG: most others end in the first table.

use crate::{Noise, jpegs};

/// Segments with their markers, and scans' data as segments of their own; what comes after them as it is.
fn parts(file: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut at = 2.min(file.len());
    while at + 4 <= file.len() && file[at] == 0xff && file[at + 1] != 0xd9 {
        let end = (at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]))).min(file.len());
        parts.push(file[at..end].to_vec());
        let is_scan = file[at + 1] == 0xda;
        at = end;
        if is_scan {
            let ends = |i: &usize| file[*i] == 0xff && !matches!(file[i + 1], 0 | 0xd0..=0xd7);
            at = (end..file.len().saturating_sub(1)).find(ends).unwrap_or(file.len());
            parts.push(file[end..at].to_vec());
        }
    }
    if at < file.len() {
        parts.push(file[at..].to_vec());
    }
    parts
}

fn is_frame(part: &[u8]) -> bool {
    part.len() > 12 && part[0] == 0xff && matches!(part[1], 0xc0..=0xc2)
}

/// One change of one kind.
fn change(parts: &mut Vec<Vec<u8>>, noise: &mut Noise) {
    let any = noise.below(parts.len());
    let frame = parts.iter().position(|part| is_frame(part));
    match (noise.below(15), frame) {
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
        (4, _) => drop(parts.remove(any)),
        (5 | 6, _) => {
            let copy = parts[any].clone();
            let to = noise.below(parts.len() + 1);
            parts.insert(to, copy);
        }
        (7, Some(frame)) => {
            let at = 11 + 3 * noise.below(usize::from(parts[frame][9]));
            if let Some(factors) = parts[frame].get_mut(at) {
                *factors = (1 + noise.below(4) as u8) << 4 | (1 + noise.below(4) as u8);
            }
        }
        (8, Some(frame)) => {
            let (at, low) = (5 + 2 * noise.below(2), noise.below(130) as u8);
            parts[frame][at..at + 2].copy_from_slice(&[0, low]);
        }
        (9, Some(frame)) => parts[frame][1] = 0xc0 + noise.below(3) as u8,
        (10, _) => parts.insert(any, vec![0xff, 0xdd, 0, 4, 0, noise.below(5) as u8]),
        (11, _) => {
            let at = noise.below(parts[any].len());
            parts[any].splice(at..at, [0xff, 0xd0 + noise.below(8) as u8]);
        }
        (12, _) => {
            // A scan's band and bits.
            let scans: Vec<usize> = (0..parts.len()).filter(|&i| parts[i].starts_with(&[0xff, 0xda])).collect();
            if let Some(&scan) = scans.get(noise.below(scans.len())) {
                let len = parts[scan].len();
                if len > 7 {
                    let low = noise.below(64) as u8;
                    let high = low.max(noise.below(64) as u8);
                    let bits = noise.below(3) as u8;
                    let again = if noise.one_in(2) { bits + 1 } else { 0 };
                    parts[scan][len - 3..].copy_from_slice(&[low, high, again << 4 | bits]);
                }
            }
        }
        (13, _) => {
            let part = &mut parts[any];
            let at = noise.below(part.len());
            let run = noise.below(20);
            let byte = [0, 0xff, 0x55, noise.next() as u8][noise.below(4)];
            part.splice(at..at, std::iter::repeat_n(byte, run));
        }
        _ => {
            let keep = noise.below(parts[any].len());
            parts[any].truncate(keep);
        }
    }
}

/// Changes the file in `data[..size]`, which may grow to all of `data`; its new size.
pub fn mutate(data: &mut [u8], size: usize, seed: u32) -> usize {
    let mut noise = Noise::seeded(seed);
    let mut file = data[..size].to_vec();
    if noise.one_in(50) {
        // A new one, of any legal shape.
        file = jpegs::jpeg(noise.next() as u64);
    }
    let mut parts = parts(&file);
    if parts.is_empty() {
        return size;
    }
    for _ in 0..noise.below(4) {
        if !parts.is_empty() {
            change(&mut parts, &mut noise);
        }
    }
    let mut file = [b"\xff\xd8", &parts.concat()[..]].concat();
    if !file.ends_with(b"\xff\xd9") && !noise.one_in(8) {
        file.extend_from_slice(b"\xff\xd9");
    }
    let size = file.len().min(data.len());
    data[..size].copy_from_slice(&file[..size]);
    size
}
