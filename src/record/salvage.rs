//! What can still be inflated of a damaged gzip or zlib stream.

use std::io::{self, Write};

use flate2::{Decompress, FlushDecompress, Status};

use super::compression::{Compression, has_length_crc};
use super::frame::{self, CrcCheck, HEADER_LEN, MAX_RECORD_LEN};

/// The largest window of gzip and zlib streams, as a power of two.
const WINDOW_BITS: u8 = 15;
/// A gzip header without optional fields, and the trailer.
const GZIP_FRAME: (usize, usize) = (10, 8);
/// A zlib header, and the trailer.
const ZLIB_FRAME: (usize, usize) = (2, 4);
/// How much of a gzip member that is itself damaged must hold a whole record.
const TRIAL: usize = 4 << 20;

/// Bytes of a compressed file that nothing could be inflated from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    /// Where they begin in the file.
    pub(crate) offset: u64,
    /// How many they are; none where only a checksum tells that something is wrong.
    pub(crate) bytes: u64,
    /// What the inflater says.
    pub(crate) detail: String,
}

/// What came of [`salvage`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Salvaged {
    /// Bytes inflated.
    pub(crate) inflated: u64,
    /// Where in them something is missing: records do not go on across these places.
    pub(crate) breaks: Vec<u64>,
    /// What is missing.
    pub(crate) gaps: Vec<Gap>,
}

/// Inflates what can be inflated of a stream of `compression` into `out`. Of a damaged gzip file, also the members that
/// follow the damage: those that are whole, or begin with a whole record.
///
/// What comes out before the damage is noticed may be wrong, and only checksums of its own can tell: all but a repeated
/// stretch of 258 bytes, which deflate may have put in the place of other bytes.
pub(crate) fn salvage(data: &[u8], compression: Compression, out: &mut impl Write) -> io::Result<Salvaged> {
    let mut result = Salvaged::default();
    let mut at = 0;
    while at < data.len() {
        let member = Member::at(&data[at..], compression);
        let before = result.inflated;
        let end = member.inflate(&mut |chunk| {
            result.inflated += chunk.len() as u64;
            out.write_all(chunk).map(|()| true)
        })?;
        // Where nothing came out, nothing was taken.
        let stopped = if result.inflated > before || end.damage.is_none() { at + end.consumed } else { at };
        let next = match &end.damage {
            None if compression == Compression::Gzip || stopped == data.len() => stopped,
            Some(_) if compression == Compression::Gzip => next_member(data, at + 1, stopped),
            _ => data.len(),
        };
        let detail = end.damage.or_else(|| (next > stopped).then(|| "bytes follow the end of the stream".to_owned()));
        if let Some(detail) = detail {
            let offset = stopped.min(next);
            result.gaps.push(Gap { offset: offset as u64, bytes: (next - offset) as u64, detail });
            result.breaks.push(result.inflated);
        }
        at = next;
    }
    Ok(result)
}

/// The compression of a file whose beginning may be damaged, so that [`Compression::detect`] is not sure of it: that
/// which gives the header of a record.
pub(crate) fn compression_of_damaged(data: &[u8]) -> Compression {
    let mut both = [Compression::Gzip, Compression::Zlib].into_iter();
    both.find(|&c| Member::at(data, c).begins_with_header()).unwrap_or_default()
}

/// The next gzip member after one that was damaged and could be inflated up to `stopped`; or the end.
///
/// The inflater may have run across the beginning of the next member before it noticed. A payload may hold a gzip file;
/// its members do not go on behind `stopped`.
fn next_member(data: &[u8], from: usize, stopped: usize) -> usize {
    let magic = memchr::memmem::Finder::new(&[0x1f, 0x8b, 8]);
    let mut found = magic.find_iter(&data[from..]).map(|i| from + i);
    let is_next = |&at: &usize| {
        if at >= stopped {
            return Member::gzip(&data[at..]).is_whole_or_begins_with_record();
        }
        let mut end = at;
        while end < stopped {
            match Member::gzip(&data[end..]).len() {
                Some(len) => end += len,
                None => return false,
            }
        }
        true
    };
    found.find(is_next).unwrap_or(data.len())
}

/// A compressed stream: all of a zlib file, a member of a gzip file.
struct Member<'a> {
    data: &'a [u8],
    /// The bytes of header and trailer, where the header is passed over unread.
    unread: Option<(usize, usize)>,
    compression: Compression,
}

/// Where inflating ended.
struct End {
    /// Bytes of the stream that were taken, its trailer included.
    consumed: usize,
    damage: Option<String>,
}

impl<'a> Member<'a> {
    /// The member that begins with `data`. Its header is passed over where it is damaged and what follows is not.
    fn at(data: &'a [u8], compression: Compression) -> Self {
        let member = Member { data, unread: None, compression };
        let frame = if compression == Compression::Gzip { GZIP_FRAME } else { ZLIB_FRAME };
        let headless = Member { unread: Some(frame), ..Member { ..member } };
        if !member.begins_with_header() && headless.begins_with_header() { headless } else { member }
    }

    fn gzip(data: &'a [u8]) -> Self {
        Member { data, unread: None, compression: Compression::Gzip }
    }

    /// Gives all that can be inflated to `take`, until it says `false`.
    fn inflate(&self, take: &mut dyn FnMut(&[u8]) -> io::Result<bool>) -> io::Result<End> {
        let (header, trailer) = self.unread.unwrap_or_default();
        let mut state = match (self.unread, self.compression) {
            (None, Compression::Gzip) => Decompress::new_gzip(WINDOW_BITS),
            (unread, _) => Decompress::new(unread.is_none()),
        };
        let data = self.data.get(header..).unwrap_or_default();
        let mut chunk = vec![0; 64 << 10];
        // Both totals are bounded by the lengths of slices given.
        let consumed = |state: &Decompress| state.total_in() as usize;
        loop {
            let (seen, before) = (state.total_out(), consumed(&state));
            let status = state.decompress(&data[before..], &mut chunk, FlushDecompress::None);
            let produced = (state.total_out() - seen) as usize;
            let end = |damage| End { consumed: header + consumed(&state), damage };
            if produced > 0 && !take(&chunk[..produced])? {
                return Ok(end(None));
            }
            match status {
                Ok(Status::StreamEnd) => {
                    // The trailer was passed over as well: that what it says holds is not known.
                    let consumed = (end(None).consumed + trailer).min(self.data.len());
                    let damage = self.unread.map(|_| format!("the {} header is damaged", self.compression));
                    return Ok(End { consumed, damage });
                }
                Ok(_) if produced > 0 || consumed(&state) > before => {}
                Ok(_) => return Ok(end(Some("the stream is cut".to_owned()))),
                Err(e) => return Ok(end(Some(e.to_string()))),
            }
        }
    }

    /// The first `n` bytes that it inflates to and maybe more, or all where there are fewer.
    fn first(&self, n: usize) -> Vec<u8> {
        let mut first = Vec::new();
        // Taking cannot fail.
        let _ = self.inflate(&mut |chunk| {
            first.extend_from_slice(chunk);
            Ok(first.len() < n)
        });
        first
    }

    /// Whether what it inflates to begins with a valid header of a record.
    fn begins_with_header(&self) -> bool {
        self.first(HEADER_LEN).first_chunk().is_some_and(has_length_crc)
    }

    /// Its length, if all of it is whole.
    fn len(&self) -> Option<usize> {
        let end = self.inflate(&mut |_| Ok(true)).ok()?;
        end.damage.is_none().then_some(end.consumed)
    }

    fn is_whole_or_begins_with_record(&self) -> bool {
        let first = self.first(TRIAL);
        matches!(frame::parse_frame(&first, MAX_RECORD_LEN, CrcCheck::Full), Ok(Some(_))) || self.len().is_some()
    }
}
