//! The pipeline's spec: `pipeline.toml`.

use std::path::{Path, PathBuf};

use ::toml::de::DeTable;

use super::features::FeatureNames;
use super::feed::Tail;
use super::op::{Flow, OpSpec};
use super::output::{Dtype, Layout, Output};
use super::spec_tables::{DTYPES, EVAL_HINT, LAYOUTS, OUTPUTS, TAILS, cache, column, decode, list, shuffle};
use super::toml::{OneOrMore, Section};
use crate::error::{Error, Result};
use crate::example::ColumnSpec;
use crate::image::{DecodeOptions, Shape};

/// Which op list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// `[[train]]`: augmented, shuffled (the default).
    #[default]
    Train,
    /// `[[eval]]`: no random numbers, in order.
    Eval,
}

impl Mode {
    /// What happens to the samples that fill no batch, unless the spec says otherwise.
    pub(super) fn tail(self) -> Tail {
        match self {
            Mode::Train => Tail::Drop,
            Mode::Eval => Tail::Uneven,
        }
    }
}

/// The order of samples in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shuffle {
    /// As they are stored (the default).
    #[default]
    None,
    /// Shards permuted, then windows of this many samples, each permuted.
    Buffer(u64),
    /// Runs of so many consecutive samples permuted, then windows of 64 runs, each permuted; a run of 1 is the uniform
    /// shuffle. 0 is as many as are about 4 MiB.
    Global {
        /// Samples that stay neighbours on the disk.
        run: u64,
    },
}

/// `[batch]`: how samples are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSpec {
    /// Samples in a batch. Default: 32.
    pub size: usize,
    /// What happens to the samples that fill no batch. Default: dropped in training, kept in evaluation.
    pub tail: Option<Tail>,
    /// What a batch holds. Default: images.
    pub output: Output,
    /// The type of pixel values. Default: f32.
    pub dtype: Dtype,
    /// The order of a batch's axes. Default: NHWC.
    pub layout: Layout,
}

impl Default for BatchSpec {
    fn default() -> Self {
        BatchSpec {
            size: 32,
            tail: None,
            output: Output::default(),
            dtype: Dtype::default(),
            layout: Layout::default(),
        }
    }
}

/// `[cache]`: keeps images as they are before the first op that draws random numbers or ends the range, so that later
/// epochs neither decode nor resize them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSpec {
    /// Where they are kept.
    pub store: CacheStore,
    /// The type they are kept as. For u8 (the default) they are rounded there, half to even, in every epoch and whether or
    /// not a sample is in the cache; f32 leaves values as they are, and takes four times the room. An image that is u8
    /// there is kept as it is.
    pub dtype: Dtype,
    /// The most bytes it takes. Samples that find no room are made anew in every epoch. Default: 4 GiB of memory, 64 GiB
    /// of a disk.
    pub max_bytes: u64,
}

/// Where a cache is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheStore {
    /// In the memory of one loader; it ends with it.
    Memory,
    /// In files below this directory, for later runs on the same shards with the same ops before that point, and for
    /// several processes at once.
    Disk(PathBuf),
}

impl CacheStore {
    /// The most bytes it takes, unless the spec says otherwise.
    pub(super) fn default_bytes(&self) -> u64 {
        match self {
            CacheStore::Memory => 4 << 30,
            CacheStore::Disk(_) => 64 << 30,
        }
    }
}

/// A pipeline: what one `pipeline.toml` says. The same drives training, evaluation and serving.
///
/// ```
/// use tfrkit::pipeline::{Mode, Op, Pipeline};
///
/// let pipeline = Pipeline::parse(r#"
///     eval = []
///     [[train]]
///     op = "resize"
///     size = [256, 256]
///     [[train]]
///     op = "random_brightness"
///     max_delta = 0.2
/// "#)?;
/// assert_eq!(pipeline.ops(Mode::Train)?[1].op, Op::RandomBrightness { max_delta: 0.2 });
/// let error = Pipeline::parse("[decode]\nchanels = 3").unwrap_err();
/// assert_eq!(error.to_string(), "line 2: [decode]: 'chanels' is unknown; did you mean 'channels'?");
/// # Ok::<(), tfrkit::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pipeline {
    /// `[decode]`.
    pub decode: DecodeOptions,
    /// `[decode] fast`: whether a JPEG that is resized to at most half of its size is decoded at 1/2, 1/4 or 1/8 of it, or,
    /// where a crop comes first, that crop to its nearest pixel. Default: no. Other pixels, in less time; not with
    /// [`Truncated::Accept`](crate::image::Truncated::Accept).
    pub decode_fast: bool,
    /// `[features]`.
    pub features: FeatureNames,
    /// `[shuffle]`, for training.
    pub shuffle: Shuffle,
    /// `[cache]`; `None` where nothing is kept.
    pub cache: Option<CacheSpec>,
    /// `[batch]`.
    pub batch: BatchSpec,
    /// `[[column]]`: features that come along with images, or alone with [`Output::Columns`].
    pub columns: Vec<ColumnSpec>,
    /// `[[train]]`; `None` where there is no such list, which is not the empty list.
    pub train: Option<Vec<OpSpec>>,
    /// `[[eval]]`.
    pub eval: Option<Vec<OpSpec>>,
    /// Where it was read, for errors; nothing of what it says.
    pub origin: Origin,
}

/// The file and the lines that a pipeline was read from. Any is equal to any other, as it is nothing that the pipeline says.
#[derive(Debug, Clone, Default, Eq)]
pub struct Origin {
    path: Option<PathBuf>,
    /// The line of each op, of the lists for training and for evaluation.
    lines: [Vec<usize>; 2],
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Origin {
    /// The file.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The line of each op of a list, from 1.
    fn lines(&self, mode: Mode) -> &[usize] {
        match mode {
            Mode::Train => &self.lines[0],
            Mode::Eval => &self.lines[1],
        }
    }
}

/// Names and texts of the pipelines that come with the crate.
pub const PRESETS: [(&str, &str); 4] = [
    ("basic", include_str!("presets/basic.toml")),
    ("imagenet", include_str!("presets/imagenet.toml")),
    ("xray", include_str!("presets/xray.toml")),
    ("cifar", include_str!("presets/cifar.toml")),
];

impl Pipeline {
    /// Reads a spec.
    ///
    /// # Errors
    /// A usage error that names the line, the op and what is allowed: for what is no TOML, an unknown key or op, a value
    /// outside its range, a list whose ops do not fit each other.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_at(text, None)
    }

    fn parse_at(text: &str, path: Option<&Path>) -> Result<Self> {
        let table = DeTable::parse(text).map_err(|e| {
            let line = e.span().and_then(|s| text.get(..s.start)).map_or(1, |t| t.matches('\n').count() + 1);
            Error::usage(format!("line {line}: no valid TOML: {}", e.message()))
        })?;
        let root = Section::new(text, "the pipeline", table.get_ref(), 0);
        let mut pipeline =
            Pipeline { origin: Origin { path: path.map(Path::to_owned), ..Default::default() }, ..Default::default() };
        if let Some(section) = root.section("decode")? {
            (pipeline.decode, pipeline.decode_fast) = decode(&section)?;
        }
        if let Some(section) = root.section("features")? {
            let names = |key| {
                let names = section.get_as::<OneOrMore<String>>(key, "the name of a feature, or a list of names")?;
                Ok::<_, Error>(names.map(|names| names.0.into_iter().filter(|name| !name.is_empty()).collect()))
            };
            pipeline.features.image = names("image")?.unwrap_or(pipeline.features.image);
            pipeline.features.label = names("label")?.unwrap_or(pipeline.features.label);
            section.finish()?;
        }
        if let Some(section) = root.section("shuffle")? {
            pipeline.shuffle = shuffle(&section)?;
        }
        if let Some(section) = root.section("cache")? {
            pipeline.cache = Some(cache(&section)?);
        }
        if let Some(section) = root.section("batch")? {
            if section.get::<usize>("size")?.is_some() {
                pipeline.batch.size = section.require_in("size", "from 1 to 65536", |n| (1..=65_536).contains(n))?;
            }
            pipeline.batch.tail = section.word("tail", &TAILS)?;
            pipeline.batch.output = section.word("output", &OUTPUTS)?.unwrap_or_default();
            pipeline.batch.dtype = section.word("dtype", &DTYPES)?.unwrap_or_default();
            pipeline.batch.layout = section.word("layout", &LAYOUTS)?.unwrap_or_default();
            section.finish()?;
        }
        for section in root.sections("column")?.unwrap_or_default() {
            pipeline.columns.push(column(&section)?);
        }
        let channels = pipeline.decode.channels.count();
        let [train, eval] = &mut pipeline.origin.lines;
        pipeline.train = list(&root, "train", channels, train, |_| Ok(()))?;
        pipeline.eval = list(&root, "eval", channels, eval, |spec| match spec.is_random() {
            true => Err(("draws random numbers, and evaluation draws none", EVAL_HINT)),
            false => Ok(()),
        })?;
        root.finish()?;
        pipeline.warn_of_units();
        Ok(pipeline)
    }

    /// Reads a spec from a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        Self::parse_at(&text, Some(path)).map_err(|e| e.at_path(path))
    }

    /// Warns of means and deviations that are meant for values of 0 to 1: once, with all lines.
    fn warn_of_units(&self) {
        let lists = [&self.train, &self.eval].into_iter().zip(&self.origin.lines);
        let ops = lists.flat_map(|(list, lines)| list.iter().flatten().zip(lines));
        let lines: Vec<String> =
            ops.filter(|(spec, _)| spec.op.is_in_units()).map(|(_, line)| line.to_string()).collect();
        if !lines.is_empty() {
            let path = self.origin.path.as_ref().map_or(String::new(), |path| format!("{}: ", path.display()));
            log::warn!(
                "{path}line {}: normalize: mean and std look like units of 0..1; they are in levels of 0..255 here: \
                 multiply them by 255",
                lines.join(", ")
            );
        }
    }

    /// An error about the pipeline, with the file that it was read from.
    pub(super) fn located(&self, error: Error) -> Error {
        match &self.origin.path {
            Some(path) => error.at_path(path),
            None => error,
        }
    }

    /// The pipeline that comes with the crate under this name.
    pub fn preset(name: &str) -> Result<Self> {
        match PRESETS.iter().find(|(n, _)| *n == name) {
            Some((_, text)) => Self::parse(text),
            None => {
                let names: Vec<&str> = PRESETS.iter().map(|(n, _)| *n).collect();
                let hint = super::toml::suggest(name, &names);
                Err(Error::usage_hint(format!("there is no preset '{name}'"), hint))
            }
        }
    }

    /// The op list of a mode.
    ///
    /// # Errors
    /// A usage error where the pipeline has no such list.
    pub fn ops(&self, mode: Mode) -> Result<&[OpSpec]> {
        let (list, name, other) = match mode {
            Mode::Train => (&self.train, "train", "eval"),
            Mode::Eval => (&self.eval, "eval", "train"),
        };
        list.as_deref().ok_or_else(|| {
            self.located(Error::usage_hint(
                format!("the pipeline has no list [[{name}]]"),
                format!("write one ({name} = [] leaves images as they are decoded), or choose the mode {other}"),
            ))
        })
    }

    /// What happens to the samples that fill no batch.
    pub(super) fn tail(&self, mode: Mode) -> Tail {
        self.batch.tail.unwrap_or(mode.tail())
    }

    /// The ops of a mode whose results are the same in every epoch, and can be kept as levels: those before the cache.
    pub(super) fn cached_ops(&self, mode: Mode) -> Result<&[OpSpec]> {
        let ops = self.ops(mode)?;
        let end = ops.iter().position(|spec| spec.is_random() || spec.op.ends_range());
        Ok(&ops[..end.unwrap_or(ops.len())])
    }

    /// Height, width and channels of what a mode gives, where that does not depend on the image.
    pub fn output_shape(&self, mode: Mode) -> Result<Option<Shape>> {
        let flow = self.flow(mode)?;
        Ok(flow.size.map(|(height, width)| Shape::new(height, width, flow.channels)))
    }

    /// The op of a mode's list after which values are no levels of 0 to 255 any more, such as normalize; `None` where the
    /// results are levels, to be seen as a picture.
    ///
    /// # Errors
    /// A usage error where the list cannot be run.
    pub fn range_ended_by(&self, mode: Mode) -> Result<Option<&'static str>> {
        Ok(self.flow(mode)?.ended_by)
    }

    /// The pipeline without the ops that take values out of the range of levels, such as normalize: what its results look
    /// like.
    pub fn in_levels(&self) -> Pipeline {
        let levels = |ops: &Option<Vec<OpSpec>>| {
            ops.as_ref().map(|ops| ops.iter().filter(|spec| !spec.op.ends_range()).cloned().collect())
        };
        Pipeline { train: levels(&self.train), eval: levels(&self.eval), ..self.clone() }
    }

    /// The number of classes of the soft labels that the op list of a mode makes, by mixup or cutmix.
    pub fn soft_classes(&self, mode: Mode) -> Result<Option<usize>> {
        Ok(self.flow(mode)?.classes)
    }

    /// Height, width and channels of a sample in its batch; height and width are 0 where they are those of the images.
    pub(super) fn batch_shape(&self, mode: Mode) -> Result<Shape> {
        let flow = self.flow(mode)?;
        if let (Dtype::U8, Some(op)) = (self.batch.dtype, flow.not_levels()) {
            let line = self.ops(mode)?.iter().zip(self.origin.lines(mode)).find(|(spec, _)| spec.op.name() == op);
            let line = line.map_or(String::new(), |(_, line)| format!("line {line}: "));
            return Err(self.located(Error::usage_hint(
                format!("{line}{op}: the result is not a level of 0 to 255, and [batch] has dtype = \"u8\""),
                "leave the op out, or say dtype = \"f32\" under [batch]",
            )));
        }
        let (height, width) = flow.size.unwrap_or_default();
        Ok(Shape::new(height, width, flow.channels))
    }

    fn flow(&self, mode: Mode) -> Result<Flow> {
        let flow = Flow::new(self.decode.channels.count()).through(self.ops(mode)?);
        flow.map_err(|misfit| self.located(Error::usage_hint(misfit.what, misfit.hint)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::op::Op;
    use super::*;

    #[test]
    fn presets_are_valid_and_give_a_fixed_shape() {
        for (name, _) in PRESETS {
            let pipeline = Pipeline::preset(name).unwrap();
            assert!(pipeline.output_shape(Mode::Train).unwrap().is_some(), "{name}");
            assert!(pipeline.output_shape(Mode::Eval).unwrap().is_some(), "{name}");
        }
        assert!(Pipeline::preset("basc").unwrap_err().hint().unwrap().contains("basic"));
    }

    /// Those of files are in tests/spec.rs.
    #[test]
    fn lists_made_in_code_are_checked_too() {
        let resize = OpSpec::from(Op::RandomCrop { size: (10, 10) });
        let crop = OpSpec::from(Op::RandomCrop { size: (11, 10) });
        let pipeline = Pipeline { train: Some(vec![resize, crop]), ..Default::default() };
        let error = pipeline.output_shape(Mode::Train).unwrap_err().to_string();
        assert_eq!(error, "random_crop size [11, 10] is larger than the image, [10, 10]");
    }

    #[test]
    fn every_build_has_every_transform() {
        for dct in ["auto", "ifast", "islow"] {
            Pipeline::parse(&format!("[decode]\ndct = \"{dct}\"\n[[train]]\nop = \"resize\"\nsize = [8, 8]")).unwrap();
        }
    }
}
