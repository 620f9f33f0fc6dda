//! The pipeline's spec: `pipeline.toml`.

use std::path::{Path, PathBuf};

use ::toml::de::DeTable;

use super::features::FeatureNames;
use super::feed::Tail;
use super::op::{Flow, OpSpec};
use super::output::{Dtype, Layout, Output};
use super::toml::{ByteSize, OneOrMore, Section};
use crate::error::{Error, Result};
use crate::example::{ColumnLayout, ColumnSpec, ExampleParser, Kind, Values};
use crate::image::{Channels, Dct, DecodeOptions, Orientation, Shape, Truncated};

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
    /// [`Truncated::Accept`].
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
        let table = DeTable::parse(text).map_err(|e| {
            let line = e.span().and_then(|s| text.get(..s.start)).map_or(1, |t| t.matches('\n').count() + 1);
            Error::usage(format!("line {line}: no valid TOML: {}", e.message()))
        })?;
        let root = Section::new(text, "the pipeline", table.get_ref(), 0);
        let mut pipeline = Pipeline::default();
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
        pipeline.train = list(&root, "train", channels, |_| Ok(()))?;
        pipeline.eval = list(&root, "eval", channels, |spec| match spec.is_random() {
            true => Err(("draws random numbers, and evaluation draws none", EVAL_HINT)),
            false => Ok(()),
        })?;
        root.finish()?;
        Ok(pipeline)
    }

    /// Reads a spec from a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        Self::parse(&text).map_err(|e| e.at_path(path))
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
            Error::usage_hint(
                format!("the pipeline has no list [[{name}]]"),
                format!("write one ({name} = [] leaves images as they are decoded), or say --mode {other}"),
            )
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
            return Err(Error::usage_hint(
                format!("dtype = \"u8\", and the result of {op} is no level of 0 to 255"),
                "leave the op out, or say dtype = \"f32\" under [batch]",
            ));
        }
        let (height, width) = flow.size.unwrap_or_default();
        Ok(Shape::new(height, width, flow.channels))
    }

    fn flow(&self, mode: Mode) -> Result<Flow> {
        let flow = Flow::new(self.decode.channels.count()).through(self.ops(mode)?);
        flow.map_err(|misfit| Error::usage_hint(misfit.what, misfit.hint))
    }
}

pub(super) const DTYPES: [(&str, Dtype); 2] = [("f32", Dtype::F32), ("u8", Dtype::U8)];
pub(super) const TAILS: [(&str, Tail); 3] = [("drop", Tail::Drop), ("pad", Tail::Pad), ("uneven", Tail::Uneven)];
pub(super) const OUTPUTS: [(&str, Output); 3] =
    [("images", Output::Images), ("columns", Output::Columns), ("records", Output::Records)];
pub(super) const LAYOUTS: [(&str, Layout); 2] = [("nhwc", Layout::Nhwc), ("nchw", Layout::Nchw)];
pub(super) const KINDS: [(&str, Kind); 3] = [("int64", Kind::Int64), ("float", Kind::Float), ("bytes", Kind::Bytes)];
pub(super) const DCTS: [(&str, Dct); 3] = [("auto", Dct::Auto), ("ifast", Dct::Ifast), ("islow", Dct::Islow)];
pub(super) const TRUNCATED: [(&str, Truncated); 2] = [("refuse", Truncated::Refuse), ("accept", Truncated::Accept)];
pub(super) const ORIENTATIONS: [(&str, Orientation); 2] =
    [("ignore", Orientation::Ignore), ("apply", Orientation::Apply)];
/// The largest `max_pixels`: a square of the longest sides.
const MOST_PIXELS: u64 = 65_535 * 65_535;
const EVAL_HINT: &str = "use the op without `random_` (central_crop for random_crop), without p, or leave it out";

/// Reads an op list, and checks that each op fits where it stands.
fn list(
    root: &Section<'_>,
    key: &'static str,
    channels: usize,
    check: impl Fn(&OpSpec) -> std::result::Result<(), (&'static str, &'static str)>,
) -> Result<Option<Vec<OpSpec>>> {
    let mut flow = Flow::new(channels);
    let mut ops = Vec::new();
    let Some(sections) = root.sections(key)? else { return Ok(None) };
    for mut section in sections {
        let spec = OpSpec::parse(&mut section)?;
        check(&spec).map_err(|(what, hint)| section.misfit(what, hint))?;
        flow.pass(&spec).map_err(|misfit| section.misfit(&misfit.what, misfit.hint))?;
        ops.push(spec);
    }
    Ok(Some(ops))
}

fn column(section: &Section<'_>) -> Result<ColumnSpec> {
    let name: String = section.require("name")?;
    let kind = section.word("kind", &KINDS)?.ok_or_else(|| section.missing("kind", "int64, float or bytes"))?;
    let shape = section.get::<Vec<usize>>("shape")?;
    let words =
        [("fixed_len", 0), ("var_len", 1), ("ragged", 2), ("fixed_len_sequence", 3), ("steps", 4), ("ragged_steps", 5)];
    let layout = match (section.word("layout", &words)?.unwrap_or(0), shape) {
        (0, shape) => ColumnLayout::FixedLen { shape: shape.unwrap_or_default() },
        (3, shape) => ColumnLayout::FixedLenSequence { shape: shape.unwrap_or_default() },
        (4, shape) => ColumnLayout::Steps { shape: shape.unwrap_or_default() },
        (_, Some(_)) => return Err(section.misfit("rows of any length have no shape", "leave shape out")),
        (1, None) => ColumnLayout::VarLen,
        (5, None) => ColumnLayout::RaggedSteps,
        (_, None) => ColumnLayout::Ragged,
    };
    let mut spec = ColumnSpec::new(name, kind, layout);
    spec.default = match kind {
        Kind::Int64 => section.get::<OneOrMore<i64>>("default")?.map(|v| Values::Int64(v.0)),
        Kind::Float => section.get::<OneOrMore<f32>>("default")?.map(|v| Values::Float(v.0)),
        Kind::Bytes => section.get::<OneOrMore<String>>("default")?.map(|v| Values::Bytes(v.0.iter().collect())),
    };
    section.finish()?;
    ExampleParser::new(vec![spec.clone()]).map_err(|e| section.misfit(&e.to_string(), "see tf.io.parse_example"))?;
    Ok(spec)
}

fn decode(section: &Section<'_>) -> Result<(DecodeOptions, bool)> {
    let mut options = DecodeOptions::default();
    if let Some(channels) = section.get::<usize>("channels")? {
        options.channels = Channels::from_count(channels).ok_or_else(|| section.wrong("channels", "must be 1 or 3"))?;
    }
    options.dct = section.word("dct", &DCTS)?.unwrap_or_default();
    options.truncated = section.word("truncated", &TRUNCATED)?.unwrap_or_default();
    options.orientation = section.word("orientation", &ORIENTATIONS)?.unwrap_or_default();
    let limits = &mut options.limits;
    if section.get::<u64>("max_pixels")?.is_some() {
        let range = format!("from 1 to {MOST_PIXELS}");
        limits.max_pixels = section.require_in("max_pixels", &range, |n| (1..=MOST_PIXELS).contains(n))?;
    }
    if section.get::<usize>("max_side")?.is_some() {
        limits.max_dim = section.require_in("max_side", "from 1 to 65535", |n| (1..=65_535).contains(n))?;
    }
    if let Some(bytes) = section.get::<ByteSize>("max_bytes")? {
        limits.max_bytes = bytes.0;
    }
    let fast = section.get::<bool>("fast")?.unwrap_or_default();
    section.finish()?;
    if fast && options.truncated == Truncated::Accept {
        let hint = "leave one of them out";
        return Err(section.misfit("fast decoding is strict, and truncated = \"accept\" is not", hint));
    }
    Ok((options, fast))
}

fn cache(section: &Section<'_>) -> Result<CacheSpec> {
    let expected = "\"memory\" or \"disk\"";
    let is_disk = section.word("mode", &[("memory", false), ("disk", true)])?;
    let is_disk = is_disk.ok_or_else(|| section.missing("mode", expected))?;
    let store = match (is_disk, section.get::<String>("dir")?) {
        (false, None) => CacheStore::Memory,
        (true, Some(dir)) if !dir.is_empty() => CacheStore::Disk(dir.into()),
        (true, _) => return Err(section.missing("dir", "the directory of the cache")),
        (false, Some(_)) => return Err(section.misfit("dir is for mode = \"disk\"", "set the mode, or leave dir out")),
    };
    let max_bytes = section.get::<ByteSize>("max_bytes")?;
    let dtype = section.word("dtype", &DTYPES)?.unwrap_or(Dtype::U8);
    section.finish()?;
    let max_bytes = max_bytes.map_or(store.default_bytes(), |bytes| bytes.0);
    Ok(CacheSpec { store, dtype, max_bytes })
}

fn shuffle(section: &Section<'_>) -> Result<Shuffle> {
    #[derive(Clone, Copy, PartialEq)]
    enum Word {
        None,
        Buffer,
        Global,
    }
    let words = [("none", Word::None), ("buffer", Word::Buffer), ("global", Word::Global)];
    let mode = section.word("mode", &words)?.unwrap_or(Word::None);
    let number = |key| match section.get::<u64>(key)? {
        Some(_) => section.require_in(key, "from 1 to 10000000", |n| (1..=10_000_000u64).contains(n)).map(Some),
        None => Ok(None),
    };
    let (size, run) = (number("size")?, number("run")?);
    section.finish()?;
    match (mode, size, run) {
        (Word::None, None, None) => Ok(Shuffle::None),
        (Word::None, Some(_), _) => {
            Err(section.misfit("size is for mode = \"buffer\"", "set the mode, or leave size out"))
        }
        (Word::None, _, Some(_)) => {
            Err(section.misfit("run is for mode = \"global\"", "set the mode, or leave run out"))
        }
        (Word::Buffer, Some(size), None) => Ok(Shuffle::Buffer(size)),
        (Word::Buffer, None, _) => Err(section.missing("size", "samples that are shuffled together")),
        (Word::Global, None, run) => Ok(Shuffle::Global { run: run.unwrap_or(0) }),
        (Word::Buffer, _, Some(_)) => {
            Err(section.misfit("run is for mode = \"global\"", "leave it out: buffer has size"))
        }
        (Word::Global, Some(_), _) => {
            Err(section.misfit("size is for mode = \"buffer\"", "leave it out: global has run"))
        }
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
