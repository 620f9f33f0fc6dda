//! `tfr cat`.

use std::io::{self, Write};

use tfrkit::inspect::{CatOptions, CatRecord, cat, cat_stream};
use tfrkit::{Error, ErrorKind, Job, Result};

use super::args::{WhereArg, is_stdin};
use super::output::Output;
use super::pretty::Pretty;
use super::{Done, GOOD, interrupt};

/// Show records, a line of JSON each (indented on a terminal); long bytes as length, SHA-256 and type
#[derive(clap::Args)]
pub(super) struct Args {
    /// Shards: files, a directory, a glob, NAME@COUNT, or - for stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    #[command(flatten)]
    condition: WhereArg,
    /// Show N records at most
    #[arg(short = 'n', long = "count", value_name = "N")]
    count: Option<u64>,
    /// Pass over the first K records: at once where an index lies beside the shards
    #[arg(long, value_name = "K", default_value_t = 0)]
    skip: u64,
    /// Show this feature only
    #[arg(long, value_name = "NAME")]
    feature: Option<String>,
    /// Write the bytes themselves: of the payload, or of the feature
    #[arg(long)]
    raw: bool,
}

/// `limit` is how many records are shown where the arguments do not say.
pub(super) fn run(args: &Args, limit: Option<u64>, job: Job<'_>, output: &Output) -> Done {
    interrupt::exit_at_once();
    let options = CatOptions { filter: args.condition.filter()?, skip: args.skip, limit: args.count.or(limit) };
    let pretty = if output.json { None } else { Pretty::of_stdout() };
    let mut found = false;
    let mut show = |record: CatRecord<'_>| {
        found |= show(&record, args, pretty, output)?;
        Ok(())
    };
    let shown = match is_stdin(&args.paths) {
        true => cat_stream(Box::new(io::stdin()), options, &job, &mut show)?,
        false => cat(&output.resolve(&args.paths)?.complete()?, options, &job, &mut show)?,
    };
    // What waits in the buffer is an error here, or lost in silence.
    io::stdout().flush()?;
    match &args.feature {
        Some(name) if shown > 0 && !found => Err(Error::new(ErrorKind::Usage {
            detail: format!("none of the records shown has a feature '{name}'"),
            hint: Some("`tfr info` lists the features".to_owned()),
        })),
        _ => Ok(GOOD),
    }
}

/// Shows a record; whether it has the feature that is asked for.
fn show(record: &CatRecord<'_>, args: &Args, pretty: Option<Pretty>, output: &Output) -> Result<bool> {
    match (args.raw, &args.feature) {
        (false, feature) => {
            let shown = record.to_json(feature.as_deref())?;
            match pretty {
                Some(pretty) => pretty.write(io::stdout().lock(), &shown)?,
                None => output.json_line(&shown)?,
            }
            let has = |name| ["features", "feature_lists"].iter().any(|part| shown[part].get(name).is_some());
            Ok(feature.as_deref().is_some_and(has))
        }
        (true, None) => {
            io::stdout().write_all(record.payload)?;
            Ok(true)
        }
        (true, Some(feature)) => {
            let values = record.values(feature)?;
            for value in &values {
                io::stdout().write_all(value)?;
            }
            Ok(!values.is_empty())
        }
    }
}
