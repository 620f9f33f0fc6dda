//! `tfr cat`.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use clap::ValueEnum;
use tfrkit::inspect::{CatOptions, CatRecord, ShownRecord, cat, cat_stream};
use tfrkit::{Error, ErrorKind, Job, Result};

use super::args::{WhereArg, is_stdin};
use super::output::{Output, one_line};
use super::pretty::Pretty;
use super::{Done, GOOD, interrupt};

/// Show records, a line of JSON each (indented on a terminal); long bytes as length, SHA-256 and type
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tfr cat shards -n 3
  tfr cat shards --feature image/class/label --feature image/class/text --format tsv
  tfr cat shards --feature image/class/text --format plain | sort | uniq -c
  tfr cat shards -n 1 --raw --feature image/encoded > first.jpg")]
pub(super) struct Args {
    /// Shards: files, a directory, a glob, NAME@COUNT, or - for stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    #[command(flatten)]
    condition: WhereArg,
    /// Show N records at most
    #[arg(short = 'n', long = "count", value_name = "N")]
    count: Option<u64>,
    /// Pass over the first K records, without reading more of them than their headers where that can be
    #[arg(long, value_name = "K", default_value_t = 0)]
    skip: u64,
    /// Show this feature or feature list, and no others; may come several times
    #[arg(long, value_name = "NAME")]
    feature: Vec<String>,
    /// The form of a record: json, a line each; tsv, a row of path, record, offset and the features named, below a header;
    /// plain, the values of the features named alone, or else a line for each feature
    #[arg(long, value_enum, default_value = "json", conflicts_with = "raw")]
    format: Format,
    /// Write the bytes themselves: of the payload, or of the feature
    #[arg(long)]
    raw: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Tsv,
    Plain,
}

/// `limit` is how many records are shown where the arguments do not say.
pub(super) fn run(args: &Args, limit: Option<u64>, job: Job<'_>, output: &Output) -> Done {
    interrupt::exit_at_once();
    check(args, output)?;
    let filter = args.condition.filter()?;
    let features = args.feature.clone();
    let options = CatOptions { filter, skip: args.skip, limit: args.count.or(limit), features };
    let mut printer = Printer::new(args, output);
    let mut show = |record: CatRecord<'_>| printer.show(&record);
    let shown = match is_stdin(&args.paths)? {
        true => cat_stream(Box::new(io::stdin()), options, &job, &mut show),
        false => cat(&output.resolve(&args.paths)?.complete()?, options, &job, &mut show),
    };
    // What was shown before an error is seen before it; what waits in the buffer is an error here, or lost in silence.
    printer.out.flush()?;
    shown?;
    Ok(GOOD)
}

/// Refuses what does not go together.
fn check(args: &Args, output: &Output) -> Result<()> {
    let wrong = |detail: &str, hint: &str| {
        Err(Error::new(ErrorKind::Usage { detail: detail.to_owned(), hint: Some(hint.to_owned()) }))
    };
    match args.format {
        Format::Tsv if args.feature.is_empty() => {
            wrong("--format tsv has a column for each feature named, and none is", "name features with `--feature`")
        }
        Format::Tsv | Format::Plain if output.json => {
            wrong("--json and another --format exclude each other", "leave one of them out")
        }
        _ if args.raw && args.feature.len() > 1 => {
            wrong("--raw writes the bytes of one feature, and several are named", "name one with `--feature`")
        }
        _ => Ok(()),
    }
}

/// Writes records to stdout, by way of one buffer; on a terminal each at once.
struct Printer<'a> {
    args: &'a Args,
    out: BufWriter<StdoutLock<'static>>,
    pretty: Option<Pretty>,
    is_watched: bool,
    is_begun: bool,
}

impl<'a> Printer<'a> {
    fn new(args: &'a Args, output: &Output) -> Self {
        let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        let pretty = if output.json { None } else { Pretty::of_stdout() };
        Printer { args, out, pretty, is_watched: io::stdout().is_terminal(), is_begun: false }
    }

    fn show(&mut self, record: &CatRecord<'_>) -> Result<()> {
        match (self.args.raw, &self.args.feature[..]) {
            (true, []) => self.out.write_all(record.payload)?,
            (true, [feature, ..]) => {
                record.values(feature)?.iter().try_for_each(|value| self.out.write_all(value))?;
            }
            (false, _) => self.write(&record.shown())?,
        }
        if self.is_watched {
            self.out.flush()?;
        }
        Ok(())
    }

    fn write(&mut self, record: &ShownRecord<'_>) -> Result<()> {
        let features = &self.args.feature;
        match (self.args.format, self.pretty) {
            (Format::Json, Some(pretty)) => pretty.write(&mut self.out, record)?,
            (Format::Json, None) => {
                serde_json::to_writer(&mut self.out, record).map_err(io::Error::from)?;
                writeln!(self.out)?;
            }
            (Format::Tsv, _) => {
                if !self.is_begun {
                    let names = features.iter().map(|name| one_line(name));
                    writeln!(self.out, "path\trecord\toffset\t{}", names.collect::<Vec<_>>().join("\t"))?;
                }
                let path = record.path().to_string_lossy();
                write!(self.out, "{}\t{}\t{}\t", one_line(&path), record.record(), record.offset())?;
                writeln!(self.out, "{}", cells(record, features)?)?;
            }
            (Format::Plain, _) if !features.is_empty() => writeln!(self.out, "{}", cells(record, features)?)?,
            (Format::Plain, _) => {
                if self.is_begun {
                    writeln!(self.out)?;
                }
                let path = record.path().to_string_lossy();
                writeln!(self.out, "{}, record {}, offset {}", one_line(&path), record.record(), record.offset())?;
                for name in record.names() {
                    let text = record.text(name)?.unwrap_or_else(|| "(without a kind)".to_owned());
                    writeln!(self.out, "  {}: {}", one_line(name), one_line(&text))?;
                }
                if let Some(raw) = record.raw() {
                    writeln!(self.out, "  {}", one_line(&raw))?;
                }
            }
        }
        self.is_begun = true;
        Ok(())
    }
}

/// The values of features as cells of a row; nothing in the cell of one that the record lacks.
fn cells(record: &ShownRecord<'_>, features: &[String]) -> Result<String> {
    let cell = |name: &String| Ok(one_line(&record.text(name)?.unwrap_or_default()).into_owned());
    Ok(features.iter().map(cell).collect::<Result<Vec<_>>>()?.join("\t"))
}
