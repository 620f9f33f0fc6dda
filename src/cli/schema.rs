//! `tfr schema`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use tfrkit::dataset::ShardSet;
use tfrkit::inspect::{StatsOptions, stats, stats_stream};
use tfrkit::{Error, ErrorKind, Job};

use super::args::{is_stdin, refuse_set_of_stream};
use super::out::{ForceArg, OutFile};
use super::output::{Output, shown};
use super::progress::with_bar;
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
    /// JSON, TFDV's schema.pbtxt, features for tf.io.parse_example, or columns for ExampleParser [default: what the name
    /// that -o gives says (.json, .pbtxt, .py, .rs), or else json]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Pbtxt,
    Python,
    Rust,
}

impl Format {
    /// The format that a file's name says.
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "json" => Some(Format::Json),
            "pbtxt" => Some(Format::Pbtxt),
            "py" => Some(Format::Python),
            "rs" => Some(Format::Rust),
            _ => None,
        }
    }

    /// The format to write: the one asked for, which the file's name must not contradict, or that of the name.
    fn chosen(args: &Args) -> tfrkit::Result<Self> {
        let named = args.output.as_deref().and_then(Format::of);
        match (args.format, named, &args.output) {
            (Some(asked), Some(named), Some(path)) if asked != named => {
                let asked = asked.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned());
                Err(Error::new(ErrorKind::Usage {
                    detail: format!("the name {} says another format than --format {asked}", shown(path)),
                    hint: Some("leave --format out, or give -o another name".to_owned()),
                }))
            }
            (asked, named, _) => Ok(asked.or(named).unwrap_or(Format::Json)),
        }
    }
}

pub(super) fn run(args: &Args, job: Job<'_>, output: &Output) -> Done {
    interrupt::exit_at_once();
    let options = StatsOptions::default();
    let format = Format::chosen(args)?;
    let set = match is_stdin(&args.paths)? {
        true => {
            refuse_set_of_stream(args.set.as_deref())?;
            None
        }
        false => Some(shards(args, output)?),
    };
    let inputs = || set.iter().flat_map(|set| &set.shards);
    let file = args.output.as_deref().map(|out| OutFile::new(out, args.force.force, inputs())).transpose()?;
    let found = with_bar(output, "reading", job, |job| match &set {
        None => stats_stream(Box::new(io::stdin()), &options, job),
        Some(set) => stats(set, &options, job),
    })?;
    if found.unreadable > 0 {
        output.warning(format_args!("records that are no such message, and left out: {}", found.unreadable));
    }
    let schema = found.schema()?;
    let text = match format {
        Format::Json => schema.to_json(),
        Format::Pbtxt => schema.to_pbtxt(),
        Format::Python => schema.to_python(),
        Format::Rust => schema.to_rust(),
    };
    match &file {
        Some(file) => file.write(|file| file.write_all(text.as_bytes()))?,
        None => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
    }
    Ok(GOOD)
}

fn shards(args: &Args, output: &Output) -> tfrkit::Result<ShardSet> {
    let resolved = output.resolve(&args.paths)?;
    if args.set.is_some() {
        return resolved.one(args.set.as_deref());
    }
    let shards = resolved.complete()?.into_iter().flat_map(|set| set.shards).collect();
    Ok(ShardSet { name: "all".to_owned(), shards })
}
