//! NumPy's `.npy` files, format 1.0.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tfrkit::Result;
use tfrkit::example::ByteStrings;

use super::output::write_whole;

/// A type that an array holds.
pub(super) trait Element: Copy {
    /// The type in NumPy's words, little-endian.
    const DESCR: &'static str;

    fn write(self, out: &mut impl Write) -> io::Result<()>;
}

impl Element for f32 {
    const DESCR: &'static str = "<f4";

    fn write(self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.to_le_bytes())
    }
}

impl Element for i64 {
    const DESCR: &'static str = "<i8";

    fn write(self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.to_le_bytes())
    }
}

impl Element for u8 {
    const DESCR: &'static str = "|u1";

    fn write(self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&[self])
    }
}

/// Writes an array of `shape`, whose values come in parts.
pub(super) fn write<'a, T: Element + 'a>(
    path: &Path,
    shape: &[usize],
    parts: impl IntoIterator<Item = &'a [T]>,
) -> Result<()> {
    let write = |file: &mut File| -> io::Result<()> {
        let mut out = BufWriter::new(file);
        out.write_all(&header(T::DESCR, shape))?;
        for part in parts {
            for value in part {
                value.write(&mut out)?;
            }
        }
        out.flush()
    };
    write_whole(path, write)
}

/// Writes an array of byte strings, each filled up with zeros to the longest, as NumPy has them.
pub(super) fn write_strings(path: &Path, shape: &[usize], strings: &ByteStrings) -> Result<()> {
    let longest = strings.iter().map(<[u8]>::len).max().unwrap_or(0).max(1);
    let write = |file: &mut File| -> io::Result<()> {
        let mut out = BufWriter::new(file);
        out.write_all(&header(&format!("|S{longest}"), shape))?;
        for string in strings.iter() {
            out.write_all(string)?;
            out.write_all(&vec![0; longest - string.len()])?;
        }
        out.flush()
    };
    write_whole(path, write)
}

/// Magic, version, and the dictionary, padded so that the values begin at a multiple of 64.
fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let sides: String = shape.iter().map(|n| format!("{n},")).collect();
    let mut dictionary = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sides}), }}");
    while (10 + dictionary.len() + 1) % 64 != 0 {
        dictionary.push(' ');
    }
    dictionary.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend_from_slice(&(dictionary.len() as u16).to_le_bytes());
    header.extend_from_slice(dictionary.as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_numpys() {
        let header = header("<f4", &[2, 3]);
        assert_eq!(header.len() % 64, 0);
        assert!(header.starts_with(b"\x93NUMPY\x01\x00"));
        let text = String::from_utf8_lossy(&header[10..]);
        assert!(text.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2,3,), }"));
        assert!(text.ends_with('\n'));
    }
}
