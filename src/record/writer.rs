//! Records into any `Write`.

use std::io::{self, Write};

use super::compression::{Compression, Deflate};
use super::frame;
use crate::error::Result;

/// Writes records into `W`. Give it a buffered writer: each record is three writes.
///
/// Call [`finish`](Writer::finish) at the end: it writes the compressed stream's end and flushes. A writer that is
/// dropped instead has written its records, but maybe not the end of a compressed stream, and errors are lost.
///
/// ```
/// let mut writer = tfrkit::record::Writer::new(Vec::new());
/// assert_eq!(writer.write(b"payload")?, 0);
/// assert_eq!(writer.write(b"")?, 23);
/// assert_eq!(writer.finish()?.len(), 23 + 16);
/// # Ok::<(), tfrkit::Error>(())
/// ```
pub struct Writer<W: Write> {
    output: Deflate<W>,
    offset: u64,
}

impl<W: Write> Writer<W> {
    /// A writer without compression.
    pub fn new(output: W) -> Self {
        Self::with_compression(output, Compression::None)
    }

    /// A writer through `compression` (zlib level 6).
    pub fn with_compression(output: W, compression: Compression) -> Self {
        Writer { output: Deflate::new(output, compression), offset: 0 }
    }

    /// Writes one record; the offset of its frame in the (uncompressed) shard.
    pub fn write(&mut self, payload: &[u8]) -> Result<u64> {
        let offset = self.offset;
        self.write_frame(payload)?;
        self.offset += frame::OVERHEAD + payload.len() as u64;
        Ok(offset)
    }

    fn write_frame(&mut self, payload: &[u8]) -> io::Result<()> {
        self.output.write_all(&frame::encode_header(payload.len() as u64))?;
        self.output.write_all(payload)?;
        self.output.write_all(&frame::encode_footer(payload))
    }

    /// Bytes of frames written so far, before compression: the offset of the next record.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The inner writer.
    pub fn get_ref(&self) -> &W {
        self.output.get_ref()
    }

    /// Writes what is still held back and gives the inner writer back.
    pub fn finish(self) -> Result<W> {
        let mut inner = self.output.finish()?;
        inner.flush()?;
        Ok(inner)
    }
}
