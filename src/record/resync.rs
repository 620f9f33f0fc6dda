//! What is whole in a damaged shard: every byte is part of a record to keep or of a span that is lost.
//!
//! The walk goes from frame to frame. Where a payload is damaged and a valid header, or the end, follows at the frame's
//! declared end, that record alone is lost and its inside is not searched: a payload may itself hold TFRecord frames.
//! Whole frames are looked for, byte by byte, only where it is not known where the next one begins; and what is found
//! is not taken up where it is seen to lie inside a payload:
//!
//! - Behind a bad header, the payload ends where the CRC of all that follows the header is stored.
//! - Four bytes between two runs of frames, or before the end, are the CRC of a payload that ended with the first run.
//! - A frame that begins inside a record whose header holds is the shard's own if it ends behind that record's declared
//!   end: the record has lost bytes. Others are not.
//!
//! Where the data end before the declared end of a record, nothing inside it is taken up: a cut payload that holds
//! frames looks just like that. What remains are frames in a record whose header and payload are both damaged, with
//! other bytes of the payload behind them: they are taken for the shard's own. And four bytes put between two of the
//! shard's own records, behind other damage, are taken for such a CRC.
//!
//! The work grows with the data and no faster, whatever they hold: a candidate's CRC comes out of those of the shard's
//! beginnings ([`RangeCrc`]), and what was looked at behind a damaged record is looked at again for a fixed number of
//! later ones at most.

use std::sync::atomic::{AtomicBool, Ordering};

use super::frame::{self, CrcCheck, FOOTER_LEN, FrameError, HEADER_LEN, MAX_RECORD_LEN, OVERHEAD};
use super::range_crc::RangeCrc;
use super::shard::RecordRef;

/// How many runs of frames behind a bad header are looked at to tell where its payload ends.
const RUNS: usize = 4;

/// Bytes between two looks at whether the work is to stop.
const ASK_EVERY: usize = 1 << 16;

/// A stretch of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A record whose CRCs both hold. Its number counts the records kept.
    Kept(RecordRef<'a>),
    /// Bytes that are lost.
    Lost {
        /// Where they begin.
        offset: u64,
        /// How many they are.
        bytes: u64,
        /// What is wrong with the frame at their beginning.
        error: FrameError,
    },
}

/// Takes an uncompressed shard apart into what is whole and what is lost, in order and without a gap.
#[derive(Debug, Clone)]
pub(crate) struct Pieces<'a> {
    data: &'a [u8],
    at: usize,
    kept: u64,
    crcs: RangeCrc<'a>,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Pieces { data, at: 0, kept: 0, crcs: RangeCrc::new(data), stop: None }
    }

    /// Ends soon after `stop` becomes true, with pieces missing or wrong ones: whoever set it does not want them.
    pub(crate) fn until(self, stop: Option<&'a AtomicBool>) -> Self {
        Pieces { stop, ..self }
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    fn frame(&self, at: usize, crc: CrcCheck) -> Result<Option<&'a [u8]>, FrameError> {
        frame::parse_frame(self.data.get(at..).unwrap_or_default(), MAX_RECORD_LEN, crc)
    }

    /// The end of the frame at `at`, if both its CRCs hold.
    fn end_of_whole(&mut self, at: usize) -> Option<usize> {
        let payload_len = self.frame(at, CrcCheck::Lengths).ok()??.len();
        let begin = at + HEADER_LEN;
        self.is_crc_of(begin, begin + payload_len).then_some(at + OVERHEAD as usize + payload_len)
    }

    /// Whether the masked CRC of what lies in `begin..end` is stored at `end`.
    fn is_crc_of(&mut self, begin: usize, end: usize) -> bool {
        let Some(stored) = self.data.get(end..).and_then(|rest| rest.first_chunk()) else { return false };
        begin <= end && frame::mask(self.crcs.of(begin..end)) == u32::from_le_bytes(*stored)
    }

    /// Whether a valid header, or the end, is at `at`.
    fn is_boundary(&self, at: usize) -> bool {
        let header = self.data.get(at..).and_then(|rest| rest.first_chunk());
        at == self.data.len() || header.is_some_and(|h| frame::parse_header(h, MAX_RECORD_LEN).is_ok())
    }

    /// Where the loss of the frame at `at` ends.
    fn end_of_loss(&mut self, at: usize, error: &FrameError) -> usize {
        match *error {
            FrameError::Truncated { .. } => self.data.len(),
            FrameError::LengthCrc { .. } => self.behind_bad_header(at),
            // Nobody writes such a record: its length is no better than a bad one, unless a header follows it.
            FrameError::Oversized { length, .. } => {
                let end = usize::try_from(length).ok().and_then(|n| n.checked_add(at + OVERHEAD as usize));
                end.filter(|&end| self.is_boundary(end)).unwrap_or_else(|| self.behind_bad_header(at))
            }
            FrameError::DataCrc { .. } => {
                // The frame lies inside the data, or it would be cut.
                let len = self.frame(at, CrcCheck::Lengths).ok().flatten().map_or(0, <[u8]>::len);
                let end = at + OVERHEAD as usize + len;
                if self.is_boundary(end) { end } else { self.passing(at + 1, end).unwrap_or(end) }
            }
        }
    }

    /// The first frame of a run that begins before `end` and goes on behind it, which no frame inside a payload does
    /// that ends there.
    fn passing(&mut self, mut from: usize, end: usize) -> Option<usize> {
        while let Some(head) = self.find(from, end) {
            from = self.run(head, end);
            if from > end - FOOTER_LEN {
                return Some(self.outermost(head, end.saturating_add(MAX_RECORD_LEN as usize)).0);
            }
        }
        None
    }

    /// The next frame that is not seen to lie inside the payload behind the bad header at `at`; or the end.
    fn behind_bad_header(&mut self, at: usize) -> usize {
        let len = self.data.len();
        let payload = (at + HEADER_LEN).min(len);
        // No payload goes on for longer.
        let longest = payload.saturating_add(MAX_RECORD_LEN as usize);
        let (mut first, mut from) = (None, at + 1);
        for _ in 0..RUNS {
            let found = self.find(from, len).unwrap_or(len);
            if self.ends_before(payload, found) {
                return found;
            }
            let (head, end) = self.outermost(found, longest);
            first = first.or(Some(head));
            if self.ends_before(payload, end + FOOTER_LEN) {
                return end + FOOTER_LEN;
            }
            if end == len || end > longest {
                break;
            }
            from = end + 1;
        }
        first.unwrap_or(len)
    }

    /// Whether a payload that begins at `payload` has its CRC in the four bytes before `end`.
    fn ends_before(&mut self, payload: usize, end: usize) -> bool {
        end.checked_sub(FOOTER_LEN).is_some_and(|to| self.is_crc_of(payload, to))
    }

    /// The run that begins at `head`; or, where it is followed by the CRC of a payload and then by another run, or by
    /// the end, that one. Its beginning and its end.
    fn outermost(&mut self, mut head: usize, enough: usize) -> (usize, usize) {
        loop {
            let end = self.run(head, enough);
            let next = end + FOOTER_LEN;
            if next != self.data.len() && self.end_of_whole(next).is_none() {
                return (head, end);
            }
            head = next;
        }
    }

    /// Where the run of whole frames from `at` on ends; or its first boundary behind `enough`.
    fn run(&mut self, mut at: usize, enough: usize) -> usize {
        while at <= enough
            && !self.is_stopped()
            && let Some(end) = self.end_of_whole(at)
        {
            at = end;
        }
        at
    }

    /// The first whole frame that begins in `from..to`.
    fn find(&mut self, from: usize, to: usize) -> Option<usize> {
        let last = self.data.len().checked_sub(OVERHEAD as usize)?;
        let (mut at, mut asked) = (from, from);
        while at < to && at <= last {
            if at - asked >= ASK_EVERY {
                asked = at;
                if self.is_stopped() {
                    return None;
                }
            }
            let header: &[u8; HEADER_LEN] = self.data[at..].first_chunk()?;
            let [a, b, c, d, e, f, g, h, crc @ ..] = *header;
            // The upper half of every length within the limit is zero: step over what is not.
            let upper = u32::from_le_bytes([e, f, g, h]);
            if upper != 0 {
                at += 4 - (upper.leading_zeros() / 8) as usize;
                continue;
            }
            // Nor is anything a header among zeros: no CRC is needed to tell.
            if [a, b, c, d] == [0; 4] && crc == [0; 4] {
                at += 1;
                continue;
            }
            if frame::parse_header(header, (last - at) as u64).is_ok() && self.end_of_whole(at).is_some() {
                return Some(at);
            }
            at += 1;
        }
        None
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let offset = at as u64;
        if self.is_stopped() {
            return None;
        }
        match self.frame(at, CrcCheck::Full) {
            Ok(payload) => {
                let record = RecordRef { index: self.kept, offset, payload: payload? };
                self.kept += 1;
                self.at += OVERHEAD as usize + record.payload.len();
                Some(Piece::Kept(record))
            }
            Err(error) => {
                self.crcs.begin(at);
                self.at = self.end_of_loss(at, &error);
                Some(Piece::Lost { offset, bytes: (self.at - at) as u64, error })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Writer;

    fn shard(payloads: &[&[u8]]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for payload in payloads {
            writer.write(payload).unwrap();
        }
        writer.finish().unwrap()
    }

    /// Offset, bytes, and what is wrong.
    type Lost = (u64, u64, &'static str);

    /// The payloads kept, and the spans lost; which must cover the data.
    fn taken_apart(data: &[u8]) -> (Vec<&[u8]>, Vec<Lost>) {
        let (mut kept, mut lost, mut at) = (Vec::new(), Vec::new(), 0);
        for piece in Pieces::new(data) {
            match piece {
                Piece::Kept(r) => {
                    assert_eq!((r.offset, r.index), (at, kept.len() as u64));
                    at += r.frame_len();
                    kept.push(r.payload);
                }
                Piece::Lost { offset, bytes, error } => {
                    assert_eq!(offset, at);
                    assert!(bytes > 0);
                    at += bytes;
                    lost.push((offset, bytes, crate::Error::from(error).kind_name()));
                }
            }
        }
        assert_eq!(at, data.len() as u64);
        (kept, lost)
    }

    #[test]
    fn a_damaged_payload_or_header_costs_one_record() {
        let whole = shard(&[b"one", b"two", b"three"]);
        assert_eq!(taken_apart(&whole), (vec![&b"one"[..], b"two", b"three"], vec![]));
        for (at, kind) in [(19, "length_crc"), (19 + 13, "data_crc"), (19 + 15, "data_crc")] {
            let mut data = whole.clone();
            data[at] ^= 4;
            assert_eq!(taken_apart(&data), (vec![&b"one"[..], b"three"], vec![(19, 19, kind)]));
        }
        assert_eq!(taken_apart(&whole[..30]), (vec![&b"one"[..]], vec![(19, 11, "truncated")]));
        assert_eq!(taken_apart(&whole[..37]), (vec![&b"one"[..]], vec![(19, 18, "truncated")]));
        assert_eq!(taken_apart(b""), (vec![], vec![]));
        assert_eq!(taken_apart(&[0; 99]), (vec![], vec![(0, 99, "length_crc")]));
    }

    #[test]
    fn bytes_put_in_and_taken_out_cost_the_records_they_touch() {
        let whole = shard(&[b"one", b"two", b"three", b"four"]);
        let rest = vec![&b"one"[..], b"three", b"four"];
        let (begin, end) = (19 + 12, 19 + 19);
        for at in begin..end {
            let longer = [&whole[..at], b"#####", &whole[at..]].concat();
            assert_eq!(taken_apart(&longer).0, rest, "put in at {at}");
            let shorter = [&whole[..at], &whole[at + 1..]].concat();
            assert_eq!(taken_apart(&shorter), (rest.clone(), vec![(19, 18, "data_crc")]), "taken out at {at}");
        }
        let between = [&whole[..19], &[0; 40], &whole[19..]].concat();
        assert_eq!(taken_apart(&between).1, [(19, 40, "length_crc")]);
        assert_eq!(taken_apart(&between).0.len(), 4);
    }

    #[test]
    fn a_length_that_nobody_writes_is_passed_over() {
        let whole = shard(&[b"one", b"two"]);
        let data = [&whole[..19], &frame::encode_header(1 << 40), &whole[19..]].concat();
        assert_eq!(taken_apart(&data), (vec![&b"one"[..], b"two"], vec![(19, 12, "oversized")]));
    }

    /// Shards whose second record holds a shard: at its end, between other bytes, twice over.
    fn nested() -> Vec<Vec<u8>> {
        let inner = shard(&[b"inner one", b"", b"inner two"]);
        let twice = shard(&[&inner, b"and"]);
        let wrapped = [b"before", &inner[..], b"behind"].concat();
        [inner, twice, wrapped].iter().map(|p| shard(&[b"first", p, b"third", b"fourth"])).collect()
    }

    #[test]
    fn frames_inside_a_payload_stay_there() {
        let rest = vec![&b"first"[..], b"third", b"fourth"];
        for whole in nested() {
            let second = 21..whole.len() - 22 - 21;
            for at in second.clone() {
                let mut data = whole.clone();
                data[at] ^= 0x10;
                assert_eq!(taken_apart(&data).0, rest, "flipped at {at}");
            }
            for cut in second.start + 1..second.end {
                assert_eq!(taken_apart(&whole[..cut]).0, rest[..1], "cut at {cut}");
            }
            // The header's bytes overwritten; the last record's header as well.
            let mut data = whole.clone();
            data[second.start..second.start + 12].fill(0xaa);
            assert_eq!(taken_apart(&data).0, rest);
            let last = data.len() - 22;
            data[last..last + 12].fill(0xaa);
            assert_eq!(taken_apart(&data).0, rest[..2]);
        }
    }

    #[test]
    fn frames_at_the_end_of_a_payload_stay_there_whatever_its_beginning_went_through() {
        let rest = vec![&b"first"[..], b"third", b"fourth"];
        for whole in &nested()[..2] {
            let inner_end = whole.len() - 22 - 21 - 4;
            // Where all before one of the inner frames is gone, it is a shard's frame like any other.
            let begins_frame = |at: &usize| Pieces::new(whole).end_of_whole(*at).is_some();
            for end in (22..inner_end).filter(|at| !begins_frame(at)) {
                let mut zeroed = whole.clone();
                zeroed[21..end].fill(0);
                assert_eq!(taken_apart(&zeroed).0, rest, "zeroed until {end}");
                let (before, behind) = (&whole[..21], &whole[end..]);
                assert_eq!(taken_apart(&[before, behind].concat()).0, rest, "taken out until {end}");
                // A header's length of other bytes before an inner payload is a record with a bad header.
                if !begins_frame(&(end - 7)) {
                    let other = [before, b"#######", behind].concat();
                    assert_eq!(taken_apart(&other).0, rest, "replaced until {end}");
                }
            }
            // Without the first record's end, whose declared end then lies among the frames inside the second.
            let ends = || (22..inner_end).filter(begins_frame);
            for (from, to) in (1..21).flat_map(|from| ends().map(move |to| (from, to))) {
                let data = [&whole[..from], &whole[to..]].concat();
                assert_eq!(taken_apart(&data).0, rest[1..], "taken out from {from} to {to}");
            }
        }
    }

    /// Bytes checksummed while shards of this form are taken apart, for each byte of them.
    fn work(data: &[u8]) -> u64 {
        let mut pieces = Pieces::new(data);
        while pieces.next().is_some() {}
        pieces.crcs.work / data.len() as u64
    }

    #[test]
    fn the_work_grows_with_the_data_and_no_faster() {
        // Behind a bad header: headers, one after the other, of payloads that go on almost to the end.
        let nested = |n: usize| {
            let total = n * HEADER_LEN + 64;
            let mut data = vec![0xff; HEADER_LEN];
            while data.len() < n * HEADER_LEN {
                let left = (total - data.len() - 24) as u64;
                data.extend_from_slice(&frame::encode_header(left));
            }
            data.resize(total, b'x');
            data
        };
        // Bad headers, each followed by a short record, with much of nothing between.
        let sparse = |n: usize| {
            let mut data = Vec::new();
            for _ in 0..n / 1000 {
                data.extend_from_slice(&[0xee; 20]);
                data.extend_from_slice(&shard(&[b"kept"]));
                data.extend_from_slice(&[b'-'; 3000]);
            }
            data
        };
        for form in [&nested as &dyn Fn(usize) -> Vec<u8>, &sparse] {
            let (few, many) = (work(&form(2_000)), work(&form(40_000)));
            assert!(many <= few.max(200), "{few} bytes a byte, then {many}");
        }
    }

    #[test]
    fn a_stop_ends_the_search() {
        let stop = AtomicBool::new(true);
        assert_eq!(Pieces::new(&shard(&[b"one"])).until(Some(&stop)).count(), 0);
        let mut searching = Pieces::new(&[b'-'; 3 * ASK_EVERY]).until(Some(&stop));
        assert_eq!(searching.find(0, usize::MAX), None);
    }
}
