//! `tfr convert`.

use std::path::PathBuf;

use clap::ValueEnum;
use tfrkit::convert::{
    ConvertOptions, ConvertReport, DryRun, Exif, Layout, MinSize, OnError, PassedOver, Reencode, Verify, convert,
    dry_run,
};
use tfrkit::record::Compression;
use tfrkit::{Error, ErrorKind, Job};

use super::args::{ExistingArgs, LimitArgs, ShardArgs, Split, SplitParser};
use super::output::{Output, count, human_bytes, one_line, shown};
use super::progress::with_bar;
use super::{BAD_DATA, Done, GOOD, interrupt};

/// How many classes the last line of a dry run names.
const SHOWN_CLASSES: usize = 20;

/// Turn a directory or a list of images into TFRecord shards
#[derive(clap::Args)]
#[command(after_help = "\
SRC holds a folder of images for each class; or a folder for each split, which holds the class folders, or images alone:
then its set has no labels. Splits are named train, training, val, valid, validation, dev, eval, evaluation, test, testing,
holdout or unlabeled, in capitals or not; a set is called as its folder is. Where it cannot be known what the folders are,
`--layout` says it, and `--dry-run` shows what is understood. Or SRC is annotated: a list (.csv, .tsv, .jsonl), a COCO
dataset or its .json, a VOC directory. JPEG and PNG files are stored as they are, byte for byte. Files whose names are not
an image's are passed over and counted.

A list has a column (a JSONL line, a key) `path`, the image below the list's folder; and it may have `label` (or, without
it, `class`), a class number or name; `text`, the class name; `split`, the set; `boxes`, a JSON list of {\"xmin\", \"ymin\", \"xmax\", \"ymax\",
\"label\", \"text\"} in parts of the image's size, 0 to 1. Any further column becomes a feature of its name.
COCO and VOC give image/object/bbox/{xmin,ymin,xmax,ymax} in parts of the image's size and
image/object/class/{label,text}. The Object Detection API wants labels from 1: `--label-offset 1`. The corners of VOC
are divided as they are, counting pixels from 1, as its own scripts do.

Examples:
  tfr convert photos shards --dry-run
  tfr convert photos shards --shards 8
  tfr convert photos shards --split train=0.8,val=0.1,test=0.1
  tfr convert photos shards --on-error skip --compression gzip
  tfr convert photos.csv shards
  tfr convert coco shards --label-offset 1
  tfr convert photos shards --layout flat")]
pub(super) struct Args {
    /// The directory of images, or the list of them
    src: PathBuf,
    /// The directory for the shards; made where it is missing
    out: PathBuf,
    /// The name of the only set [default: train]
    #[arg(long, value_name = "NAME", conflicts_with = "split")]
    name: Option<String>,
    /// What SRC is; flat takes every image below it, without labels
    #[arg(long, value_enum, default_value = "auto")]
    layout: LayoutArg,
    #[command(flatten)]
    shards: ShardArgs,
    /// Sets and their shares, such as train=0.8,val=0.2; each class is split by them, to within one image
    #[arg(long, value_name = "SHARES", value_parser = SplitParser)]
    split: Option<Split>,
    /// The seed of shuffle and split
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Keep the records sorted by path, or in the list's order
    #[arg(long)]
    no_shuffle: bool,
    /// Class names in the order of their numbers, one a line
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The number of the first class
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..=1_000_000))]
    label_offset: i64,
    /// The shards' compression
    #[arg(long, value_name = "none|gzip|zlib", default_value = "none")]
    compression: Compression,
    /// Let a list, COCO or VOC name images outside its own folder: `../`, absolute paths, links that lead out
    #[arg(long)]
    allow_outside: bool,
    /// How each image is checked: its structure to the last marker, every pixel decoded, or its first bytes
    #[arg(long, value_enum, default_value = "header")]
    verify: VerifyArg,
    /// What to do about a file that cannot be stored: stop, or leave it out and list it
    #[arg(long, value_enum, default_value = "fail")]
    on_error: OnErrorArg,
    /// Stop when more than N files were left out
    #[arg(long, value_name = "N", requires = "on_error")]
    max_errors: Option<u64>,
    /// Leave out files whose bytes another file has; of several, the first one stays (train before val before test)
    #[arg(long)]
    dedupe: bool,
    /// Leave out images whose shorter side has fewer than PX pixels, or that are smaller than WxH
    #[arg(long, value_name = "PX|WxH")]
    min_size: Option<MinSize>,
    /// Leave out images whose longer side is more than R times the shorter one
    #[arg(long, value_name = "R", value_parser = parse_aspect)]
    max_aspect: Option<f64>,
    /// An EXIF orientation stays in the file, or is applied: such images are turned upright and encoded anew, JPEG with
    /// some loss
    #[arg(long, value_enum, default_value = "keep")]
    exif: ExifArg,
    /// Make larger images smaller, so that their shorter side has PX pixels. They are encoded anew and upright, without
    /// other metadata
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    resize_shorter: Option<u32>,
    /// The JPEG quality of images encoded anew [default: 90]
    #[arg(long, value_name = "Q", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
    /// Store images that are neither JPEG nor PNG (GIF, BMP, WebP, TIFF) as PNG
    #[arg(long, value_enum)]
    reencode: Option<ReencodeArg>,
    /// Read and check everything, show what is understood and every bad file, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    existing: ExistingArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum LayoutArg {
    Auto,
    Classes,
    Splits,
    Flat,
    Csv,
    Jsonl,
    Coco,
    Voc,
}

#[derive(Clone, Copy, ValueEnum)]
enum VerifyArg {
    Header,
    Decode,
    None,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(super) enum OnErrorArg {
    Fail,
    Skip,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum ExifArg {
    Keep,
    Bake,
}

#[derive(Clone, Copy, ValueEnum)]
enum ReencodeArg {
    Png,
}

fn parse_aspect(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(aspect) if aspect >= 1.0 && f64::is_finite(aspect) => Ok(aspect),
        _ => Err(format!("'{text}' is no number from 1 on")),
    }
}

impl Args {
    fn options(&self) -> Result<ConvertOptions, Error> {
        if self.quality.is_some() && self.resize_shorter.is_none() && self.exif == ExifArg::Keep {
            return Err(Error::new(ErrorKind::Usage {
                detail: "--quality is for JPEGs encoded anew, and none is".to_owned(),
                hint: Some("give it with `--resize-shorter` or `--exif bake`".to_owned()),
            }));
        }
        let defaults = ConvertOptions::new(&self.src, &self.out);
        Ok(ConvertOptions {
            name: self.name.clone(),
            layout: match self.layout {
                LayoutArg::Auto => Layout::Auto,
                LayoutArg::Classes => Layout::Classes,
                LayoutArg::Splits => Layout::Splits,
                LayoutArg::Flat => Layout::Flat,
                LayoutArg::Csv => Layout::Csv,
                LayoutArg::Jsonl => Layout::Jsonl,
                LayoutArg::Coco => Layout::Coco,
                LayoutArg::Voc => Layout::Voc,
            },
            shards: self.shards.count(),
            split: self.split.clone().map(|s| s.0).unwrap_or_default(),
            seed: self.seed,
            shuffle: !self.no_shuffle,
            labels: self.labels.clone(),
            label_offset: self.label_offset,
            compression: self.compression,
            allow_outside: self.allow_outside,
            verify: match self.verify {
                VerifyArg::Header => Verify::Header,
                VerifyArg::Decode => Verify::Decode,
                VerifyArg::None => Verify::None,
            },
            on_error: match self.on_error {
                OnErrorArg::Fail => OnError::Fail,
                OnErrorArg::Skip => OnError::Skip(self.max_errors.unwrap_or(u64::MAX)),
            },
            dedupe: self.dedupe,
            min_size: self.min_size,
            max_aspect: self.max_aspect,
            exif: match self.exif {
                ExifArg::Keep => Exif::Keep,
                ExifArg::Bake => Exif::Bake,
            },
            resize_shorter: self.resize_shorter.map(|px| px as usize),
            quality: self.quality.unwrap_or(defaults.quality),
            reencode: if self.reencode.is_some() { Reencode::Png } else { Reencode::No },
            limits: self.limits.limits(),
            existing: self.existing.existing(),
            ..defaults
        })
    }
}

pub(super) fn run(args: &Args, job: Job<'_>, output: &Output) -> Done {
    let stop = interrupt::flag();
    let job = Job { stop: Some(&stop), ..job };
    let options = args.options()?;
    if args.dry_run {
        let found = with_bar(output, "reading", job, |job| dry_run(&options, job))?;
        print_dry_run(&found, output)?;
        return Ok(if found.passes { GOOD } else { BAD_DATA });
    }
    let report = with_bar(output, "converting", job, |job| convert(&options, job));
    let report = report.inspect_err(|e| output.how_to_go_on(e, args.existing.existing()))?;
    print(&report, args, output)?;
    Ok(GOOD)
}

/// Says what a person should know of a source.
fn warn(warnings: &[String], passed_over: &PassedOver, output: &Output) {
    for warning in warnings {
        output.warning(warning);
    }
    if passed_over.files > 0 {
        output.note(passed_over);
    }
}

fn print_dry_run(found: &DryRun, output: &Output) -> Result<(), Error> {
    warn(&found.warnings, &found.passed_over, output);
    output.result(found, |out| {
        for bad in &found.skipped {
            writeln!(out, "bad: {}: {}", one_line(&bad.path), bad.reason)?;
        }
        writeln!(out, "read as {}", found.layout)?;
        for (set, planned) in &found.planned {
            let records = found.sets.get(set).copied().unwrap_or_default();
            let (shards, bytes) = (count(planned.shards, "shard"), human_bytes(planned.source_bytes));
            write!(out, "{set}: {} in {shards} ({bytes})", count(records, "record"))?;
            if planned.unlabelled > 0 {
                write!(out, ", {} without a class", planned.unlabelled)?;
            }
            if planned.objects > 0 {
                write!(out, ", {}", count(planned.objects, "object"))?;
            }
            writeln!(out)?;
            for (class, records) in &planned.classes {
                writeln!(out, "  {}: {records}", one_line(class))?;
            }
        }
        if !found.classes.is_empty() {
            let named: Vec<_> = found.classes.iter().take(SHOWN_CLASSES).map(|class| one_line(class)).collect();
            let more = match found.classes.len().saturating_sub(SHOWN_CLASSES) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            writeln!(out, "{}: {}{more}", count(found.classes.len() as u64, "class"), named.join(", "))?;
        }
        let left_out = [
            (found.skipped.len(), "bad file", ""),
            (found.filtered.len(), "image", " filtered by size (--json lists them)"),
            (found.duplicates.len(), "duplicate", " left out (--json lists them)"),
        ];
        for (n, what, how) in left_out.into_iter().filter(|(n, ..)| *n > 0) {
            writeln!(out, "{}{how}", count(n as u64, what))?;
        }
        writeln!(out, "nothing was written: {} in {:.2} s", count(found.records, "record"), found.seconds)
    })
}

fn print(report: &ConvertReport, args: &Args, output: &Output) -> Result<(), Error> {
    warn(&report.warnings, &report.passed_over, output);
    if !report.skipped.is_empty() {
        output.warning(format_args!("{} left out (--on-error skip)", count(report.skipped.len() as u64, "bad file")));
    }
    output.result(report, |out| {
        for skipped in &report.skipped {
            writeln!(out, "left out {}: {}", one_line(&skipped.path), skipped.reason)?;
        }
        for (set, records) in &report.sets {
            writeln!(out, "{set}: {}", count(*records, "record"))?;
        }
        let bytes = report.shards.iter().map(|s| s.bytes).sum();
        let classes = match report.classes.len() as u64 {
            0 => String::new(),
            n => format!(" of {}", count(n, "class")),
        };
        writeln!(
            out,
            "{} in {} ({}){classes} written to {} in {:.2} s",
            count(report.records, "record"),
            count(report.shards.len() as u64, "shard"),
            human_bytes(bytes),
            shown(&args.out),
            report.seconds,
        )?;
        let left_out = [
            (report.filtered.len(), "image", "filtered by size (--json lists them)"),
            (report.duplicates.len(), "duplicate", "left out (--json lists them)"),
        ];
        for (n, what, how) in left_out.into_iter().filter(|(n, ..)| *n > 0) {
            writeln!(out, "{} {how}", count(n as u64, what))?;
        }
        Ok(())
    })
}
