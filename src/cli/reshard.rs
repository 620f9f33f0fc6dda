//! `tfr reshard`.

use std::path::PathBuf;

use tfrkit::inspect::{ReshardOptions, ReshardReport, Sample, Sets, Stratify, reshard};
use tfrkit::record::Compression;
use tfrkit::{Job, Result};

use super::args::{ExistingArgs, ShardArgs, Split, SplitParser, WhereArg};
use super::output::{Output, count, human_bytes, shown};
use super::progress::with_bar;
use super::{Done, GOOD, interrupt};

/// Write shards anew: merged, split, shuffled, filtered, in other numbers, sizes and compressions
#[derive(clap::Args)]
#[command(after_help = "\
Records are selected in this order, whatever that of the flags: --where, --skip, --take, --sample,
--split; then they are shuffled and dealt to shards. Of several sets (train, val) each is written
under its own name. The inputs stay as they are.

Examples:
  tfr reshard shards -o few --shards 4
  tfr reshard shards -o mixed --shuffle --seed 7 --shard-size 128MiB
  tfr reshard shards -o plain --compression none
  tfr reshard data.tfrecord -o parted --split train=0.8,val=0.1,test=0.1 --stratify
  tfr reshard shards -o cats --set train --where 'label == 3' --drop image/filename")]
pub(super) struct Args {
    /// Shards: files, a directory, a glob, or NAME@COUNT
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// The directory for the shards; made where it is missing
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// The name of what is written [default: that of the input]
    #[arg(long, value_name = "NAME", conflicts_with = "split")]
    name: Option<String>,
    /// Take only this set, where there are several
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// Take several sets together as one, for --name or --split
    #[arg(long)]
    merge: bool,
    #[command(flatten)]
    shards: ShardArgs,
    /// Shuffle the records of each set
    #[arg(long)]
    shuffle: bool,
    /// The seed of shuffle, sample and split
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// The compression of what is written
    #[arg(long, value_name = "none|gzip|zlib", default_value = "none")]
    compression: Compression,
    #[command(flatten)]
    condition: WhereArg,
    /// Leave out the first K records of those of each set
    #[arg(long, value_name = "K", default_value_t = 0)]
    skip: u64,
    /// Take at most N records of the rest
    #[arg(long, value_name = "N")]
    take: Option<u64>,
    /// Draw of those a share, such as 0.1, or so many, such as 1000
    #[arg(long, value_name = "SHARE|N")]
    sample: Option<Sample>,
    /// Leave out a feature; may come several times
    #[arg(long, value_name = "FEATURE", conflicts_with = "keep")]
    drop: Vec<String>,
    /// Keep this feature and no others; may come several times
    #[arg(long, value_name = "FEATURE")]
    keep: Vec<String>,
    /// Give a feature another name; may come several times
    #[arg(long, value_name = "OLD=NEW", value_parser = parse_rename)]
    rename: Vec<(String, String)>,
    /// Sets and their shares, such as train=0.8,val=0.2; records of equal key stay together
    #[arg(long, value_name = "SHARES", value_parser = SplitParser)]
    split: Option<Split>,
    /// The feature whose value is the key [default: image/key/sha256, image/filename, or else the whole record]
    #[arg(long, value_name = "FEATURE", requires = "split")]
    key: Option<String>,
    /// Split each class by the shares [default feature: image/class/label, or else label]
    #[arg(long, value_name = "FEATURE", num_args = 0..=1, requires = "split")]
    stratify: Option<Option<String>>,
    #[command(flatten)]
    existing: ExistingArgs,
}

/// Reads `OLD=NEW`.
fn parse_rename(s: &str) -> std::result::Result<(String, String), String> {
    match s.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok((old.to_owned(), new.to_owned())),
        _ => Err(format!("'{s}' is not OLD=NEW")),
    }
}

impl Args {
    fn options(&self) -> Result<ReshardOptions> {
        Ok(ReshardOptions {
            set: self.set.clone(),
            name: self.name.clone(),
            sets: if self.merge { Sets::Merge } else { Sets::Apart },
            shards: self.shards.count(),
            shuffle: self.shuffle,
            seed: self.seed,
            compression: self.compression,
            filter: self.condition.filter()?,
            skip: self.skip,
            take: self.take,
            sample: self.sample,
            drop: self.drop.clone(),
            keep: self.keep.clone(),
            rename: self.rename.clone(),
            split: self.split.clone().map(|s| s.0).unwrap_or_default(),
            key: self.key.clone(),
            stratify: match &self.stratify {
                None => Stratify::No,
                Some(None) => Stratify::Label,
                Some(Some(feature)) => Stratify::By(feature.clone()),
            },
            existing: self.existing.existing(),
        })
    }
}

pub(super) fn run(args: &Args, job: Job<'_>, output: &Output) -> Done {
    let stop = interrupt::flag();
    let job = Job { stop: Some(&stop), ..job };
    let options = args.options()?;
    let sets = output.resolve(&args.paths)?.complete()?;
    let report = with_bar(output, "resharding", job, |job| reshard(&sets, &args.output, &options, job));
    let report = report.inspect_err(|e| output.how_to_go_on(e, args.existing.existing()))?;
    print(&report, args, output)?;
    Ok(GOOD)
}

fn print(report: &ReshardReport, args: &Args, output: &Output) -> Result<()> {
    for warning in &report.warnings {
        output.warning(warning);
    }
    output.result(report, |out| {
        for (set, records) in &report.sets {
            writeln!(out, "{set}: {}", count(*records, "record"))?;
        }
        if report.dropped > 0 {
            writeln!(out, "{} left out", count(report.dropped, "record"))?;
        }
        writeln!(
            out,
            "{} in {} ({}) written to {} in {:.2} s",
            count(report.records, "record"),
            count(report.shards.len() as u64, "shard"),
            human_bytes(report.shards.iter().map(|s| s.bytes).sum()),
            shown(&args.output),
            report.seconds,
        )
    })
}
