//! Arguments that several verbs share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tfrkit::dataset::{ShardSet, resolve};
use tfrkit::pipeline::{Mode, Pipeline};
use tfrkit::record::Io;
use tfrkit::{Job, Result};

/// Flags of every verb.
#[derive(Args)]
pub(super) struct GlobalArgs {
    /// Print one JSON object (or lines of JSON) on stdout
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print results and errors only
    #[arg(long, global = true)]
    pub(super) quiet: bool,
    /// Say more of what is done
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(super) verbose: bool,
    /// Threads; as many as the machine runs at once, unless given
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
    /// How shards are brought into memory: mapped on local disks, always mapped, or read
    #[arg(long, global = true, value_name = "auto|mmap|read", default_value = "auto")]
    pub(super) io: Io,
}

impl GlobalArgs {
    /// The number of threads; 0 is the default.
    pub(super) fn threads(&self) -> usize {
        self.threads.map_or(0, usize::from)
    }

    pub(super) fn job(&self) -> Job<'static> {
        Job { threads: self.threads(), io: self.io, ..Default::default() }
    }
}

/// One set of shards.
#[derive(Args)]
pub(super) struct SetArgs {
    /// Shards: files, a directory, a glob, or NAME@COUNT
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Which set, where there are several
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
}

impl SetArgs {
    pub(super) fn resolve(&self) -> Result<ShardSet> {
        resolve(&self.paths)?.one(self.set.as_deref())
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
}

impl PipelineArgs {
    pub(super) fn read(&self) -> Result<Pipeline> {
        match &self.pipeline {
            Some(path) => Pipeline::read(path),
            None => Pipeline::preset(&self.preset),
        }
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

/// Whether the one path named is standard input.
pub(super) fn is_stdin(paths: &[String]) -> bool {
    matches!(paths, [only] if only == "-")
}
