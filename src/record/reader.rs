//! Records from a stream: a file, a pipe, a socket; plain or compressed.

use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use super::compression::{Compression, DETECT_LEN, Inflate, read_full};
use super::frame::{self, CrcCheck, FOOTER_LEN, FrameError, FramePart, HEADER_LEN};
use super::shard::RecordRef;
use crate::error::{Error, ErrorKind, Result};

/// The first step in which a payload's buffer grows; later ones double it. A hostile length costs no more memory than twice
/// the data that are there.
const GROW: usize = 8 << 20;
/// The buffer of a payload that is not held.
const PASSING: usize = 256 << 10;

/// What to do when a payload's CRC does not match (the length in front of it does, so the next record can be found).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnCorrupt {
    /// Stop after the error (the default).
    #[default]
    Stop,
    /// Go on with the next record after the error.
    Continue,
}

/// How records are read: `ReadOptions { crc: CrcCheck::Lengths, ..Default::default() }`.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions {
    /// Which CRCs are verified. Default: all.
    pub crc: CrcCheck,
    /// The longest payload that is accepted, in bytes. Default: 2 GiB - 1, protobuf's own limit.
    pub max_record_len: u64,
    /// Whether reading goes on behind a damaged payload. Default: it stops.
    pub on_corrupt: OnCorrupt,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions { crc: CrcCheck::Full, max_record_len: frame::MAX_RECORD_LEN, on_corrupt: OnCorrupt::Stop }
    }
}

impl ReadOptions {
    /// Whether a walk may go on after `error`.
    pub(super) fn goes_on(&self, error: &FrameError) -> bool {
        self.on_corrupt == OnCorrupt::Continue && matches!(error, FrameError::DataCrc { .. })
    }
}

/// A record with its place, owning its payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The record's number, from 0.
    pub index: u64,
    /// The byte offset of its frame in the (inflated) shard.
    pub offset: u64,
    /// The payload.
    pub payload: Vec<u8>,
}

/// A record that went by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passed<'a> {
    /// The record's number, from 0.
    pub(crate) index: u64,
    /// The byte offset of its frame.
    pub(crate) offset: u64,
    /// The length of its payload.
    pub(crate) len: u64,
    /// The payload; `None` where it was longer than what was to be held.
    pub(crate) payload: Option<&'a [u8]>,
}

impl Passed<'_> {
    /// The length of the whole frame in bytes.
    pub(crate) fn frame_len(&self) -> u64 {
        self.len.saturating_add(frame::OVERHEAD)
    }
}

impl<'a> From<RecordRef<'a>> for Passed<'a> {
    fn from(record: RecordRef<'a>) -> Self {
        let RecordRef { index, offset, payload } = record;
        Passed { index, offset, len: payload.len() as u64, payload: Some(payload) }
    }
}

/// Reads records one after the other from `R`. Buffers by itself.
///
/// The compression is told by content. The end is where no byte can be read at a record boundary; anything less than
/// a whole record is an error. After an error nothing more is read, unless [`OnCorrupt::Continue`] says so.
///
/// ```
/// use tfrkit::record::{Reader, Writer};
///
/// let mut writer = Writer::new(Vec::new());
/// writer.write(b"one")?;
/// writer.write(b"two")?;
/// let shard = writer.finish()?;
///
/// let payloads: Vec<Vec<u8>> = Reader::new(&shard[..])?
///     .into_records()
///     .map(|r| r.map(|r| r.payload))
///     .collect::<Result<_, _>>()?;
/// assert_eq!(payloads, [b"one", b"two"]);
/// # Ok::<(), tfrkit::Error>(())
/// ```
pub struct Reader<R> {
    input: Inflate<BufReader<Prefixed<R>>>,
    compression: Compression,
    options: ReadOptions,
    path: Option<PathBuf>,
    index: u64,
    offset: u64,
    done: bool,
    scratch: Record,
}

/// The bytes that detection took, then the rest of the input.
type Prefixed<R> = io::Chain<Cursor<Vec<u8>>, R>;

impl<R: Read> Reader<R> {
    /// A reader with default options. Reads up to 64 KiB to tell the compression.
    pub fn new(input: R) -> Result<Self> {
        Self::with_options(input, ReadOptions::default())
    }

    /// A reader with the given options.
    pub fn with_options(mut input: R, options: ReadOptions) -> Result<Self> {
        let mut start = vec![0; DETECT_LEN];
        let n = read_full(&mut input, &mut start).map_err(Error::from)?;
        start.truncate(n);
        let compression = Compression::detect(&start);
        let buffered = BufReader::with_capacity(128 << 10, Cursor::new(start).chain(input));
        Ok(Reader {
            input: Inflate::new(buffered, compression),
            compression,
            options,
            path: None,
            index: 0,
            offset: 0,
            done: false,
            scratch: Record::default(),
        })
    }

    /// Names the file that errors should speak of.
    pub fn with_path(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(path.as_ref().to_owned());
        self
    }

    /// The input begins with the record `index`, at `offset` of its shard: records and errors shall say so.
    pub(super) fn starting_at(self, index: u64, offset: u64) -> Self {
        Reader { index, offset, ..self }
    }

    /// The compression found.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Reads the next record into `record`, whose buffer is used again. `false` at the end.
    pub fn read_record(&mut self, record: &mut Record) -> Result<bool> {
        Ok(self.step(record, u64::MAX)?.is_some())
    }

    /// Reads the next record into `record`, whose payload is left empty where it is longer than `most`. The payload's
    /// length; `None` at the end.
    fn step(&mut self, record: &mut Record, most: u64) -> Result<Option<u64>> {
        if self.done {
            return Ok(None);
        }
        let at = (self.index, self.offset);
        let mut length = 0;
        match self.read_frame(&mut record.payload, most, &mut length) {
            Ok(true) => {
                (record.index, record.offset) = at;
                self.step_over(length);
                Ok(Some(length))
            }
            Ok(false) => {
                self.done = true;
                Ok(None)
            }
            Err(e) => {
                self.done = true;
                if let ErrorKind::Frame(frame_error) = e.kind()
                    && self.options.goes_on(frame_error)
                {
                    self.done = false;
                    self.step_over(length);
                }
                Err(self.place(e, at))
            }
        }
    }

    /// The next record, verified as any other; a payload longer than `most` goes by without being held. `None` at the end.
    pub(crate) fn next_within(&mut self, most: u64) -> Result<Option<Passed<'_>>> {
        let mut record = std::mem::take(&mut self.scratch);
        let found = self.step(&mut record, most);
        self.scratch = record;
        let Record { index, offset, payload } = &self.scratch;
        let passed = |len| Passed { index: *index, offset: *offset, len, payload: (len <= most).then_some(payload) };
        Ok(found?.map(passed))
    }

    /// Reads the next record; it borrows the reader's own buffer. `None` at the end.
    pub fn next_record(&mut self) -> Result<Option<RecordRef<'_>>> {
        let mut record = std::mem::take(&mut self.scratch);
        let found = self.read_record(&mut record);
        self.scratch = record;
        let Record { index, offset, payload } = &self.scratch;
        Ok(found?.then_some(RecordRef { index: *index, offset: *offset, payload }))
    }

    /// Iterates over the records that are left, each with a payload of its own.
    pub fn records(&mut self) -> Records<'_, R> {
        Records(self)
    }

    /// Iterates over the records, taking the reader.
    pub fn into_records(self) -> IntoRecords<R> {
        IntoRecords(self)
    }

    fn step_over(&mut self, payload_len: u64) {
        self.index += 1;
        self.offset = self.offset.saturating_add(frame::OVERHEAD).saturating_add(payload_len);
    }

    fn place(&self, error: Error, (index, offset): (u64, u64)) -> Error {
        let error = error.at_record(index, offset);
        match &self.path {
            Some(path) => error.at_path(path),
            None => error,
        }
    }

    /// Reads a frame; `length` is that of its payload as soon as it is known. `false` at the end.
    fn read_frame(&mut self, payload: &mut Vec<u8>, most: u64, length: &mut u64) -> Result<bool> {
        let mut header = [0; HEADER_LEN];
        if !self.fill(&mut header, FramePart::Header)? {
            return Ok(false);
        }
        *length = frame::parse_header(&header, self.options.max_record_len)?;
        let crc = match *length <= most {
            true => self.hold(payload, *length)?,
            false => self.pass(payload, *length)?,
        };
        let mut footer = [0; FOOTER_LEN];
        if !self.fill(&mut footer, FramePart::Footer)? {
            return Err(self.cut(FramePart::Footer, FOOTER_LEN as u64, 0));
        }
        if self.options.crc == CrcCheck::Full {
            frame::check_crc(crc, footer)?;
        }
        Ok(true)
    }

    /// Reads a payload; its CRC, where that is to be checked.
    fn hold(&mut self, payload: &mut Vec<u8>, length: u64) -> Result<u32> {
        payload.clear();
        while (payload.len() as u64) < length {
            let filled = payload.len();
            // The step is at most what is filled or GROW, so it fits a usize.
            let step = (length - filled as u64).min(filled.max(GROW) as u64) as usize;
            reserve(payload, step)?;
            payload.resize(filled + step, 0);
            let n = self.read_some(&mut payload[filled..])?;
            if n < step {
                return Err(self.cut(FramePart::Payload, length, (filled + n) as u64));
            }
        }
        Ok(if self.options.crc == CrcCheck::Full { crc32c::crc32c(payload) } else { 0 })
    }

    /// Lets a payload go by; its CRC, where that is to be checked.
    fn pass(&mut self, buffer: &mut Vec<u8>, length: u64) -> Result<u32> {
        buffer.clear();
        buffer.resize(PASSING, 0);
        let (mut crc, mut seen) = (0, 0);
        while seen < length {
            let step = (length - seen).min(PASSING as u64) as usize;
            let n = self.read_some(&mut buffer[..step])?;
            if n < step {
                return Err(self.cut(FramePart::Payload, length, seen + n as u64));
            }
            if self.options.crc == CrcCheck::Full {
                crc = crc32c::crc32c_append(crc, &buffer[..step]);
            }
            seen += step as u64;
        }
        buffer.clear();
        Ok(crc)
    }

    /// Fills `buf`; `false` where not a byte is left.
    fn fill(&mut self, buf: &mut [u8], part: FramePart) -> Result<bool> {
        match self.read_some(buf)? {
            0 => Ok(false),
            n if n == buf.len() => Ok(true),
            n => Err(self.cut(part, buf.len() as u64, n as u64)),
        }
    }

    fn read_some(&mut self, buf: &mut [u8]) -> Result<usize> {
        read_full(&mut self.input, buf).map_err(|e| match (self.compression, e.kind()) {
            (Compression::None, _) => Error::from(e),
            (_, io::ErrorKind::UnexpectedEof) => {
                FrameError::Truncated { part: FramePart::Stream, expected: 1, found: 0 }.into()
            }
            (format, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other) => {
                Error::new(ErrorKind::Compression { format, detail: e.to_string() })
            }
            _ => Error::from(e),
        })
    }

    fn cut(&self, part: FramePart, expected: u64, found: u64) -> Error {
        FrameError::Truncated { part, expected, found }.into()
    }
}

/// Makes room for so many bytes more, or says that there is none.
pub(super) fn reserve(buffer: &mut Vec<u8>, bytes: usize) -> Result<()> {
    buffer.try_reserve_exact(bytes).map_err(|_| {
        let wanted = buffer.len().saturating_add(bytes);
        let what = format!("there is no memory for a record of {wanted} bytes or more");
        Error::from(io::Error::new(io::ErrorKind::OutOfMemory, what))
    })
}

/// Iterator of [`Reader::records`]. Stops after an error.
pub struct Records<'r, R>(&'r mut Reader<R>);

/// Iterator of [`Reader::into_records`]. Stops after an error.
pub struct IntoRecords<R>(Reader<R>);

fn next<R: Read>(reader: &mut Reader<R>) -> Option<Result<Record>> {
    let mut record = Record::default();
    match reader.read_record(&mut record) {
        Ok(true) => Some(Ok(record)),
        Ok(false) => None,
        Err(e) => Some(Err(e)),
    }
}

impl<R: Read> Iterator for Records<'_, R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        next(self.0)
    }
}

impl<R: Read> Iterator for IntoRecords<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        next(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Writer;

    /// Gives one byte at a time, and an interruption before each.
    struct Trickle<'a>(&'a [u8], bool);

    impl Read for Trickle<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let n = self.0.len().min(buf.len()).min(1);
            buf[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn shard(compression: Compression) -> Vec<u8> {
        let mut w = Writer::with_compression(Vec::new(), compression);
        for payload in [&b"first"[..], b"", b"third record"] {
            w.write(payload).unwrap();
        }
        w.finish().unwrap()
    }

    #[test]
    fn one_byte_reads_give_the_same_records() {
        for c in [Compression::None, Compression::Gzip, Compression::Zlib] {
            let data = shard(c);
            let records: Vec<Record> =
                Reader::new(Trickle(&data, false)).unwrap().into_records().collect::<Result<_>>().unwrap();
            let found: Vec<_> = records.iter().map(|r| (r.index, r.offset, &r.payload[..])).collect();
            assert_eq!(found, [(0, 0, &b"first"[..]), (1, 21, b""), (2, 37, b"third record")]);
        }
    }

    #[test]
    fn a_cut_stream_is_truncated_and_located() {
        for c in [Compression::Gzip, Compression::Zlib] {
            let data = shard(c);
            // A cut too early to show a first header is taken for damage at record 0 of an uncompressed shard.
            for cut in 1..data.len() {
                let last = Reader::new(&data[..cut]).unwrap().into_records().last().unwrap().unwrap_err();
                assert!(matches!(last.kind_name(), "truncated" | "length_crc"), "{c} cut at {cut}: {last}");
                assert!(last.location().record.is_some());
            }
        }
    }

    #[test]
    fn iterators_stop_after_an_error_unless_told_to_go_on() {
        let mut data = shard(Compression::None);
        data[13] ^= 1;
        let results: Vec<_> = Reader::new(&data[..]).unwrap().into_records().collect();
        assert_eq!(results.len(), 1);
        let options = ReadOptions { on_corrupt: OnCorrupt::Continue, ..Default::default() };
        let results: Vec<_> = Reader::with_options(&data[..], options).unwrap().into_records().collect();
        assert_eq!(results.iter().map(|r| r.is_ok()).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(results[2].as_ref().unwrap().offset, 37);
    }

    #[test]
    fn a_length_beyond_the_data_costs_no_memory() {
        let mut data = frame::encode_header(frame::MAX_RECORD_LEN).to_vec();
        data.extend_from_slice(&[0; 100]);
        let mut record = Record::default();
        let error = Reader::new(&data[..]).unwrap().read_record(&mut record).unwrap_err();
        assert_eq!(error.kind_name(), "truncated");
        assert!(record.payload.capacity() <= 2 * GROW);
    }

    #[test]
    fn a_long_payload_goes_by_verified_and_is_not_held() {
        for c in [Compression::None, Compression::Gzip] {
            let long = vec![5; 3 * PASSING + 7];
            let mut w = Writer::with_compression(Vec::new(), c);
            for payload in [&b"short"[..], &long, b"again"] {
                w.write(payload).unwrap();
            }
            let data = w.finish().unwrap();
            let mut reader = Reader::new(&data[..]).unwrap();
            let mut seen = Vec::new();
            while let Some(passed) = reader.next_within(100).unwrap() {
                seen.push((passed.index, passed.offset, passed.len, passed.payload.map(<[u8]>::to_vec)));
            }
            let long_len = long.len() as u64;
            let expected = [
                (0, 0, 5, Some(b"short".to_vec())),
                (1, 21, long_len, None),
                (2, 37 + long_len, 5, Some(b"again".to_vec())),
            ];
            assert_eq!(seen, expected);
            assert!(reader.scratch.payload.capacity() <= PASSING);
        }
        let mut w = Writer::new(Vec::new());
        w.write(&[5; 2000]).unwrap();
        w.write(b"next").unwrap();
        let whole = w.finish().unwrap();
        let mut data = whole.clone();
        data[1000] ^= 1;
        let options = ReadOptions { on_corrupt: OnCorrupt::Continue, ..Default::default() };
        let mut reader = Reader::with_options(&data[..], options).unwrap();
        assert_eq!(reader.next_within(100).unwrap_err().kind_name(), "data_crc");
        assert_eq!(reader.next_within(100).unwrap().unwrap().offset, 2016);
        let cut = Reader::new(&whole[..1500]).unwrap().next_within(100).unwrap_err();
        assert!(cut.to_string().contains("2000 bytes expected, 1488 found"), "{cut}");
    }

    #[test]
    fn no_memory_is_an_error_of_the_system() {
        let e = reserve(&mut Vec::new(), usize::MAX / 2).unwrap_err();
        assert_eq!(e.class(), crate::ErrorClass::System);
        assert!(e.to_string().contains("no memory for a record"), "{e}");
    }

    #[test]
    fn bytes_behind_a_gzip_stream_are_an_error() {
        let mut data = shard(Compression::Gzip);
        data.extend_from_slice(b"garbage behind the stream");
        let last = Reader::new(&data[..]).unwrap().into_records().last().unwrap();
        assert_eq!(last.unwrap_err().kind_name(), "compression");
    }

    #[test]
    fn next_record_borrows_the_readers_buffer() {
        let data = shard(Compression::None);
        let mut reader = Reader::new(&data[..]).unwrap();
        let mut lengths = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            lengths.push(record.payload.len());
        }
        assert_eq!(lengths, [5, 0, 12]);
        assert_eq!(reader.compression(), Compression::None);
    }
}
