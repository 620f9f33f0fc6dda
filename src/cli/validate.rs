//! `tfr validate`.

use std::io::{self, Write};
use std::path::PathBuf;

use tfrkit::Job;
use tfrkit::example::Schema;
use tfrkit::inspect::{Report, ValidateOptions, validate, validate_stream};

use super::args::{FeatureArgs, LimitArgs, is_stdin};
use super::output::{Output, count, human_bytes};
use super::progress::with_bar;
use super::{BAD_DATA, Done, GOOD, interrupt};

/// Check shards: checksums, messages, kinds, counts; on request images and duplicates
#[derive(clap::Args)]
pub(super) struct Args {
    /// Shards: files, a directory, a glob, NAME@COUNT, or - for stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Decode every image, strictly, and hold it against what its record says
    #[arg(long)]
    decode: bool,
    /// Find records that hold the same image, in a set or in two, by the hashes stored in them
    #[arg(long)]
    duplicates: bool,
    /// As --duplicates, with every image's hash computed anew and held against the stored one
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    features: FeatureArgs,
    /// Hold every record against a schema, as `tfr schema` writes it, or TFDV's schema.pbtxt
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
}

pub(super) fn run(args: &Args, job: Job<'_>, output: &Output) -> Done {
    interrupt::exit_at_once();
    let schema = args.schema.as_deref().map(Schema::read).transpose()?;
    let options = ValidateOptions {
        decode: args.decode,
        duplicates: args.duplicates,
        deep: args.deep,
        image: args.features.image.clone(),
        label: args.features.label.clone(),
        schema,
        limits: args.limits.limits(),
    };
    let report = with_bar(output, "validating", job, |job| match is_stdin(&args.paths)? {
        true => validate_stream(Box::new(io::stdin()), &options, job),
        false => validate(&output.resolve(&args.paths)?, &options, job),
    })?;
    output.result(&report, |out| print(&report, out))?;
    Ok(if report.has_errors() { BAD_DATA } else { GOOD })
}

fn print(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for group in &report.groups {
        writeln!(out, "{group}")?;
    }
    if report.groups.len() as u64 != report.findings_total {
        writeln!(out, "(each finding by itself with --json)")?;
    }
    let found = match (report.errors, report.warnings) {
        (0, 0) if report.records == 0 => "nothing wrong, but there are no records".to_owned(),
        (0, 0) => "nothing wrong".to_owned(),
        (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    };
    writeln!(
        out,
        "{}, {}, {} in {:.2} s: {found}",
        count(report.shards, "shard"),
        count(report.records, "record"),
        human_bytes(report.bytes),
        report.seconds,
    )
}
