//! Scripts of protobuf messages, whose lengths are right wherever the script does not say otherwise.

use crate::Script;

/// The message that a script builds. The first byte decides: the rest as it is, or a script.
pub fn build(data: &[u8]) -> Vec<u8> {
    let mut script = Script(data);
    match script.byte() {
        0 => script.0.to_vec(),
        _ => {
            let mut out = Vec::new();
            while !script.is_done() && out.len() < 1 << 14 {
                field(&mut script, &mut out, 5);
            }
            out
        }
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn key(out: &mut Vec<u8>, number: u64, wire: u64) {
    varint(out, number << 3 | wire);
}

/// A field, most often a message of its own.
fn field(script: &mut Script<'_>, out: &mut Vec<u8>, depth: usize) {
    let choice = script.byte();
    // Mostly the numbers that the messages know.
    let number = match choice >> 4 {
        0..=7 => 1,
        8..=11 => 2,
        12 | 13 => 3,
        14 => 4,
        _ => u64::from(script.byte()) << (script.byte() % 30),
    };
    match choice & 15 {
        0..=6 if depth > 0 => {
            let mut inner = Vec::new();
            for _ in 0..script.byte() % 5 {
                field(script, &mut inner, depth - 1);
            }
            delimited(out, number, &inner);
        }
        0..=8 => {
            let len = script.byte() % 12;
            delimited(out, number, script.take(usize::from(len)));
        }
        // A packed list of numbers.
        9 => {
            let mut inner = Vec::new();
            for _ in 0..script.byte() % 6 {
                varint(&mut inner, script.number() as u64 * [1, 1 << 47][usize::from(choice >> 7)]);
            }
            delimited(out, number, &inner);
        }
        10 => {
            key(out, number, 0);
            varint(out, script.number() as u64);
        }
        11 => {
            key(out, number, 5);
            out.extend_from_slice(script.take(4));
        }
        12 => {
            key(out, number, 1);
            out.extend_from_slice(script.take(8));
        }
        13 => {
            key(out, number, 3);
            if depth > 0 {
                field(script, out, depth - 1);
            }
            key(out, number, 4);
        }
        // A key and a value.
        14 if depth > 0 => {
            delimited(out, 1, &[b'a' + script.byte() % 3]);
            let mut inner = Vec::new();
            field(script, &mut inner, depth - 1);
            delimited(out, 2, &inner);
        }
        _ => {
            let len = script.byte() % 6;
            out.extend_from_slice(script.take(usize::from(len)));
        }
    }
}

fn delimited(out: &mut Vec<u8>, number: u64, inner: &[u8]) {
    key(out, number, 2);
    varint(out, inner.len() as u64);
    out.extend_from_slice(inner);
}
