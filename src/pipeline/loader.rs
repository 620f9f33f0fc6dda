//! The loader: an iterator over batches that workers make ahead of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::buffer::Element;
use super::cache::Cache;
use super::counters::{Counters, Times};
use super::engine::{Engine, Worker};
use super::executor::Executor;
use super::high_water::HighWater;
use super::output::{Format, Output};
use super::samples::Samples;
use super::setup::{begin, course, look, making, plan};
use super::skip::{Skipped, Skips};
use super::spec::{Mode, Pipeline};
use super::state::{LoaderState, dataset_hash, pipeline_hash, view_text};
use super::view::Select;
use crate::dataset::ShardSet;
use crate::error::{Error, Result};
use crate::image::Shape;
use crate::job::thread_count;
use crate::record::{Io, ReadOptions};
use crate::sys::user_cache_dir;

/// What happens to a record that is damaged, or whose image cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The error comes in the place of its batch, and ends the stream (the default).
    #[default]
    Fail,
    /// Its slot holds the nearest good sample of the batch, and is not [`valid`](Batch::valid); in the place of the batch with
    /// more than so many such records the stream fails, as it does where a batch has no good sample, and where the frames of a
    /// compressed shard are damaged, behind which nothing can be read. Each is logged when its batch is given, and listed by
    /// [`Loader::skipped`]; it counts once, those of a run that is resumed among them.
    Skip(u64),
}

/// How a loader runs: `LoaderOptions { batch: Some(64), ..Default::default() }`.
#[derive(Debug, Clone)]
pub struct LoaderOptions {
    /// Which op list runs. Training shuffles as the pipeline says, evaluation never does. Default: training.
    pub mode: Mode,
    /// Samples in a batch. Default: the pipeline's.
    pub batch: Option<usize>,
    /// How often the set is gone through; 0 is without end. Default: 1.
    pub epochs: u64,
    /// The seed of order and augmentation. Default: 0.
    pub seed: u64,
    /// Which share of the samples this process takes, from 0. Default: 0.
    pub rank: u64,
    /// Among how many processes they are shared. Default: 1.
    pub world: u64,
    /// Worker threads; 0 is as many as the machine runs at once. Default: 0. The batches do not depend on it.
    pub threads: usize,
    /// Finished batches that wait for the consumer at most, up to 4,096. Default: 2.
    pub prefetch: usize,
    /// How shards are brought into memory. Default: mapped on local disks.
    pub io: Io,
    /// The longest record that is read, in bytes; a longer one is bad. Default: 2 GiB - 1, protobuf's own limit.
    pub max_record_len: u64,
    /// Which samples are streamed, and how often in an epoch. Default: each once.
    pub select: Select,
    /// What happens to bad records. Default: they end the stream.
    pub on_error: OnError,
    /// The folder in which the results of filters are kept for later runs, at most 256 MiB of them, each for 30 days after its
    /// last use; never an error where it cannot be written. Default: `tfrkit/views` in the user's cache folder
    /// (`XDG_CACHE_HOME`, or else `~/.cache`; `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows). `None`: nowhere.
    pub views: Option<PathBuf>,
    /// Where to go on: what [`Loader::state`] gave. Default: at the beginning.
    pub resume: Option<LoaderState>,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        LoaderOptions {
            mode: Mode::Train,
            batch: None,
            epochs: 1,
            seed: 0,
            rank: 0,
            world: 1,
            threads: 0,
            prefetch: 2,
            io: Io::Auto,
            max_record_len: ReadOptions::default().max_record_len,
            select: Select::default(),
            on_error: OnError::Fail,
            views: user_cache_dir().map(|dir| dir.join("tfrkit").join("views")),
            resume: None,
        }
    }
}

/// What waiting for a batch came to.
#[derive(Debug)]
// Moved once a batch: a box would only be one more allocation.
#[allow(clippy::large_enum_variant)]
pub enum Waited {
    /// The next batch.
    Batch(Batch),
    /// There are no more.
    End,
    /// None was ready in time; ask again.
    TimedOut,
}

/// Stops a [`Loader`] from another thread.
#[derive(Clone)]
pub struct Stopper(Arc<Engine>);

impl Stopper {
    /// Ends the stream: a consumer that waits gets no batch, the workers end after the image in hand.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// Streams batches out of a set of shards: an iterator over [`Batch`]es.
///
/// The batches are a function of shards, pipeline, mode, batch size, seed, rank and world; the number of threads changes
/// only the speed. An error comes in the place of its batch, names shard, record and offset, and ends the stream.
/// Dropped early, the loader stops after the images in hand and joins its threads. It holds `prefetch` + 2 batches,
/// for each thread the pixels of one image, 8 bytes a record, and what the pipeline's [cache](super::CacheSpec) says; of a set
/// with compressed shards also up to three windows of records (of the shuffle's size, or 256), one of which may have to be
/// read to its end before the threads join.
///
/// ```no_run
/// use tfrkit::dataset::resolve;
/// use tfrkit::pipeline::{Loader, LoaderOptions, Pipeline};
///
/// let set = resolve(&["shards"])?.one(Some("train"))?;
/// for batch in Loader::open(&set, &Pipeline::preset("basic")?, LoaderOptions::default())? {
///     let batch = batch?;
///     assert_eq!(batch.shape()[1..], [224, 224, 3]);
/// }
/// # Ok::<(), tfrkit::Error>(())
/// ```
pub struct Loader {
    engine: Arc<Engine>,
    threads: Vec<JoinHandle<()>>,
    workers: usize,
    state: LoaderState,
    shards: Vec<PathBuf>,
    failed: bool,
}

impl Loader {
    /// Opens the shards and starts the workers.
    ///
    /// # Errors
    /// Usage errors of options and pipeline (ops that give no fixed size, a rank outside the world, fewer samples than a
    /// batch that is not to be uneven, a state of something else); errors of the shards.
    pub fn open(set: &ShardSet, pipeline: &Pipeline, options: LoaderOptions) -> Result<Self> {
        Self::open_mix(&[(set.clone(), 1.0)], pipeline, options)
    }

    /// As [`open`](Self::open), of several sets by weight: of each 1,024 samples (or more, where a share would be none) every set has a fixed share, and begins anew
    /// before the others end. An epoch has as many samples as all sets together. Ordinals go on from set to set.
    ///
    /// # Errors
    /// As [`open`](Self::open), and usage errors for weights that are not above 0 and for compressed shards.
    pub fn open_mix(sets: &[(ShardSet, f64)], pipeline: &Pipeline, options: LoaderOptions) -> Result<Self> {
        let workers = thread_count(options.threads);
        let mut making = making(pipeline, options.mode)?;
        let shards: Vec<PathBuf> = sets.iter().flat_map(|(set, _)| set.shards.iter().cloned()).collect();
        let read = ReadOptions { max_record_len: options.max_record_len, ..Default::default() };
        let samples = Samples::open(&shards, options.io, read, workers)?;
        look(&mut making, pipeline, options.mode, &samples)?;
        making.cache = Cache::open(pipeline, options.mode, &shards, samples.len(), options.io)?;
        let (course, unread) = course(sets, pipeline, &options, &samples, workers)?;
        let plan = plan(sets, pipeline, &options, course.len())?;
        let (hash, view) = (pipeline_hash(pipeline, options.mode), view_text(&options.select, sets));
        let mut state = LoaderState::new(&plan, hash, view);
        if let Some(resumed) = &options.resume {
            state.dataset = dataset_hash(&shards)?;
            resumed.check(&state)?;
            (state.epoch, state.step) = begin(resumed, plan.steps())?;
            // A state of any rank tells where all of them stand; what it left out is its own.
            if resumed.rank == state.rank {
                state.skipped = resumed.skipped.clone();
            }
        }
        let is_random = samples.is_random();
        let begin = (state.epoch, state.step);
        let in_flight = options.prefetch.saturating_add(1);
        let has_images = making.output == Output::Images;
        let skips = Skips::new(options.on_error, &state.skipped, unread)?;
        let engine = Arc::new(Engine::new(samples, course, making, plan, begin, in_flight, skips));
        let mut loader = Loader { engine, threads: Vec::new(), workers, state, shards, failed: false };
        if !is_random {
            let engine = Arc::clone(&loader.engine);
            loader.spawn("tfrkit-read".to_owned(), move || engine.read(begin))?;
        }
        for i in 0..workers {
            let executor = has_images.then(|| Executor::new(pipeline, options.mode)).transpose()?;
            let worker = Worker { executor, buffer: Vec::new(), water: HighWater::default(), times: Times::default() };
            let engine = Arc::clone(&loader.engine);
            loader.spawn(format!("tfrkit-load-{i}"), move || engine.work(worker))?;
        }
        Ok(loader)
    }

    /// Batches in an epoch on this rank.
    pub fn steps_per_epoch(&self) -> u64 {
        self.engine.plan().steps()
    }

    /// Samples of an epoch, over all ranks.
    pub fn samples(&self) -> u64 {
        self.engine.plan().samples
    }

    /// The shards, in the order of their ordinals.
    pub fn shards(&self) -> &[PathBuf] {
        &self.shards
    }

    /// Height, width and channels of a sample; nothing where batches hold no images.
    pub fn image_shape(&self) -> Shape {
        self.engine.format().shape
    }

    /// Where the time has gone so far.
    pub fn counters(&self) -> Counters {
        self.engine.counters(self.workers)
    }

    /// The records that were left out of the batches given so far, in the order of the set; see [`OnError::Skip`].
    pub fn skipped(&self) -> Vec<Skipped> {
        self.engine.skips().given()
    }

    /// Where the stream stands: behind the batch that was given last. To go on, open a loader with it as
    /// [`LoaderOptions::resume`].
    ///
    /// # Errors
    /// Of reading the ends of the shards, of whose identity the state tells.
    ///
    /// ```no_run
    /// # use tfrkit::{dataset::resolve, pipeline::{Loader, LoaderOptions, Pipeline}};
    /// # let (set, pipeline) = (resolve(&["shards"])?.one(None)?, Pipeline::preset("basic")?);
    /// let mut loader = Loader::open(&set, &pipeline, LoaderOptions::default())?;
    /// let first = loader.next();
    /// let state = loader.state()?;
    /// let rest = Loader::open(&set, &pipeline, LoaderOptions { resume: Some(state), ..Default::default() })?;
    /// # Ok::<(), tfrkit::Error>(())
    /// ```
    pub fn state(&self) -> Result<LoaderState> {
        let mut state = self.state.clone();
        if state.dataset.is_empty() {
            state.dataset = dataset_hash(&self.shards)?;
        }
        state.skipped = self.engine.skips().ordinals();
        Ok(state)
    }

    /// A handle that stops the loader from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.engine))
    }

    /// Waits for the next batch, and copies its pixels to the start of `images`: memory of the caller's own, pinned or shared.
    /// Labels and whatever else it has are in the batch that is given back; `None` at the end.
    ///
    /// # Errors
    /// As the iterator gives them; a usage error for values of another type than the pipeline's dtype, or too little room:
    /// then the same batch comes next.
    ///
    /// ```no_run
    /// # use tfrkit::{dataset::resolve, pipeline::{Loader, LoaderOptions, Pipeline}};
    /// # let (set, pipeline) = (resolve(&["shards"])?.one(None)?, Pipeline::preset("basic")?);
    /// let mut loader = Loader::open(&set, &pipeline, LoaderOptions::default())?;
    /// let mut images = vec![0f32; 32 * 224 * 224 * 3];
    /// while let Some(batch) = loader.fill(&mut images)? {
    ///     println!("{:?}", batch.labels());
    /// }
    /// # Ok::<(), tfrkit::Error>(())
    /// ```
    pub fn fill<T: Element>(&mut self, images: &mut [T]) -> Result<Option<Batch>> {
        let Format { shape, dtype, .. } = self.engine.format();
        if dtype != T::DTYPE && shape != Shape::default() {
            return Err(Error::usage_hint(
                format!("memory for {} values, and the batches hold {}", T::DTYPE.name(), dtype.name()),
                "give memory of that type, or set dtype under [batch]",
            ));
        }
        let room = images.len();
        let fits = |values| match values <= room {
            true => Ok(()),
            false => Err(Error::usage_hint(
                format!("memory for {room} values, and the batch has {values}"),
                "give more, or make the batches smaller; the batch comes next",
            )),
        };
        let Waited::Batch(batch) = self.wait(None, fits)? else { return Ok(None) };
        if let (Some(pixels), Some(to)) = (T::of(batch.pixels()), images.get_mut(..batch.pixels().len())) {
            to.copy_from_slice(pixels);
        }
        Ok(Some(batch))
    }

    /// Waits for the next batch, but no longer than `timeout`.
    ///
    /// # Errors
    /// As the iterator gives them; the stream has ended then.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Waited> {
        self.wait(Some(timeout), |_| Ok(()))
    }

    /// Waits for the next batch, which stays where `fits` is not satisfied with its number of values.
    fn wait(&mut self, timeout: Option<Duration>, fits: impl FnOnce(usize) -> Result<()>) -> Result<Waited> {
        if self.failed {
            return Ok(Waited::End);
        }
        let start = Instant::now();
        let waited = self.engine.take_batch(timeout.and_then(|timeout| start.checked_add(timeout)), fits);
        self.engine.add_consumer_wait(start.elapsed());
        match &waited {
            Err(_) => {
                self.failed = true;
                self.engine.stop();
            }
            Ok(Ok(Waited::Batch(batch))) => {
                (self.state.epoch, self.state.step) = self.engine.plan().after(batch.epoch(), batch.step());
            }
            Ok(_) => {}
        }
        waited?
    }

    fn spawn(&mut self, name: String, f: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new().name(name).spawn(f).map_err(Error::from)?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Iterator for Loader {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.wait(None, |_| Ok(())) {
            Ok(Waited::Batch(batch)) => Some(Ok(batch)),
            Ok(_) => None,
            Err(e) => Some(Err(e)),
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.engine.stop();
        for thread in self.threads.drain(..) {
            // A worker's panic has been caught and delivered; there is nobody left to tell.
            let _ = thread.join();
        }
        self.engine.publish_cache();
    }
}
