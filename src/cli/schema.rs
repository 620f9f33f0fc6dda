//! `tfr schema`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use tfrkit::Job;
use tfrkit::dataset::{ShardSet, resolve};
use tfrkit::inspect::{StatsOptions, stats, stats_stream};

use super::args::is_stdin;
use super::output::{Output, refuse_input, with_bar, write_whole};
use super::{Done, GOOD, interrupt};

/// Infer the schema that all records follow: features, kinds, shapes, domains; `tfr validate --schema` takes it
#[derive(clap::Args)]
pub(super) struct Args {
    /// Shards: files, a directory, a glob, NAME@COUNT, or - for stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// This set only, where there are several; else all records are taken together
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// JSON, TFDV's schema.pbtxt, features for tf.io.parse_example, or columns for ExampleParser
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Pbtxt,
    Python,
    Rust,
}

pub(super) fn run(args: &Args, job: Job<'_>, output: &Output) -> Done {
    interrupt::exit_at_once();
    let options = StatsOptions::default();
    let found = with_bar(output, "reading", job, |job| match is_stdin(&args.paths) {
        true => stats_stream(Box::new(io::stdin()), &options, job),
        false => {
            let set = shards(args)?;
            if let Some(out) = &args.output {
                refuse_input(&set.shards, out)?;
            }
            stats(&set, &options, job)
        }
    })?;
    if found.unreadable > 0 {
        output.warning(format_args!("records that are no such message, and left out: {}", found.unreadable));
    }
    for (name, feature) in found.features.iter().chain(&found.feature_lists) {
        if !feature.other_kinds.is_empty() {
            let kind = feature.kind.name();
            output.warning(format_args!("feature '{name}' has several kinds; {kind} is the most frequent"));
        }
    }
    let schema = found.schema()?;
    let text = match args.format {
        Format::Json => schema.to_json(),
        Format::Pbtxt => schema.to_pbtxt(),
        Format::Python => schema.to_python(),
        Format::Rust => schema.to_rust(),
    };
    match &args.output {
        Some(path) => write_whole(path, |file| file.write_all(text.as_bytes()))?,
        None => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
    }
    Ok(GOOD)
}

fn shards(args: &Args) -> tfrkit::Result<ShardSet> {
    let resolved = resolve(&args.paths)?;
    if args.set.is_some() {
        return resolved.one(args.set.as_deref());
    }
    let shards = resolved.complete()?.into_iter().flat_map(|set| set.shards).collect();
    Ok(ShardSet { name: "all".to_owned(), shards })
}
