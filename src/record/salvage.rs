//! What can still be inflated of a damaged gzip or zlib stream.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

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

/// How many bytes of a compressed stream go into the inflater between two looks at whether the work is to stop.
const INPUT: usize = 1 << 20;
/// What looking for the next member after damage may cost, in bytes read and inflated: so much, and so much for each byte of
/// the file. Files that were damaged by accident take a few times their inflated size.
const SEARCH: (u64, u64) = (256 << 20, 16);
/// What it costs to begin with one candidate, in the same coin.
const CANDIDATE: u64 = 16 << 10;

/// What the work may cost, and whether it is to stop.
struct Effort<'a> {
    /// Bytes that may still be read and inflated.
    left: u64,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Effort<'a> {
    fn unbounded(stop: Option<&'a AtomicBool>) -> Self {
        Effort { left: u64::MAX, stop }
    }

    fn spend(&mut self, bytes: u64) -> io::Result<()> {
        self.left = self.left.saturating_sub(bytes);
        match self.stop {
            Some(stop) if stop.load(Ordering::Relaxed) => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(()),
        }
    }
}

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
///
/// A file may be made so that looking for its members takes time with the square of its length: the search is given up once
/// it has read and inflated 256 MiB and 16 times the file. The gap says so.
///
/// # Errors
/// Those of `out`; and [`io::ErrorKind::Interrupted`] soon after `stop` becomes true.
pub(crate) fn salvage(
    data: &[u8],
    compression: Compression,
    stop: Option<&AtomicBool>,
    out: &mut impl Write,
) -> io::Result<Salvaged> {
    let mut search = Effort { left: SEARCH.0.saturating_add(SEARCH.1.saturating_mul(data.len() as u64)), stop };
    let mut result = Salvaged::default();
    let mut at = 0;
    while at < data.len() {
        let member = Member::at(&data[at..], compression);
        let before = result.inflated;
        let end = member.inflate(&mut Effort::unbounded(stop), &mut |chunk| {
            result.inflated += chunk.len() as u64;
            out.write_all(chunk).map(|()| true)
        })?;
        // Where nothing came out, nothing was taken.
        let stopped = if result.inflated > before || end.damage.is_none() { at + end.consumed } else { at };
        let next = match &end.damage {
            None if compression == Compression::Gzip || stopped == data.len() => stopped,
            Some(_) if compression == Compression::Gzip => next_member(data, at + 1, stopped, &mut search)?,
            _ => data.len(),
        };
        let detail = end.damage.or_else(|| (next > stopped).then(|| "bytes follow the end of the stream".to_owned()));
        if let Some(mut detail) = detail {
            if search.left == 0 {
                detail.push_str(
                    "; too much of what follows looks like a member: the search for the next one was given up",
                );
            }
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
fn next_member(data: &[u8], from: usize, stopped: usize, effort: &mut Effort<'_>) -> io::Result<usize> {
    let magic = memchr::memmem::Finder::new(&[0x1f, 0x8b, 8]);
    for at in magic.find_iter(&data[from..]).map(|i| from + i) {
        let is_next = if at >= stopped {
            Member::gzip(&data[at..]).is_whole_or_begins_with_record(effort)?
        } else {
            let mut end = Some(at);
            while let Some(member) = end.filter(|&end| end < stopped) {
                end = Member::gzip(&data[member..]).len(effort)?.map(|len| member + len);
            }
            end.is_some()
        };
        if effort.left == 0 {
            break;
        }
        if is_next {
            return Ok(at);
        }
    }
    Ok(data.len())
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
    fn inflate(&self, effort: &mut Effort<'_>, take: &mut dyn FnMut(&[u8]) -> io::Result<bool>) -> io::Result<End> {
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
            let input = &data[before..(before + INPUT).min(data.len())];
            let status = state.decompress(input, &mut chunk, FlushDecompress::None);
            let produced = (state.total_out() - seen) as usize;
            let end = |damage| End { consumed: header + consumed(&state), damage };
            effort.spend((produced + consumed(&state) - before) as u64)?;
            if effort.left == 0 {
                return Ok(end(Some("it takes too much to inflate".to_owned())));
            }
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
    fn first(&self, n: usize, effort: &mut Effort<'_>) -> io::Result<Vec<u8>> {
        let mut first = Vec::new();
        self.inflate(effort, &mut |chunk| {
            first.extend_from_slice(chunk);
            Ok(first.len() < n)
        })?;
        Ok(first)
    }

    /// Whether what it inflates to begins with a valid header of a record.
    fn begins_with_header(&self) -> bool {
        // Nothing stops it.
        let first = self.first(HEADER_LEN, &mut Effort::unbounded(None));
        first.is_ok_and(|first| first.first_chunk().is_some_and(has_length_crc))
    }

    /// Its length, if all of it is whole.
    fn len(&self, effort: &mut Effort<'_>) -> io::Result<Option<usize>> {
        effort.spend(CANDIDATE)?;
        let end = self.inflate(effort, &mut |_| Ok(true))?;
        Ok(end.damage.is_none().then_some(end.consumed))
    }

    fn is_whole_or_begins_with_record(&self, effort: &mut Effort<'_>) -> io::Result<bool> {
        effort.spend(CANDIDATE)?;
        let first = self.first(TRIAL, effort)?;
        let begins_with_record = matches!(frame::parse_frame(&first, MAX_RECORD_LEN, CrcCheck::Full), Ok(Some(_)));
        Ok(begins_with_record || self.len(effort)?.is_some())
    }
}
