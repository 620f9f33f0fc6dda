//! `tfr report`.

use std::io::Write;
use std::path::PathBuf;

use serde_json::json;
use tfrkit::inspect::{ReportOptions, report};
use tfrkit::{Error, ErrorKind, Job};

use super::args::{FeatureArgs, LimitArgs, is_stdin};
use super::out::{ForceArg, OutFile, kind_of};
use super::output::{Output, count, human_bytes, shown};
use super::progress::with_bar;
use super::{Done, GOOD, interrupt};

/// Write a page on what shards hold: classes, images, samples, findings, duplicates
///
/// The page is one HTML file that needs nothing else. It is made of damaged shards too: what is damaged is listed on it,
/// and the exit code is 0.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Shards: files, a directory, a glob, or NAME@COUNT
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// The page to write
    #[arg(short, long, value_name = "REPORT.html")]
    output: PathBuf,
    #[command(flatten)]
    force: ForceArg,
    /// How many images of each class are shown, up to 24
    #[arg(long, value_name = "N", default_value_t = 4)]
    samples: usize,
    /// Show no images
    #[arg(long)]
    no_images: bool,
    /// Decode every image, strictly, as tfr validate --decode does
    #[arg(long)]
    decode: bool,
    #[command(flatten)]
    features: FeatureArgs,
    /// The page's title; the name of the shards' folder, or of the only shard, unless given
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    #[command(flatten)]
    limits: LimitArgs,
}

pub(super) fn run(args: &Args, job: Job<'_>, output: &Output) -> Done {
    interrupt::exit_at_once();
    if is_stdin(&args.paths)? {
        let detail = "a report reads shards twice, which a stream cannot be".to_owned();
        return Err(Error::new(ErrorKind::Usage { detail, hint: Some("name files".to_owned()) }));
    }
    let options = ReportOptions {
        samples: args.samples,
        images: !args.no_images,
        decode: args.decode,
        image: args.features.image.clone(),
        label: args.features.label.clone(),
        title: args.title.clone(),
        limits: args.limits.limits(),
    };
    let sets = output.resolve(&args.paths)?;
    sets.problems.iter().for_each(|problem| output.problem(problem));
    let file = OutFile::new(&args.output, args.force.force, sets.sets.iter().flat_map(|set| &set.shards))?;
    kind_of(&args.output, &[("html", ()), ("htm", ())])?;
    let made = with_bar(output, "reading", job, |job| report(&sets, &options, job))?;
    file.write(|file| file.write_all(made.page.as_bytes()))?;
    let result = json!({
        "path": shown(&args.output),
        "records": made.records,
        "findings_total": made.findings_total,
        "bytes": made.bytes,
    });
    output.result(&result, |out| {
        let (records, findings) = (count(made.records, "record"), count(made.findings_total, "finding"));
        writeln!(out, "{}: {records}, {findings}, a page of {}", args.output.display(), human_bytes(made.bytes))
    })?;
    Ok(GOOD)
}
