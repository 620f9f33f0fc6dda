//! Arguments that several verbs share.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use tfrkit::convert::parse_size;
use tfrkit::dataset::{Existing, ShardCount, ShardSet, parse_split};
use tfrkit::example::Filter;
use tfrkit::image::Limits;
use tfrkit::pipeline::{Mode, Pipeline, Select};
use tfrkit::record::Io;
use tfrkit::{Error, ErrorKind, Job, Result};

use super::output::Output;

/// In help, flags of every verb come behind the verb's own.
const BEHIND: usize = 900;

/// Flags of every verb.
#[derive(Args)]
pub(super) struct GlobalArgs {
    /// Print one JSON object (or lines of JSON) on stdout
    #[arg(long, global = true, display_order = BEHIND)]
    pub(super) json: bool,
    /// Print results and errors only
    #[arg(long, global = true, display_order = BEHIND)]
    pub(super) quiet: bool,
    /// Say on stderr what is decided: sets found, threads, how each shard is read, how long it took
    #[arg(short, long, global = true, display_order = BEHIND, conflicts_with = "quiet")]
    pub(super) verbose: bool,
    /// Threads; as many as the machine runs at once, unless given
    #[arg(
        long,
        global = true,
        display_order = BEHIND,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    pub(super) threads: Option<u16>,
    /// How shards are brought into memory: mapped on local disks, always mapped, or read
    #[arg(long, global = true, display_order = BEHIND, value_name = "auto|mmap|read", default_value = "auto")]
    pub(super) io: Io,
    /// The longest record that is accepted, such as 64MiB [default: 2 GiB, the most that a message holds]
    #[arg(long, global = true, display_order = BEHIND, value_name = "SIZE", value_parser = parse_size)]
    max_record_bytes: Option<u64>,
}

impl GlobalArgs {
    /// The number of threads; 0 is the default.
    pub(super) fn threads(&self) -> usize {
        self.threads.map_or(0, usize::from)
    }

    pub(super) fn job(&self) -> Job<'static> {
        Job { threads: self.threads(), io: self.io, max_record_len: self.max_record_bytes, ..Default::default() }
    }
}

/// One set of shards.
#[derive(Args)]
pub(super) struct SetArgs {
    /// Shards: files, a directory, a glob, or NAME@COUNT
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Which set, where there are several: its name, or with its folder, as in photos/train
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
}

impl SetArgs {
    pub(super) fn resolve(&self, output: &Output) -> Result<ShardSet> {
        output.resolve(&self.paths)?.one(self.set.as_deref())
    }

    /// The sets of these names, each with its weight.
    pub(super) fn resolve_mix(&self, output: &Output, shares: &[(String, f64)]) -> Result<Vec<(ShardSet, f64)>> {
        let names: Vec<&str> = shares.iter().map(|(name, _)| name.as_str()).collect();
        let sets = output.resolve(&self.paths)?.several(&names)?;
        Ok(sets.into_iter().zip(shares).map(|(set, (_, weight))| (set, *weight)).collect())
    }
}

/// `NAME=WEIGHT`.
pub(super) fn parse_share(text: &str) -> std::result::Result<(String, f64), String> {
    let (name, weight) = text.rsplit_once('=').ok_or("expected NAME=WEIGHT")?;
    match weight.trim().parse() {
        Ok(weight) if weight > 0.0 && f64::is_finite(weight) => Ok((name.trim().to_owned(), weight)),
        _ => Err(format!("'{weight}' is no number above 0")),
    }
}

/// Sets with their shares; a type of its own, since clap takes a bare `Vec` for a repeated flag.
#[derive(Clone)]
pub(super) struct Split(pub(super) Vec<(String, f64)>);

#[derive(Clone)]
pub(super) struct SplitParser;

impl clap::builder::TypedValueParser for SplitParser {
    type Value = Split;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let parser = |s: &str| parse_split(s).map(Split);
        clap::builder::TypedValueParser::parse_ref(&parser, command, arg, value)
    }
}

/// Which records are looked at.
#[derive(Args)]
pub(super) struct WhereArg {
    /// Only records that fulfil a condition, such as 'label == "hat" && image/height >= 224'
    #[arg(long = "where", value_name = "EXPR", long_help = WHERE)]
    condition: Option<String>,
}

const WHERE: &str = "\
Only records that fulfil a condition, such as 'label == \"hat\" && image/height >= 224'

  NAME == V, !=, <, <=, >, >=    any value of the feature compares so
  NAME in [V, V]                 any value is one of these
  NAME ^= \"cat/\", $=, *=         any text begins with this, ends with it, holds it
  has(NAME)                      the record has the feature
  len(NAME) > 1                  it has more than one value (a feature list: steps)
  !a, a && b, a || b, (a)        as usual

Values are integers, decimals, and text in quotes. `label` is image/class/label, and compares with names of classes where \
files beside the shards, or the records, name them; `text` is image/class/text. A feature list has the values of all its \
steps. Odd names stand in backquotes. A feature that no record has is an error, but within has(). More in docs/filters.md.";

impl WhereArg {
    /// The filter, if there is one.
    pub(super) fn filter(&self) -> Result<Option<Filter>> {
        self.condition.as_deref().map(Filter::parse).transpose()
    }
}

/// Which features hold image and label.
#[derive(Args)]
pub(super) struct FeatureArgs {
    /// The feature that holds the encoded image [default: image/encoded, or else image, or else the only one with images]
    #[arg(long, value_name = "FEATURE")]
    pub(super) image: Option<String>,
    /// The feature that holds the label [default: image/class/label, or else label]
    #[arg(long, value_name = "FEATURE")]
    pub(super) label: Option<String>,
}

impl FeatureArgs {
    /// Puts what was named in the place of what the pipeline says.
    pub(super) fn name_in(&self, pipeline: &mut Pipeline) {
        for (named, names) in [(&self.image, &mut pipeline.features.image), (&self.label, &mut pipeline.features.label)]
        {
            if let Some(name) = named {
                *names = vec![name.clone()];
            }
        }
    }
}

/// Which samples of a set are taken.
#[derive(Args)]
pub(super) struct SelectArgs {
    #[command(flatten)]
    condition: WhereArg,
    /// Leave out the first K samples of those
    #[arg(long, value_name = "K", default_value_t = 0)]
    skip: u64,
    /// Take at most N samples of the rest
    #[arg(long, value_name = "N")]
    take: Option<u64>,
    /// Let each sample come R times in an epoch, augmented anew each time
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Let all classes come equally often
    #[arg(long)]
    balance: bool,
}

impl SelectArgs {
    pub(super) fn select(&self) -> Result<Select> {
        Ok(Select {
            filter: self.condition.filter()?,
            skip: self.skip,
            take: self.take,
            repeat: self.repeat,
            balance: self.balance,
        })
    }
}

/// Into how many shards a set goes.
#[derive(Args)]
pub(super) struct ShardArgs {
    /// Shards of each set: a number, or by set, such as train=8,val=1
    #[arg(long, value_name = "N", conflicts_with = "shard_size")]
    shards: Option<ShardCount>,
    /// The size of a shard before compression; decides how many there are [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    shard_size: Option<u64>,
}

impl ShardArgs {
    pub(super) fn count(&self) -> ShardCount {
        match (&self.shards, self.shard_size) {
            (Some(count), _) => count.clone(),
            (None, Some(bytes)) => ShardCount::OfBytes(bytes),
            (None, None) => ShardCount::default(),
        }
    }
}

/// What to do about a set that is there already.
#[derive(Args)]
pub(super) struct ExistingArgs {
    /// Go on after an interruption: keep whole shards, write the rest
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Replace a set that is there already, once the new one is whole
    #[arg(long)]
    force: bool,
}

impl ExistingArgs {
    pub(super) fn existing(&self) -> Existing {
        match (self.resume, self.force) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Replace,
            _ => Existing::Refuse,
        }
    }
}

/// What an image may take, said of its header before memory is made for it.
#[derive(Args)]
pub(super) struct LimitArgs {
    /// Refuse images of more than N pixels [default: 178956970]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_pixels: Option<u64>,
    /// Refuse images that take more than SIZE decoded, or between the scans of a progressive JPEG [default: 4 bytes a pixel of
    /// --max-pixels]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_image_bytes: Option<u64>,
}

impl LimitArgs {
    /// The limits with those that were given.
    pub(super) fn of(&self, limits: Limits) -> Limits {
        let max_pixels = self.max_pixels.unwrap_or(limits.max_pixels);
        let for_pixels = self.max_pixels.map(|pixels| pixels.saturating_mul(4));
        let max_bytes = self.max_image_bytes.or(for_pixels).unwrap_or(limits.max_bytes);
        Limits { max_pixels, max_bytes, ..limits }
    }

    pub(super) fn limits(&self) -> Limits {
        self.of(Limits::default())
    }
}

/// Where the pipeline comes from.
#[derive(Args)]
pub(super) struct PipelineArgs {
    /// The pipeline's spec, a TOML file
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    pipeline: Option<PathBuf>,
    /// A pipeline that comes with tfr
    #[arg(long, value_name = "NAME", default_value = "basic")]
    preset: String,
    #[command(flatten)]
    limits: LimitArgs,
}

impl PipelineArgs {
    pub(super) fn read(&self) -> Result<Pipeline> {
        let mut pipeline = match &self.pipeline {
            Some(path) => Pipeline::read(path),
            None => Pipeline::preset(&self.preset),
        }?;
        pipeline.decode.limits = self.limits.of(pipeline.decode.limits);
        Ok(pipeline)
    }
}

/// Which op list runs.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ModeArg {
    Train,
    Eval,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Train => Mode::Train,
            ModeArg::Eval => Mode::Eval,
        }
    }
}

/// Whether the one path named is standard input; an error where that is a terminal, on which nobody types records.
pub(super) fn is_stdin(paths: &[String]) -> Result<bool> {
    let named = matches!(paths, [only] if only == "-");
    if named && io::stdin().is_terminal() {
        return Err(Error::new(ErrorKind::Usage {
            detail: "standard input is a terminal".to_owned(),
            hint: Some("pipe a shard into it: tfr info - < train-00000-of-00001.tfrecord".to_owned()),
        }));
    }
    Ok(named)
}

/// Fails where a set is chosen out of standard input, which is one shard without a name.
pub(super) fn refuse_set_of_stream(set: Option<&str>) -> Result<()> {
    match set {
        None => Ok(()),
        Some(name) => Err(Error::new(ErrorKind::Usage {
            detail: format!("standard input is one shard: there is no set '{name}' to choose"),
            hint: Some("leave out `--set`, or name the shard files".to_owned()),
        })),
    }
}

/// Fails where what is to be a directory for `what` is there and is none.
pub(super) fn refuse_file(dir: &Path, what: &str) -> Result<()> {
    if !dir.exists() || dir.is_dir() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage {
        detail: format!("{} is not a directory", dir.display()),
        hint: Some(format!("name a directory for {what}; it is made where it is missing")),
    }))
}
