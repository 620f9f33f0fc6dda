//! Scripts of shards: bytes that say how to build a shard and how to damage it, since random bytes have no CRCs.

use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use tfrkit::record::frame::{encode_footer, encode_header};

use crate::Script;

/// The shard that a script builds. The first byte decides: the rest as it is, or a script of a short or a long shard.
pub fn build(data: &[u8]) -> Vec<u8> {
    let mut script = Script(data);
    let most = match script.byte() {
        0 => return script.0.to_vec(),
        240.. => 1 << 19,
        _ => 1 << 14,
    };
    let mut out = Vec::new();
    while !script.is_done() && out.len() < most {
        step(&mut script, &mut out, most);
    }
    out.truncate(most);
    out
}

fn frame(out: &mut Vec<u8>, payload: &[u8]) {
    out.extend_from_slice(&encode_header(payload.len() as u64));
    out.extend_from_slice(payload);
    out.extend_from_slice(&encode_footer(payload));
}

fn step(script: &mut Script<'_>, out: &mut Vec<u8>, most: usize) {
    match script.byte() % 20 {
        0..=4 => {
            let len = usize::from(script.byte());
            frame(out, script.take(len));
        }
        // Large, or empty, at the price of a few bytes.
        5 => frame(out, &vec![script.byte(); script.number()]),
        6 => {
            let n = script.byte();
            (0..n).for_each(|_| frame(out, b""));
        }
        // Bytes between.
        7 => {
            let len = usize::from(script.byte() % 40);
            out.extend_from_slice(script.take(len));
        }
        8 => out.extend(vec![script.byte(); script.number() % 5000]),
        // Headers whose length holds, and is no good; and footers.
        9 => out.extend_from_slice(&encode_header(script.number() as u64)),
        10 => {
            let bytes = script.take(8);
            let mut length = [0; 8];
            length[..bytes.len()].copy_from_slice(bytes);
            out.extend_from_slice(&encode_header(u64::from_le_bytes(length)));
        }
        11 => {
            let n = script.number().min(out.len());
            let footer = encode_footer(&out[out.len() - n..]);
            out.extend_from_slice(&footer);
        }
        // What there is as the payload of a record: frames in frames.
        12 => {
            let inner = std::mem::take(out);
            frame(out, &inner);
        }
        // Again what there is: long inputs.
        13 => {
            let n = script.number().min(out.len());
            let times = usize::from(script.byte()).min(most / (n + 1));
            let tail = out[out.len() - n..].repeat(times);
            out.extend_from_slice(&tail);
        }
        // Damage.
        14 | 15 if !out.is_empty() => {
            let at = out.len() - 1 - script.number() % out.len();
            out[at] ^= 1 << (script.byte() % 8);
        }
        16 => {
            let n = script.number() % (out.len() + 1);
            out.truncate(out.len() - n);
        }
        17 if !out.is_empty() => {
            let from = script.number() % out.len();
            let to = (from + usize::from(script.byte())).min(out.len());
            out.drain(from..to);
        }
        // Compression: of all there is, or of the last bytes as one more member.
        18 => {
            let n = script.number();
            let from = out.len() - n.min(out.len());
            let tail = out.split_off(if n == 0 { 0 } else { from });
            let level = flate2::Compression::new(u32::from(script.byte() % 3));
            // Writing into a Vec cannot fail.
            let packed = match script.byte() % 8 {
                0..=4 => pack(GzEncoder::new(Vec::new(), level), &tail, GzEncoder::finish),
                5 | 6 => pack(ZlibEncoder::new(Vec::new(), level), &tail, ZlibEncoder::finish),
                _ => pack(DeflateEncoder::new(Vec::new(), level), &tail, DeflateEncoder::finish),
            };
            out.extend_from_slice(&packed);
        }
        _ => out.extend_from_slice(&[0x1f, 0x8b, 8]),
    }
}

fn pack<W: std::io::Write>(mut encoder: W, data: &[u8], finish: impl FnOnce(W) -> std::io::Result<Vec<u8>>) -> Vec<u8> {
    encoder.write_all(data).and_then(|()| finish(encoder)).unwrap_or_default()
}
