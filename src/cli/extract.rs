//! `tfr extract`.

use std::path::PathBuf;

use tfrkit::inspect::{ExtractOptions, ExtractReport, Extracted, ListFormat, extract};
use tfrkit::{ErrorClass, ErrorKind, Job, Result};

use super::args::{FeatureArgs, WhereArg};
use super::output::{Output, count, human_bytes, shown};
use super::progress::with_bar;
use super::{Done, GOOD, interrupt, is_closed_pipe};

/// Write the images of shards into class folders, with a list of them beside
#[derive(clap::Args)]
#[command(after_help = "\
A file is DIR/[SET/]CLASS/NAME: the set where there are several, the class and the name as the record has them, made safe.
The bytes are those of the record. DIR/manifest.jsonl lists the files with labels, boxes and further features, in order,
so that the records can be made again; the class folders alone can be converted too.

Examples:
  tfr extract shards -o images
  tfr extract shards -o cats --set train --where 'text == \"cat\"' --take 100
  tfr extract shards -o images && tfr convert images/manifest.jsonl again --no-shuffle")]
pub(super) struct Args {
    /// Shards: files, a directory, a glob, or NAME@COUNT
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// The directory for the images; made where it is missing
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Only this set [default: all, each in a folder of its own]
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    #[command(flatten)]
    condition: WhereArg,
    /// Pass over the first K records of those
    #[arg(long, value_name = "K", default_value_t = 0)]
    skip: u64,
    /// Take N records of the rest at most
    #[arg(long, value_name = "N")]
    take: Option<u64>,
    /// The form of the list; csv has no room for features that are lists or bytes
    #[arg(long, value_name = "jsonl|csv", default_value = "jsonl")]
    format: ListFormat,
    #[command(flatten)]
    features: FeatureArgs,
    /// Make no class folders
    #[arg(long)]
    flat: bool,
    /// Write into a directory that is not empty; files of the same names are replaced
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &Args, job: Job<'_>, output: &Output) -> Done {
    let stop = interrupt::flag();
    let job = Job { stop: Some(&stop), ..job };
    let options = ExtractOptions {
        filter: args.condition.filter()?,
        skip: args.skip,
        take: args.take,
        list: args.format,
        image: args.features.image.clone(),
        label: args.features.label.clone(),
        flat: args.flat,
        replace: args.force,
    };
    let found = output.resolve(&args.paths)?;
    let sets = match &args.set {
        Some(name) => vec![found.one(Some(name))?],
        None => found.complete()?,
    };
    let mut is_read = true;
    let mut show = |record: &Extracted| {
        let shown = if output.json && is_read { output.json_line(record) } else { Ok(()) };
        // The files are wanted, though nobody may read on.
        is_read &= !shown.as_ref().is_err_and(is_closed_pipe);
        if is_read { shown } else { Ok(()) }
    };
    let report = with_bar(output, "extracting", job, |job| extract(&sets, &args.output, &options, job, &mut show));
    let report = report.inspect_err(|e| {
        let is_full = matches!(e.kind(), ErrorKind::Io(e) if e.kind() == std::io::ErrorKind::StorageFull);
        if is_full || e.class() == ErrorClass::Interrupted {
            output.note("the files so far are whole, their list is missing; begin anew with `--force`");
        }
    })?;
    report.warnings.iter().for_each(|warning| output.warning(warning));
    if !output.json {
        print(&report, args, output)?;
    }
    Ok(GOOD)
}

fn print(report: &ExtractReport, args: &Args, output: &Output) -> Result<()> {
    output.result(report, |out| {
        if report.sets.len() > 1 {
            for (set, images) in &report.sets {
                writeln!(out, "{set}: {}", count(*images, "image"))?;
            }
        }
        writeln!(
            out,
            "{} ({}) of {} written to {} in {:.2} s; listed in {}",
            count(report.images, "image"),
            human_bytes(report.bytes),
            count(report.records, "record"),
            shown(&args.output),
            report.seconds,
            shown(&report.list),
        )
    })
}
