//! The command line: arguments are checked, one library call is made, one printer shows what came of it.

mod apply;
mod args;
mod cat;
mod completions;
mod convert;
mod demo;
mod extract;
mod help;
mod index;
mod info;
mod interrupt;
mod live;
mod logger;
mod man;
mod npy;
mod out;
mod output;
mod preset;
mod pretty;
mod preview;
mod progress;
mod repair;
mod report;
mod reshard;
mod save;
mod schema;
mod stats;
mod stream;
mod validate;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::error::ErrorKind as ClapError;
use clap::{FromArgMatches, Parser, Subcommand};
use serde_json::json;
use tfrkit::image::{ImageError, sniff};
use tfrkit::inspect::describe;
use tfrkit::record::{FrameError, frame};
use tfrkit::{Error, ErrorClass, ErrorKind};

use args::GlobalArgs;
use output::Output;

/// TFRecord toolkit: image folders to shards, shards inspected and validated, augmented batches streamed out of them.
#[derive(Parser)]
#[command(name = "tfr", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 the data are bad, 2 wrong usage, 3 could not be done, 130 interrupted.")]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Convert(convert::Args),
    Info(info::Args),
    Cat(cat::Args),
    /// Show the first 10 records, or as many as -n says; else as cat
    Head(cat::Args),
    Stats(stats::Args),
    Schema(schema::Args),
    Validate(validate::Args),
    Repair(repair::Args),
    Reshard(reshard::Args),
    Index(index::Args),
    Extract(extract::Args),
    Stream(stream::Args),
    Apply(apply::Args),
    Preview(preview::Args),
    Report(report::Args),
    Preset(preset::Args),
    Demo(demo::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// What a verb ended with, where it was no error: the exit code.
type Done = Result<u8, Error>;

const GOOD: u8 = 0;
const BAD_DATA: u8 = 1;

/// Runs the command line; the exit code.
pub(crate) fn main() -> ExitCode {
    let parsed = help::command().try_get_matches();
    let cli = match parsed.and_then(|found| Cli::from_arg_matches(&found).map_err(|e| e.format(&mut help::command()))) {
        Ok(cli) => cli,
        Err(e) => return usage_error(&e),
    };
    let begin = Instant::now();
    logger::install(&cli.global);
    let output = Output::new(&cli.global);
    let job = cli.global.job();
    let done = match &cli.command {
        Command::Convert(args) => convert::run(args, job, &output),
        Command::Info(args) => info::run(args, job, &output),
        Command::Cat(args) => cat::run(args, None, job, &output),
        Command::Head(args) => cat::run(args, Some(10), job, &output),
        Command::Stats(args) => stats::run(args, job, &output),
        Command::Schema(args) => schema::run(args, job, &output),
        Command::Validate(args) => validate::run(args, job, &output),
        Command::Repair(args) => repair::run(args, job, &output),
        Command::Reshard(args) => reshard::run(args, job, &output),
        Command::Index(args) => index::run(args, job, &output),
        Command::Extract(args) => extract::run(args, job, &output),
        Command::Stream(args) => stream::run(args, &cli.global, &output),
        Command::Apply(args) => apply::run(args, &output),
        Command::Preview(args) => preview::run(args, job, &output),
        Command::Report(args) => report::run(args, job, &output),
        Command::Preset(args) => preset::run(args, &output),
        Command::Demo(args) => demo::run(args, job, &output),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args, &output),
    };
    log::debug!(target: "tfrkit", "took {:.2} s", begin.elapsed().as_secs_f64());
    match done {
        Ok(code) => ExitCode::from(code),
        Err(e) if is_closed_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            output.error(&e, hint(&cli.command, &e).as_deref());
            ExitCode::from(exit_code(&e))
        }
    }
}

/// What to do next. An error out of the library does not know which verb met it.
fn hint(command: &Command, e: &Error) -> Option<String> {
    match (command, e.kind()) {
        (_, ErrorKind::Image(ImageError::TooLarge { unit, .. })) => Some(match *unit {
            "pixels" => "`--max-pixels` allows more".to_owned(),
            "pixels a side" => "`max_side` under [decode] in pipeline.toml allows longer ones".to_owned(),
            _ => "`--max-image-bytes` allows more".to_owned(),
        }),
        (Command::Apply(_), ErrorKind::Image(reason)) if !matches!(reason, ImageError::Parameter { .. }) => {
            Some("`tfr apply` takes JPEG and PNG files that are whole".to_owned())
        }
        (_, ErrorKind::Frame(FrameError::Oversized { limit, .. })) if *limit < frame::MAX_RECORD_LEN => {
            Some("`--max-record-bytes` allows more".to_owned())
        }
        (_, ErrorKind::Frame(FrameError::LengthCrc { .. })) if e.location().offset == Some(0) => {
            not_a_shard(e.location().path.as_deref()?).or_else(|| e.hint())
        }
        _ => e.hint(),
    }
}

/// What to do about a file whose first record is damaged, and that looks like something else than a shard.
fn not_a_shard(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(4096).read_to_end(&mut start).ok()?;
    let what = describe(&start)?;
    Some(match sniff(&start) {
        Some(_) => format!(
            "the file is an image ({what}), not a TFRecord shard: `tfr convert` makes shards of a folder of them"
        ),
        None => format!("the file looks like {what}, not like a TFRecord shard"),
    })
}

fn exit_code(e: &Error) -> u8 {
    match e.class() {
        ErrorClass::Data => BAD_DATA,
        ErrorClass::Usage => 2,
        ErrorClass::System => 3,
        ErrorClass::Interrupted => 130,
    }
}

/// Whether the reader of our output has gone away, which is its right.
fn is_closed_pipe(e: &Error) -> bool {
    e.location().path.is_none() && matches!(e.kind(), ErrorKind::Io(e) if e.kind() == io::ErrorKind::BrokenPipe)
}

fn usage_error(e: &clap::Error) -> ExitCode {
    // Nothing can be done where even this cannot be printed.
    let _ = e.print();
    if matches!(e.kind(), ClapError::DisplayHelp | ClapError::DisplayVersion) {
        return ExitCode::SUCCESS;
    }
    if std::env::args_os().any(|a| a == "--json") {
        let message = e.render().to_string();
        let error = json!({"kind": "usage", "message": message, "path": null, "record": null, "offset": null});
        let _ = writeln!(io::stdout(), "{}", json!({"error": error}));
    }
    ExitCode::from(2)
}
