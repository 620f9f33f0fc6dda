//! `tfr index`.

use serde_json::json;
use tfrkit::dataset::{finish_replacement, resolve};
use tfrkit::inspect::index;
use tfrkit::{ErrorKind, Job, Result};

use super::output::{Output, count};
use super::progress::with_bar;
use super::{Done, GOOD, interrupt};

/// Write the index of each shard into idx/ beside it: a line `offset size` for each record
#[derive(clap::Args)]
pub(super) struct Args {
    /// Uncompressed shards: files, a directory, a glob, or NAME@COUNT
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
}

pub(super) fn run(args: &Args, job: Job<'_>, output: &Output) -> Done {
    interrupt::exit_at_once();
    finish_replacements(args, output)?;
    let sets = output.resolve(&args.paths)?.complete()?;
    let indexed = with_bar(output, "indexing", job, |job| index(&sets, job))?;
    let records: u64 = indexed.iter().map(|shard| shard.records).sum();
    output.result(&json!({"records": records, "shards": indexed}), |out| {
        for shard in &indexed {
            writeln!(out, "{}: {}", shard.idx.display(), count(shard.records, "record"))?;
        }
        Ok(())
    })?;
    Ok(GOOD)
}

/// Puts new sets in their place where a run was killed that had begun to: their indexes are part of that.
fn finish_replacements(args: &Args, output: &Output) -> Result<()> {
    for problem in resolve(&args.paths)?.problems {
        if let (ErrorKind::Unfinished { .. }, Some(dir)) = (problem.kind(), &problem.location().path)
            && finish_replacement(dir)?
        {
            output.note(format_args!("{}: ended a replacement that was interrupted", dir.display()));
        }
    }
    Ok(())
}
