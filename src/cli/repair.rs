//! `tfr repair`.

use std::io;
use std::path::PathBuf;

use tfrkit::inspect::{RepairOptions, RepairReport, repair, repair_stream};
use tfrkit::record::Compression;
use tfrkit::{Job, Result};

use super::args::is_stdin;
use super::output::{Output, count, human_bytes};
use super::progress::with_bar;
use super::{BAD_DATA, Done, GOOD, interrupt};

/// Save the whole records of damaged shards into new ones
#[derive(clap::Args)]
#[command(after_help = "\
Records whose checksums hold are kept byte for byte, each span of bytes that is lost is listed, and the input is left as
it is. Exit code 1 says that something is lost. A shard without damage comes out as it went in.

Examples:
  tfr repair train-00003-of-00008.tfrecord -o mended.tfrecord
  tfr repair shards -o mended
  tfr repair - -o mended.tfrecord < train-00003-of-00008.tfrecord")]
pub(super) struct Args {
    /// Shards: files, a directory, a glob, NAME@COUNT, or - for stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// The file for the one shard, or the directory in which several keep their names; nothing is overwritten
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// The compression of what is written [default: that of the input]
    #[arg(long, value_name = "none|gzip|zlib")]
    compression: Option<Compression>,
}

pub(super) fn run(args: &Args, job: Job<'_>, output: &Output) -> Done {
    let stop = interrupt::flag();
    let job = Job { stop: Some(&stop), ..job };
    let options = RepairOptions { compression: args.compression };
    let report = with_bar(output, "repairing", job, |job| match is_stdin(&args.paths)? {
        true => repair_stream(io::stdin(), &args.output, &options, job),
        false => {
            let sets = output.resolve(&args.paths)?;
            sets.problems.iter().for_each(|problem| output.problem(problem));
            repair(&sets, &args.output, &options, job)
        }
    })?;
    print(&report, output)?;
    Ok(if report.has_lost() { BAD_DATA } else { GOOD })
}

fn print(report: &RepairReport, output: &Output) -> Result<()> {
    output.result(report, |out| {
        for lost in &report.lost {
            let (path, bytes) = (lost.path.display(), count(lost.bytes, "byte"));
            writeln!(out, "lost {path}, offset {}, {bytes}: {}", lost.offset, lost.reason)?;
        }
        for shard in &report.shards {
            let (records, lost) = (count(shard.records, "record"), count(shard.lost, "span"));
            writeln!(out, "{}: {records}, {lost} lost", shard.output.display())?;
        }
        let (records, lost) = (count(report.records, "record"), human_bytes(report.lost_bytes));
        writeln!(out, "{records} saved, {lost} lost, in {:.2} s", report.seconds)
    })
}
