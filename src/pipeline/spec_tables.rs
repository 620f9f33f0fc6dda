//! Reading the tables of a spec.

use super::feed::Tail;
use super::op::{Flow, OpSpec};
use super::output::{Dtype, Layout, Output};
use super::spec::{CacheSpec, CacheStore, Shuffle};
use super::toml::{ByteSize, OneOrMore, Section};
use crate::error::Result;
use crate::example::{ColumnLayout, ColumnSpec, ExampleParser, Kind, Values};
use crate::image::{Channels, Dct, DecodeOptions, Orientation, Truncated};

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
pub(super) const EVAL_HINT: &str =
    "use the op without `random_` (central_crop for random_crop), without p, or leave it out";

/// Reads an op list, and checks that each op fits where it stands.
pub(super) fn list(
    root: &Section<'_>,
    key: &'static str,
    channels: usize,
    lines: &mut Vec<usize>,
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
        lines.push(section.line());
    }
    Ok(Some(ops))
}

pub(super) fn column(section: &Section<'_>) -> Result<ColumnSpec> {
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

pub(super) fn decode(section: &Section<'_>) -> Result<(DecodeOptions, bool)> {
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

pub(super) fn cache(section: &Section<'_>) -> Result<CacheSpec> {
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

pub(super) fn shuffle(section: &Section<'_>) -> Result<Shuffle> {
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
