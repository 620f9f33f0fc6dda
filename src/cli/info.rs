//! `tfr info`.

use std::io::{self, Write};

use tfrkit::Job;
use tfrkit::inspect::{FeatureInfo, Info, info, info_stream};

use super::args::is_stdin;
use super::output::{Output, count, human_bytes, table};
use super::progress::with_bar;
use super::{Done, GOOD, interrupt};

/// Say what shards hold: records, bytes, compression, features
#[derive(clap::Args)]
pub(super) struct Args {
    /// Shards: files, a directory, a glob, NAME@COUNT, or - for stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Look at all records, not at the first 1,000 of each shard
    #[arg(long)]
    full: bool,
}

pub(super) fn run(args: &Args, job: Job<'_>, output: &Output) -> Done {
    interrupt::exit_at_once();
    let found = with_bar(output, "reading", job, |job| match is_stdin(&args.paths)? {
        true => info_stream(Box::new(io::stdin()), args.full, job),
        false => info(&output.resolve(&args.paths)?.complete()?, args.full, job),
    })?;
    output.result(&found, |out| print(&found, out))?;
    Ok(GOOD)
}

fn print(info: &Info, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = vec![["set", "shards", "records", "bytes", "compression", "holds"].map(str::to_owned).to_vec()];
    for (name, set) in &info.sets {
        let mut compressions: Vec<&str> =
            info.shards.iter().filter(|s| s.set == *name).map(|s| s.compression.name()).collect();
        compressions.dedup();
        rows.push(vec![
            name.clone(),
            set.shards.to_string(),
            set.records.to_string(),
            human_bytes(set.bytes),
            compressions.join(", "),
            set.message.map_or("nothing", |m| m.name()).to_owned(),
        ]);
    }
    table(out, &rows, &[1, 2, 3])?;
    if info.sets.len() > 1 {
        writeln!(out, "in all: {}, {}", count(info.records, "record"), human_bytes(info.bytes))?;
    }
    if info.features.is_empty() && info.feature_lists.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut rows = vec![
        ["feature", "kind", "in", "values", "bytes", "first (images: height x width)"].map(str::to_owned).to_vec(),
    ];
    rows.extend(info.features.iter().map(|(name, feature)| row(name, feature)));
    rows.extend(info.feature_lists.iter().map(|(name, feature)| row(&format!("{name} (sequence)"), feature)));
    table(out, &rows, &[2])?;
    if info.too_long > 0 {
        let records = count(info.too_long, "record");
        writeln!(out, "({records} over 64 MiB, compressed or streamed: the features of those were not looked at)")?;
    }
    if info.sampled {
        writeln!(out, "(features of the first {}; all with --full)", count(info.sampled_records, "record"))?;
    }
    Ok(())
}

fn row(name: &str, feature: &FeatureInfo) -> Vec<String> {
    let range = |min: u64, max: u64| if min == max { min.to_string() } else { format!("{min} to {max}") };
    let bytes = feature.min_bytes.zip(feature.max_bytes).map_or(String::new(), |(min, max)| range(min, max));
    let kinds: Vec<&str> = std::iter::once(&feature.kind).chain(&feature.other_kinds).map(|k| k.name()).collect();
    vec![
        name.to_owned(),
        kinds.join(", "),
        format!("{:.0} %", feature.presence * 100.0),
        range(feature.min_len, feature.max_len),
        bytes,
        feature.content.clone().unwrap_or_default(),
    ]
}
