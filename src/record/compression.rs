//! GZIP (RFC 1952) and ZLIB (RFC 1950) around a shard: told by content, read, written.

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::str::FromStr;

use flate2::bufread::MultiGzDecoder;
use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::{Decompress, FlushDecompress, Status};

use super::frame::{self, HEADER_LEN};

/// How many bytes of a file [`Compression::detect`] wants to see.
pub(crate) const DETECT_LEN: usize = 64 << 10;

/// The compression of a whole shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Frames as they are (the default).
    #[default]
    None,
    /// One gzip stream; several members are read, one is written.
    Gzip,
    /// One zlib stream.
    Zlib,
}

impl Compression {
    /// The name used on the command line and in JSON: `none`, `gzip`, `zlib`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zlib => "zlib",
        }
    }

    /// What a shard's file name ends in: nothing, `.gz` or `.zlib`.
    pub fn extension(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Zlib => ".zlib",
        }
    }

    /// Tells the compression of a shard from its first 64 KiB (or all there is of it).
    ///
    /// Damage must not fool it: a valid length CRC in front means uncompressed. gzip or zlib counts only if what it
    /// inflates to begins with a valid length CRC, or is empty and whole. Anything else is an uncompressed shard,
    /// damaged at record 0: a flipped bit in a length can look like a zlib header.
    pub fn detect(start: &[u8]) -> Compression {
        if start.first_chunk::<HEADER_LEN>().is_some_and(has_length_crc) {
            return Compression::None;
        }
        let candidate = match start {
            [0x1f, 0x8b, 8, ..] => Compression::Gzip,
            [cmf, flg, ..]
                if cmf & 0x0f == 8 && cmf >> 4 <= 7 && (u16::from(*cmf) << 8 | u16::from(*flg)) % 31 == 0 =>
            {
                Compression::Zlib
            }
            _ => return Compression::None,
        };
        let mut head = [0; HEADER_LEN];
        let mut reader = Inflate::new(start, candidate);
        match read_full(&mut reader, &mut head) {
            Ok(0) => candidate,
            Ok(HEADER_LEN) if has_length_crc(&head) => candidate,
            _ => Compression::None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        [Compression::None, Compression::Gzip, Compression::Zlib]
            .into_iter()
            .find(|c| c.name() == s)
            .ok_or_else(|| format!("'{s}' is not a compression: none, gzip or zlib"))
    }
}

pub(super) fn has_length_crc(header: &[u8; HEADER_LEN]) -> bool {
    frame::parse_header(header, u64::MAX).is_ok()
}

/// Reads until `buf` is full or the input ends; the number of bytes read.
pub(crate) fn read_full(reader: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match reader.read(&mut buf[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Reads what a shard holds once inflated.
///
/// A stream that ends early is [`io::ErrorKind::UnexpectedEof`], a damaged one any other kind; neither passes as the end.
pub(super) enum Inflate<R> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
    Zlib(Box<ZlibReader<R>>),
}

impl<R: BufRead> Inflate<R> {
    pub(super) fn new(inner: R, compression: Compression) -> Self {
        match compression {
            Compression::None => Inflate::Plain(inner),
            Compression::Gzip => Inflate::Gzip(Box::new(MultiGzDecoder::new(inner))),
            Compression::Zlib => {
                Inflate::Zlib(Box::new(ZlibReader { inner, state: Decompress::new(true), ended: false }))
            }
        }
    }
}

impl<R: BufRead> Read for Inflate<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Inflate::Plain(r) => r.read(buf),
            Inflate::Gzip(r) => r.read(buf),
            Inflate::Zlib(r) => r.read(buf),
        }
    }
}

/// A zlib reader that tells a cut stream from a whole one (flate2's own reports both as the end) and refuses bytes
/// behind the end.
pub(super) struct ZlibReader<R> {
    inner: R,
    state: Decompress,
    ended: bool,
}

impl<R: BufRead> Read for ZlibReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            let input = self.inner.fill_buf()?;
            if self.ended {
                return match input.len() {
                    0 => Ok(0),
                    _ => Err(io::Error::new(io::ErrorKind::InvalidData, "bytes follow the end of the zlib stream")),
                };
            }
            if input.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the zlib stream is cut"));
            }
            let (seen_in, seen_out) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(input, buf, FlushDecompress::None).map_err(io::Error::from)?;
            // Both differences are bounded by the lengths of the slices given.
            let consumed = (self.state.total_in() - seen_in) as usize;
            let produced = (self.state.total_out() - seen_out) as usize;
            self.inner.consume(consumed);
            self.ended = status == Status::StreamEnd;
            if produced > 0 {
                return Ok(produced);
            }
            if !self.ended && consumed == 0 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the zlib stream makes no progress"));
            }
        }
    }
}

/// Writes a shard through its compression.
pub(super) enum Deflate<W: Write> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Zlib(ZlibEncoder<W>),
}

impl<W: Write> Deflate<W> {
    pub(super) fn new(inner: W, compression: Compression) -> Self {
        let level = flate2::Compression::default();
        match compression {
            Compression::None => Deflate::Plain(inner),
            Compression::Gzip => Deflate::Gzip(GzEncoder::new(inner, level)),
            Compression::Zlib => Deflate::Zlib(ZlibEncoder::new(inner, level)),
        }
    }

    pub(super) fn get_ref(&self) -> &W {
        match self {
            Deflate::Plain(w) => w,
            Deflate::Gzip(w) => w.get_ref(),
            Deflate::Zlib(w) => w.get_ref(),
        }
    }

    /// Writes the compressed stream's end and gives the inner writer back.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Deflate::Plain(w) => Ok(w),
            Deflate::Gzip(w) => w.finish(),
            Deflate::Zlib(w) => w.finish(),
        }
    }
}

impl<W: Write> Write for Deflate<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Deflate::Plain(w) => w.write(buf),
            Deflate::Gzip(w) => w.write(buf),
            Deflate::Zlib(w) => w.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Deflate::Plain(w) => w.flush(),
            Deflate::Gzip(w) => w.flush(),
            Deflate::Zlib(w) => w.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deflated(data: &[u8], compression: Compression) -> Vec<u8> {
        let mut w = Deflate::new(Vec::new(), compression);
        w.write_all(data).unwrap();
        w.finish().unwrap()
    }

    fn one_record() -> Vec<u8> {
        let payload = vec![7; 300];
        let mut out = frame::encode_header(300).to_vec();
        out.extend_from_slice(&payload);
        out.extend_from_slice(&frame::encode_footer(&payload));
        out
    }

    #[test]
    fn detection_round_trips() {
        for c in [Compression::None, Compression::Gzip, Compression::Zlib] {
            assert_eq!(Compression::detect(&deflated(&one_record(), c)), c);
            assert_eq!(Compression::detect(&deflated(b"", c)), c);
            let mut back = Vec::new();
            Inflate::new(&deflated(&one_record(), c)[..], c).read_to_end(&mut back).unwrap();
            assert_eq!(back, one_record());
        }
    }

    #[test]
    fn a_flipped_bit_never_turns_an_uncompressed_shard_into_a_compressed_one() {
        let whole = one_record();
        for bit in 0..96 {
            let mut data = whole.clone();
            data[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Compression::detect(&data), Compression::None, "bit {bit}");
        }
    }

    #[test]
    fn a_length_that_looks_like_gzip_is_no_gzip() {
        let mut data = frame::encode_header(0x08_8b1f).to_vec();
        data.resize(100, 0);
        assert_eq!(data[..3], [0x1f, 0x8b, 8]);
        assert_eq!(Compression::detect(&data), Compression::None);
    }

    #[test]
    fn every_cut_of_a_compressed_stream_is_an_error() {
        for c in [Compression::Gzip, Compression::Zlib] {
            let whole = deflated(&one_record(), c);
            for cut in 1..whole.len() {
                let mut back = Vec::new();
                let error = Inflate::new(&whole[..cut], c).read_to_end(&mut back).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{c} cut at {cut}");
            }
        }
    }

    #[test]
    fn bytes_behind_a_zlib_stream_are_an_error() {
        let mut data = deflated(&one_record(), Compression::Zlib);
        data.push(0);
        assert!(Inflate::new(&data[..], Compression::Zlib).read_to_end(&mut Vec::new()).is_err());
    }
}
