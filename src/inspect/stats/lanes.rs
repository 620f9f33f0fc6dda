//! One pass over shards on many threads, whose result does not depend on how many they are.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::inspect::feed::{Chunk, Feeder, Item};
use crate::inspect::work::{Tracked, Work, lock};

/// What is gathered lies in so many lanes: no more threads than this can work at once, and memory grows with it.
const LANES: usize = 16;

struct Lane<T> {
    gathered: Mutex<(usize, T)>,
    passed: Condvar,
}

/// Holds a lane for a piece of work, and gives it to the next piece, also when the work panics.
struct Turn<'a, T> {
    guard: MutexGuard<'a, (usize, T)>,
    passed: &'a Condvar,
}

impl<T> Lane<T> {
    /// Waits until `turn` pieces have gone through the lane.
    fn wait(&self, turn: usize) -> Turn<'_, T> {
        let mut guard = lock(&self.gathered);
        while guard.0 != turn {
            guard = self.passed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        Turn { guard, passed: &self.passed }
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        self.guard.0 += 1;
        self.passed.notify_all();
    }
}

/// Gives every payload of `shards`, both CRCs verified, to `add`, and joins by `merge` what it gathers.
///
/// Shards are cut into pieces at places of their own, piece n goes through lane n modulo 16, behind those of smaller
/// numbers, and lanes are joined in order. The error is that of the first shard that has one.
pub(super) fn gather<T: Default + Send>(
    shards: &[PathBuf],
    work: &Work<'_>,
    add: impl Fn(&mut T, &[u8]) + Sync,
    merge: impl Fn(&mut T, T),
) -> Result<T> {
    let lanes: Vec<Lane<T>> =
        (0..LANES).map(|_| Lane { gathered: Mutex::new((0, T::default())), passed: Condvar::new() }).collect();
    let feeder = Mutex::new((0, Feeder::new(shards, work.io(), work.reading())));
    let failed: Mutex<Option<(usize, Error)>> = Mutex::default();
    let fail = |number: usize, error: Error| {
        let mut failed = lock(&failed);
        if failed.as_ref().is_none_or(|(first, _)| number < *first) {
            *failed = Some((number, error));
        }
    };
    work.on_each_thread(|| {
        while lock(&failed).is_none() {
            let (number, item) = {
                let mut feeder = lock(&feeder);
                let Some(item) = feeder.1.next() else { return };
                feeder.0 += 1;
                (feeder.0 - 1, item)
            };
            // Pieces of smaller numbers have all been taken, so none waits for ever.
            let mut turn = lanes[number % LANES].wait(number / LANES);
            let mut add = |payload: &[u8]| add(&mut turn.guard.1, payload);
            let done = match item {
                Ok(Item::Chunk(chunk)) => read_chunk(&chunk, &shards[chunk.shard], work, &mut add),
                Ok(Item::Stream(shard)) => Tracked::open_stream(&shards[shard], work.reading())
                    .and_then(|source| read_stream(source, work, &mut add)),
                Err((_, e)) => Err(e),
            };
            if let Err(e) = done {
                fail(number, e);
            }
        }
    })?;
    if let Some((_, e)) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(e);
    }
    let mut whole = T::default();
    for lane in lanes {
        merge(&mut whole, lane.gathered.into_inner().unwrap_or_else(PoisonError::into_inner).1);
    }
    Ok(whole)
}

fn read_chunk(chunk: &Chunk, path: &std::path::Path, work: &Work<'_>, add: &mut dyn FnMut(&[u8])) -> Result<()> {
    for (record, offset, payload) in chunk.frames() {
        add(payload.map_err(|e| Error::from(e).at_record(record, offset).at_path(path))?);
    }
    if let Some(end) = &chunk.end
        && let Some(e) = &end.error
    {
        return Err(Error::from(e.clone()).at_record(end.records, end.offset).at_path(path));
    }
    work.advance(chunk.bytes())
}

/// Gives every payload of one shard to `add`.
pub(super) fn read_stream(mut source: Tracked, work: &Work<'_>, add: &mut dyn FnMut(&[u8])) -> Result<()> {
    while let Some(record) = source.next_record(work)? {
        add(record.payload);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::job::Job;
    use crate::record::Writer;

    /// Three shards of 6,000 records (two pieces each), and of one.
    fn shards(dir: &std::path::Path) -> Vec<PathBuf> {
        let write = |(name, count): (usize, u64)| {
            let mut writer = Writer::new(Vec::new());
            for i in 0..count {
                writer.write(&(name as u64 * 10_000 + i).to_le_bytes()).unwrap();
            }
            let path = dir.join(format!("{name}.tfrecord"));
            fs::write(&path, writer.finish().unwrap()).unwrap();
            path
        };
        [6000, 6000, 1, 6000].into_iter().enumerate().map(write).collect()
    }

    #[test]
    fn every_payload_is_gathered_in_the_same_order_on_any_number_of_threads() {
        let dir = tempfile::tempdir().unwrap();
        let shards = shards(dir.path());
        let gathered = [1, 2, 5].map(|threads| {
            let job = Job { threads, ..Default::default() };
            let work = Work::new(&job, []);
            gather(&shards, &work, |all: &mut Vec<u8>, p| all.extend(p), |all, more| all.extend(more)).unwrap()
        });
        assert_eq!(gathered[0].len(), 18_001 * 8);
        assert!(gathered.iter().all(|g| *g == gathered[0]));
    }

    #[test]
    fn the_first_damage_is_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let shards = shards(dir.path());
        for shard in [&shards[3], &shards[1]] {
            let mut data = fs::read(shard).unwrap();
            data[24 * 5000 + 12] ^= 1;
            fs::write(shard, data).unwrap();
        }
        for threads in [1, 4] {
            let job = Job { threads, ..Default::default() };
            let work = Work::new(&job, []);
            let error = gather(&shards, &work, |_: &mut (), _| {}, |_, _| {}).unwrap_err();
            assert_eq!((error.kind_name(), error.location().record), ("data_crc", Some(5000)));
            assert_eq!(error.location().path.as_deref(), Some(shards[1].as_path()));
        }
    }
}
