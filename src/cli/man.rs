//! `tfr man`: the manual's pages.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap_mangen::Man;
use serde::Serialize;
use tfrkit::Error;

use super::args::refuse_file;
use super::help::command;
use super::out::write_whole;
use super::output::{Output, count, shown};
use super::{Done, GOOD};

/// Write manual pages, one for tfr and one for each verb
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tfr man ~/.local/share/man/man1    (then `man tfr` and `man tfr-convert`)
  tfr man . && man -l tfr.1")]
pub(super) struct Args {
    /// The directory; made where it is missing
    dir: PathBuf,
}

#[derive(Serialize)]
struct Report {
    pages: Vec<String>,
}

pub(super) fn run(args: &Args, output: &Output) -> Done {
    refuse_file(&args.dir, "the pages")?;
    fs::create_dir_all(&args.dir).map_err(|e| Error::from(e).at_path(&args.dir))?;
    let mut tfr = command().disable_help_subcommand(true);
    // Gives every verb the flags of all verbs and its name in full.
    tfr.build();
    let mut pages = Vec::new();
    for verb in tfr.get_subcommands() {
        pages.push(write_page(&args.dir, verb.clone())?);
    }
    pages.push(write_page(&args.dir, tfr)?);
    pages.sort();
    let report = Report { pages };
    output.result(&report, |out| {
        writeln!(out, "{} written to {}", count(report.pages.len() as u64, "page"), shown(&args.dir))
    })?;
    Ok(GOOD)
}

fn write_page(dir: &Path, command: clap::Command) -> Result<String, Error> {
    let man = Man::new(command).source(concat!("tfr ", env!("CARGO_PKG_VERSION"))).manual("tfr manual");
    let mut page = Vec::new();
    man.render(&mut page)?;
    let path = dir.join(man.get_filename());
    write_whole(&path, |file| file.write_all(&page))?;
    Ok(path.to_string_lossy().into_owned())
}
