//! NumPy's `.npy` files, format 1.0, and its `.npz` archives of them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crc32fast::Hasher;
use tfrkit::example::ByteStrings;
use tfrkit::{Error, Result};

use super::out::{OutFile, write_whole};

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

/// An array, whose values lie in parts one behind the other.
pub(super) struct Array<'a, T> {
    pub(super) shape: Vec<usize>,
    pub(super) parts: Vec<&'a [T]>,
}

impl<T: Element> Array<'_, T> {
    fn len(&self) -> u64 {
        let values: u64 = self.parts.iter().map(|part| part.len() as u64).sum();
        header(T::DESCR, &self.shape).len() as u64 + values * size_of::<T>() as u64
    }

    /// The bytes of its file.
    pub(super) fn put(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&header(T::DESCR, &self.shape))?;
        self.parts.iter().copied().flatten().try_for_each(|value| value.write(out))
    }

    fn crc(&self) -> io::Result<u32> {
        let mut sum = BufWriter::new(Sum(Hasher::new()));
        self.put(&mut sum)?;
        Ok(sum.into_inner().map_err(io::IntoInnerError::into_error)?.0.finalize())
    }
}

struct Sum(Hasher);

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes an array of `shape`, over one that is there.
pub(super) fn write<T: Element>(path: &Path, shape: &[usize], values: &[T]) -> Result<()> {
    let array = Array { shape: shape.to_vec(), parts: vec![values] };
    write_whole(path, |file| {
        let mut out = BufWriter::new(file);
        array.put(&mut out)?;
        out.flush()
    })
}

/// Writes arrays by name as `numpy.savez` does: a ZIP archive of files that are stored as they are.
pub(super) fn write_archive<T: Element>(out: &OutFile, arrays: &[(String, Array<'_, T>)]) -> Result<()> {
    let bytes: u64 = arrays.iter().map(|(name, array)| array.len() + 2 * (name.len() as u64 + 64)).sum();
    if bytes > u64::from(u32::MAX) || arrays.len() > usize::from(u16::MAX) {
        return Err(Error::new(tfrkit::ErrorKind::Usage {
            detail: "an .npz holds up to 4 GiB and 65,535 arrays, and this one would hold more".to_owned(),
            hint: Some("write an .npy, or fewer images at a time".to_owned()),
        }));
    }
    out.write(|file| {
        let mut out = BufWriter::new(file);
        let (mut directory, mut at) = (Vec::new(), 0u32);
        for (name, array) in arrays {
            let name = format!("{name}.npy");
            // Held against the limit above.
            let len = array.len() as u32;
            // Version 2.0, no flags, stored; dated 1980-01-01, the first day that ZIP has, so that equal arrays make equal files.
            let mut about = [&[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..], &array.crc()?.to_le_bytes()].concat();
            about.extend([len.to_le_bytes(), len.to_le_bytes(), (name.len() as u32).to_le_bytes()].concat());
            let local = [b"PK\x03\x04", &about[..], name.as_bytes()].concat();
            out.write_all(&local)?;
            array.put(&mut out)?;
            directory.extend([b"PK\x01\x02\x14\0", &about[..], &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat());
            at += local.len() as u32 + len;
        }
        out.write_all(&directory)?;
        let count = (arrays.len() as u16).to_le_bytes();
        let size = (directory.len() as u32).to_le_bytes();
        out.write_all(&[b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &at.to_le_bytes(), &[0; 2]].concat())?;
        out.flush()
    })
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
