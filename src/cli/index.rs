//! `tfr index`.

use serde_json::json;
use tfrkit::Job;
use tfrkit::dataset::resolve;
use tfrkit::inspect::index;

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
    let sets = resolve(&args.paths)?.complete()?;
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
