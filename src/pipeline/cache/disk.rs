//! The cache on a disk: shards of its own, in a directory that is named by all that the images depend on.
//!
//! Each loader fills a shard of its own, hidden until it is whole; nothing is changed once it is seen, so that processes
//! need not know of each other. Beside a shard lies a text file, a line `ordinal offset` for each of its records.

use std::collections::HashSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;

use super::memory::{Table, reserve};
use super::{Cached, byte_len, to_bytes};
use crate::dataset::{ShardWriter, is_temporary, write_atomically};
use crate::error::{Error, Result};
use crate::example::{ExampleBuilder, ExampleView, FeatureView};
use crate::image::Shape;
use crate::pipeline::output::{Dtype, Pixels};
use crate::record::{Compression, Io, RandomAccess, ReadOptions};
use crate::side_file;

/// What the name of a shard's list of ordinals ends in.
const LIST: &str = "ordinals";
/// Bytes of a record beside its pixels, about.
const OVERHEAD: u64 = 150;
/// A temporary file that was not written to for so long is left over from a crash.
const LEFT_OVER: Duration = Duration::from_secs(24 * 3600);
/// No shard is being filled.
const NEVER: u64 = u64::MAX;

const PIXELS: &str = "image/pixels";
const HEIGHT: &str = "image/height";
const WIDTH: &str = "image/width";
const CHANNELS: &str = "image/channels";
const LABEL: &str = "label";
const ORDINAL: &str = "ordinal";

pub(super) struct Disk {
    dir: PathBuf,
    dtype: Dtype,
    samples: u64,
    io: Io,
    /// The shards that are whole.
    shards: RwLock<Vec<Arc<RandomAccess>>>,
    places: Table<Place>,
    bytes: AtomicU64,
    max_bytes: u64,
    filling: Mutex<Filling>,
    /// The epoch whose samples are being written.
    epoch: AtomicU64,
}

#[derive(Clone, Copy)]
struct Place {
    shard: u32,
    record: u32,
    offset: u64,
}

/// The shard that is being written.
enum Filling {
    Nothing,
    Shard(Box<Shard>),
    /// The disk does not take any more.
    Failed,
}

struct Shard {
    path: PathBuf,
    writer: ShardWriter,
    /// The ordinal and the offset of each record.
    list: Vec<(u64, u64)>,
    known: HashSet<u64>,
}

impl Disk {
    pub(super) fn open(dir: PathBuf, dtype: Dtype, samples: u64, max_bytes: u64, io: Io) -> Result<Self> {
        let at = |e| Error::io(&dir, e);
        fs::create_dir_all(&dir).map_err(at)?;
        let mut shards = Vec::new();
        for entry in fs::read_dir(&dir).map_err(at)? {
            let path = entry.map_err(at)?.path();
            if is_temporary(&path) {
                remove_left_over(&path);
            } else if path.extension().is_some_and(|extension| extension == "tfrecord") {
                shards.push(path);
            }
        }
        shards.sort();
        let disk = Disk {
            dir,
            dtype,
            samples,
            io,
            shards: RwLock::default(),
            places: Table::new(samples),
            bytes: AtomicU64::new(0),
            max_bytes,
            filling: Mutex::new(Filling::Nothing),
            epoch: AtomicU64::new(NEVER),
        };
        for path in shards {
            match disk.add(&path) {
                Ok(bytes) => drop(disk.bytes.fetch_add(bytes, Ordering::Relaxed)),
                Err(error) => log::warn!("a shard of the cache is not used: {error}"),
            }
        }
        Ok(disk)
    }

    /// Makes the records of a whole shard to be found; its bytes.
    fn add(&self, path: &Path) -> Result<u64> {
        let list = path.with_extension(LIST);
        let text = side_file::read_named(&list)?;
        let len = fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
        let line = |line: &str| {
            let (ordinal, offset) = line.split_once(' ')?;
            let (ordinal, offset) = (ordinal.parse().ok()?, offset.parse().ok()?);
            (ordinal < self.samples && offset < len).then_some((ordinal, offset))
        };
        let entries: Option<Vec<(u64, u64)>> = text.lines().map(line).collect();
        let entries = entries.ok_or_else(|| Error::metadata(&list, "this is no list of ordinals and offsets"))?;
        let access = RandomAccess::open(path, self.io, ReadOptions::default())?;
        let access = access.ok_or_else(|| Error::metadata(path, "the shard is compressed, as no cache is"))?;
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        let shard = u32::try_from(shards.len()).map_err(|_| Error::metadata(path, "too many shards"))?;
        shards.push(Arc::new(access));
        for (record, (ordinal, offset)) in (0..).zip(entries) {
            self.places.set(ordinal, Place { shard, record, offset });
        }
        Ok(len)
    }

    pub(super) fn get(&self, ordinal: u64, epoch: u64) -> Option<Cached> {
        // No epoch is behind `NEVER`.
        if epoch > self.epoch.load(Ordering::Relaxed) {
            self.publish();
        }
        let place = self.places.get(ordinal)?;
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        let shard = Arc::clone(shards.get(place.shard as usize)?);
        drop(shards);
        match self.read(&shard, *place, ordinal) {
            Ok(cached) => Some(cached),
            Err(error) => {
                log::warn!("a record of the cache is damaged, and made anew: {error}");
                None
            }
        }
    }

    fn read(&self, shard: &RandomAccess, place: Place, ordinal: u64) -> Result<Cached> {
        let mut buffer = Vec::new();
        let record = shard.record_at(place.record.into(), place.offset, &mut buffer)?;
        let (index, offset) = (record.index, record.offset);
        let (label, shape, range) = parse(record.payload, ordinal).map_err(|e| e.at_record(index, offset))?;
        let payload = match shard {
            RandomAccess::Mapped(shard) => shard.payload_bytes(record),
            RandomAccess::File { .. } => Bytes::from(buffer),
        };
        let cached = Cached::new(label, shape, self.dtype, payload.slice(range));
        cached.ok_or_else(|| Error::proto("the shape and the number of pixels differ").at_record(index, offset))
    }

    pub(super) fn put(&self, ordinal: u64, epoch: u64, label: i64, shape: Shape, pixels: Pixels<'_>) {
        let mut bytes = byte_len(&pixels) + OVERHEAD;
        if !reserve(&self.bytes, bytes, self.max_bytes) {
            return;
        }
        let pixels = to_bytes(pixels);
        let int = |n: usize| i64::try_from(n).unwrap_or(-1);
        let record = ExampleBuilder::new()
            .bytes(PIXELS, &pixels)
            .int64(HEIGHT, int(shape.height))
            .int64(WIDTH, int(shape.width))
            .int64(CHANNELS, int(shape.channels))
            .int64(LABEL, label)
            .int64(ORDINAL, ordinal as i64);
        let record = record.encode();
        let mut filling = self.lock();
        if matches!(*filling, Filling::Nothing) {
            *filling = self.begin(epoch);
        }
        let mut failed = None;
        match &mut *filling {
            Filling::Shard(shard) => {
                // Another thread may have been quicker.
                if self.places.get(ordinal).is_none() && shard.known.insert(ordinal) {
                    shard.list.push((ordinal, shard.writer.bytes()));
                    failed = shard.writer.write(&record).err();
                    bytes = 0;
                }
            }
            Filling::Nothing | Filling::Failed => {}
        }
        if let Some(error) = failed {
            log::warn!("the cache takes no more samples: {error}");
            *filling = Filling::Failed;
        }
        // What was not written takes nothing.
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Filling> {
        self.filling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a shard under a name that no other process takes.
    fn begin(&self, epoch: u64) -> Filling {
        let path = self.dir.join(format!("{:016x}.tfrecord", RandomState::new().hash_one(std::process::id())));
        match ShardWriter::create(&path, Compression::None) {
            Ok(writer) => {
                self.epoch.store(epoch, Ordering::Relaxed);
                Filling::Shard(Box::new(Shard { path, writer, list: Vec::new(), known: HashSet::new() }))
            }
            Err(error) => {
                log::warn!("the cache takes no more samples: {error}");
                Filling::Failed
            }
        }
    }

    pub(super) fn publish(&self) {
        let mut filling = self.lock();
        if !matches!(*filling, Filling::Shard(_)) {
            return;
        }
        let Filling::Shard(shard) = std::mem::replace(&mut *filling, Filling::Nothing) else { return };
        self.epoch.store(NEVER, Ordering::Relaxed);
        if let Err(error) = self.finish(*shard) {
            log::warn!("what was kept last is lost to the cache: {error}");
            *filling = Filling::Failed;
        }
    }

    fn finish(&self, shard: Shard) -> Result<()> {
        let Shard { path, writer, list, .. } = shard;
        let text: String = list.iter().map(|(ordinal, offset)| format!("{ordinal} {offset}\n")).collect();
        // First, so that no shard is seen without its list.
        let lists = path.with_extension(LIST);
        write_atomically(&lists, text.as_bytes())?;
        if let Err(error) = writer.finish() {
            let _ = fs::remove_file(&lists);
            return Err(error);
        }
        self.add(&path).map(drop)
    }
}

/// The label and the shape of a sample, and where its pixels lie in the payload.
fn parse(payload: &[u8], ordinal: u64) -> Result<(i64, Shape, Range<usize>)> {
    let [pixels, height, width, channels, label, found] =
        ExampleView::new(payload).find([PIXELS, HEIGHT, WIDTH, CHANNELS, LABEL, ORDINAL])?;
    let missing = |name| move || Error::schema(name, "is missing");
    let int = |feature: Option<FeatureView<'_>>, name| feature.ok_or_else(missing(name))?.single_int64();
    let side = |feature, name| Ok::<_, Error>(usize::try_from(int(feature, name)?).unwrap_or(0));
    let found = int(found, ORDINAL)?;
    if found as u64 != ordinal {
        return Err(Error::schema(ORDINAL, format!("is {found}, and the list says {ordinal}")));
    }
    let shape = Shape::new(side(height, HEIGHT)?, side(width, WIDTH)?, side(channels, CHANNELS)?);
    let pixels = pixels.ok_or_else(missing(PIXELS))?;
    let range = range_in(payload, pixels.single_bytes()?).ok_or_else(|| Error::schema(PIXELS, "comes in pieces"))?;
    Ok((int(label, LABEL)?, shape, range))
}

/// Where a part lies in the whole.
fn range_in(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

fn remove_left_over(path: &Path) {
    let age = fs::metadata(path).and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
    if age.is_some_and(|age| age > LEFT_OVER) {
        // Another process may have been quicker.
        let _ = fs::remove_file(path);
    }
}
