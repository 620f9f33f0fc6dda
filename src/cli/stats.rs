//! `tfr stats`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};
use tfrkit::dataset::ShardSet;
use tfrkit::example::Kind;
use tfrkit::inspect::{
    Comparison, FeatureStats, Ignored, ImageStats, NumberStats, Stats, StatsOptions, Thresholds, stats, stats_stream,
};
use tfrkit::{Error, ErrorKind, Job, Result};

use super::args::{is_stdin, refuse_set_of_stream};
use super::output::{Output, count, human_bytes, table};
use super::progress::with_bar;
use super::{BAD_DATA, Done, GOOD, interrupt};

/// How many classes are drawn in text; JSON has all.
const SHOWN_CLASSES: usize = 50;
/// How wide a text value may be in a table.
const SHOWN_CHARS: usize = 24;

/// Say what the values are like: ranges, means, quantiles, frequent values, image sizes; or how two sets differ
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("other").multiple(true)))]
pub(super) struct Args {
    /// Shards: files, a directory, a glob, NAME@COUNT, or - for stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// This set only, where there are several
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// List so many of a feature's most frequent values
    #[arg(long, value_name = "N", default_value_t = StatsOptions::default().top)]
    top: usize,
    /// Hold the set against this one: exit code 1 where a feature differs by more than the thresholds
    #[arg(long, value_name = "PATH", num_args = 1.., group = "other")]
    compare: Vec<String>,
    /// The set to hold it against, of those in --compare, or else of those in PATH
    #[arg(long, value_name = "NAME", group = "other")]
    compare_set: Option<String>,
    /// Leave this feature out of the comparison, or `none`; may come several times [default: image/filename,
    /// image/key/sha256, image/source_id, and texts that never come twice]
    #[arg(long, value_name = "NAME", requires = "other")]
    ignore: Vec<String>,
    /// The largest L-infinity distance between shares of values, and between shares of records without a feature
    #[arg(long, value_name = "0..1", requires = "other", default_value_t = Thresholds::default().l_infinity,
        value_parser = fraction)]
    max_l_infinity: f64,
    /// The largest Jensen-Shannon divergence between numbers
    #[arg(long, value_name = "0..1", requires = "other", default_value_t = Thresholds::default().jensen_shannon,
        value_parser = fraction)]
    max_jensen_shannon: f64,
}

fn fraction(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|v| (0.0..=1.0).contains(v));
    value.ok_or_else(|| format!("'{text}' is no number from 0 to 1"))
}

pub(super) fn run(args: &Args, job: Job<'_>, output: &Output) -> Done {
    interrupt::exit_at_once();
    let options = StatsOptions { top: args.top };
    let gather = |set: &ShardSet| with_bar(output, "reading", job, |job| stats(set, &options, job));
    if !args.compare.is_empty() || args.compare_set.is_some() {
        let set = output.resolve(&args.paths)?.one(args.set.as_deref())?;
        let other = other_set(args, &set, output)?;
        let (mine, theirs) = (gather(&set)?, gather(&other)?);
        let Args { max_l_infinity: l_infinity, max_jensen_shannon: jensen_shannon, .. } = *args;
        let found = mine.compare(&theirs, &Thresholds { l_infinity, jensen_shannon }, &ignored(args))?;
        output.result(&found, |out| print_comparison(&found, out))?;
        return Ok(if found.over > 0 { BAD_DATA } else { GOOD });
    }
    let mut sets = BTreeMap::new();
    if is_stdin(&args.paths)? {
        refuse_set_of_stream(args.set.as_deref())?;
        let found = with_bar(output, "reading", job, |job| stats_stream(Box::new(io::stdin()), &options, job))?;
        sets.insert("-".to_owned(), found);
    } else {
        for set in &chosen(args, output)? {
            sets.insert(set.name.clone(), gather(set)?);
        }
    }
    output.result(&json!({ "sets": sets }), |out| {
        for (at, (name, stats)) in sets.iter().enumerate() {
            if at > 0 {
                writeln!(out)?;
            }
            print(name, stats, out)?;
        }
        Ok(())
    })?;
    Ok(GOOD)
}

/// The sets to tell of, each once: one set may lie in several directories.
fn chosen(args: &Args, output: &Output) -> Result<Vec<ShardSet>> {
    let resolved = output.resolve(&args.paths)?;
    if let Some(name) = &args.set {
        return Ok(vec![resolved.one(Some(name))?]);
    }
    let mut sets: Vec<ShardSet> = Vec::new();
    for set in resolved.complete()? {
        match sets.iter_mut().find(|known| known.name == set.name) {
            Some(known) => known.shards.extend(set.shards),
            None => sets.push(set),
        }
    }
    Ok(sets)
}

fn ignored(args: &Args) -> Ignored {
    match &args.ignore[..] {
        [] => Ignored::Identifying,
        [none] if none == "none" => Ignored::Named(Vec::new()),
        names => Ignored::Named(names.to_vec()),
    }
}

/// What `set` is compared with: the set named, or the only one there, or the one of the same name.
fn other_set(args: &Args, set: &ShardSet, output: &Output) -> Result<ShardSet> {
    let wrong = |detail: String, hint: &str| Err(Error::new(ErrorKind::Usage { detail, hint: Some(hint.to_owned()) }));
    let flag = if args.compare_set.is_some() { "--compare-set" } else { "--compare" };
    let resolved = output.resolve(if args.compare.is_empty() { &args.paths } else { &args.compare })?;
    let same = args.set.as_deref().filter(|name| resolved.sets.iter().any(|set| set.name == *name));
    let other = match resolved.one(args.compare_set.as_deref().or(same)) {
        Ok(other) => other,
        Err(e) => match e.kind() {
            ErrorKind::Usage { detail, .. } => {
                return wrong(format!("{flag}: {detail}"), "name one with `--compare-set NAME`");
            }
            _ => return Err(e),
        },
    };
    let real = |set: &ShardSet| set.shards.iter().map(|shard| shard.canonicalize().ok()).collect::<Vec<_>>();
    match real(&other) == real(set) {
        true => wrong(
            format!("{flag}: the set '{}' is held against itself", set.name),
            "name the other set with `--compare-set NAME`, or the shards of another with `--compare PATH`",
        ),
        false => Ok(other),
    }
}

fn print(name: &str, stats: &Stats, out: &mut dyn Write) -> io::Result<()> {
    let message = stats.message.map_or("nothing", |m| m.name());
    write!(out, "{name}: {} of {message}", count(stats.records, "record"))?;
    if let Some(bytes) = &stats.payload_bytes {
        let [min, mean, max] = [bytes.min, bytes.mean, bytes.max].map(|b| human_bytes(b as u64));
        write!(out, ", {min} to {max} each, {mean} on average")?;
    }
    writeln!(out)?;
    if stats.without_lists > 0 {
        writeln!(out, "{} without feature lists, as Examples", count(stats.without_lists, "record"))?;
    }
    if stats.unreadable > 0 {
        writeln!(out, "{} no such message, and left out", count(stats.unreadable, "record"))?;
    }
    let lists = stats.feature_lists.iter().map(|(name, feature)| (format!("{name} (sequence)"), feature));
    let features: Vec<(String, &FeatureStats)> =
        stats.features.iter().map(|(name, feature)| (name.clone(), feature)).chain(lists).collect();
    if features.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let header = ["feature", "kind", "missing", "values", "min", "5 %", "median", "95 %", "max", "mean", "std", "of"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (name, feature) in &features {
        rows.extend(number_rows(name, feature));
    }
    table(out, &rows, &[2, 3, 4, 5, 6, 7, 8, 9, 10])?;
    for (name, feature) in &features {
        if let Some(images) = &feature.images {
            let formats = images.formats.iter().map(|(format, n)| format!("{n} {format}"));
            writeln!(out, "\n{name}: {}", formats.collect::<Vec<_>>().join(", "))?;
        }
    }
    print_top(&features, stats.labels.is_empty(), out)?;
    print_labels(stats, out)
}

/// A row for what is told of the feature, and one for each width, height and aspect of its images.
fn number_rows(name: &str, feature: &FeatureStats) -> Vec<Vec<String>> {
    let kinds: Vec<&str> = std::iter::once(&feature.kind).chain(&feature.other_kinds).map(|k| k.name()).collect();
    let lengths = feature.lengths.as_ref().map_or(String::new(), |l| range(l.min, l.max));
    let values = match &feature.steps {
        Some(steps) => format!("{} x {lengths}", range(steps.min, steps.max)),
        None => lengths,
    };
    let head = vec![name.to_owned(), kinds.join(", "), percent(feature.missing), values];
    let (numbers, what) = match (&feature.byte_lengths, feature.kind) {
        (Some(lengths), Kind::Bytes) => (Some(lengths), "bytes".to_owned()),
        _ => (feature.numbers.as_ref(), finite(feature)),
    };
    let mut rows = vec![row(head, numbers, what)];
    if let Some(ImageStats { width, height, aspect, .. }) = &feature.images {
        for (numbers, what) in [(height, "height"), (width, "width"), (aspect, "width / height")] {
            rows.push(row(vec![String::new(); 4], numbers.as_ref(), what.to_owned()));
        }
    }
    rows
}

fn row(mut row: Vec<String>, numbers: Option<&NumberStats>, what: String) -> Vec<String> {
    match numbers {
        Some(NumberStats { min, max, mean, std, quantiles: [_, low, _, median, _, high, _], .. }) => {
            row.extend([min, low, median, high, max, mean, std].map(|v| short(*v)));
        }
        None => row.extend(std::iter::repeat_n("-".to_owned(), 7)),
    }
    row.push(what);
    row
}

/// How many values the numbers of a row are of, and what the others are.
fn finite(feature: &FeatureStats) -> String {
    let FeatureStats { nan, infinite, negative_infinite, .. } = *feature;
    let finite = feature.numbers.as_ref().map_or(0, |n| n.count);
    let others = [(nan, "NaN"), (infinite - negative_infinite, "+inf"), (negative_infinite, "-inf")];
    let others: Vec<String> = others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    match others.is_empty() {
        true => count(finite, "value"),
        false => format!("{finite} of {}; {}", count(finite + nan + infinite, "value"), others.join(", ")),
    }
}

fn print_top(features: &[(String, &FeatureStats)], labels: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = vec![["feature", "different", "most frequent"].map(str::to_owned).to_vec()];
    for (name, feature) in features {
        // A value that is not frequent says nothing, and labels have a list of their own.
        let own_list = !labels && matches!(&name[..], "label" | "image/class/label");
        if own_list || feature.top.first().is_none_or(|top| top.count < 2) {
            continue;
        }
        let distinct = feature.distinct.map_or("-".to_owned(), |n| n.to_string());
        let top: Vec<String> = feature.top.iter().map(|t| format!("{} ({})", shown_value(&t.value), t.count)).collect();
        rows.push(vec![name.clone(), distinct, top.join(", ")]);
    }
    if rows.len() == 1 {
        return Ok(());
    }
    writeln!(out)?;
    table(out, &rows, &[1])
}

fn print_labels(stats: &Stats, out: &mut dyn Write) -> io::Result<()> {
    let Some(most) = stats.labels.iter().map(|l| l.count).max() else { return Ok(()) };
    writeln!(out)?;
    let mut rows = vec![["label", "class", "records", ""].map(str::to_owned).to_vec()];
    for label in stats.labels.iter().take(SHOWN_CLASSES) {
        let bar = "#".repeat((label.count * 40).div_ceil(most.max(1)) as usize);
        let name = label.name.as_deref().unwrap_or("(no class)");
        rows.push(vec![label.label.to_string(), name.to_owned(), label.count.to_string(), bar]);
    }
    table(out, &rows, &[0, 2])?;
    match stats.labels.len().saturating_sub(SHOWN_CLASSES) {
        0 => Ok(()),
        more => writeln!(out, "... and {} more (all with --json)", count(more as u64, "class")),
    }
}

fn print_comparison(found: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let [mine, theirs] = found.records.map(|n| count(n, "record"));
    writeln!(out, "{mine} beside {theirs}\n")?;
    let header = ["", "feature", "kind", "missing", "not finite", "L-infinity", "at", "Jensen-Shannon"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (name, difference) in &found.features {
        let kinds = difference.kind.map(|kind| kind.map_or("none", |k| k.name()));
        let both = |[a, b]: [String; 2]| if a == b { a } else { format!("{a}, {b}") };
        let number = |n: Option<f64>| n.map_or(String::new(), |n| format!("{n:.4}"));
        rows.push(vec![
            if difference.over { "differs" } else { "" }.to_owned(),
            name.clone(),
            both(kinds.map(str::to_owned)),
            both(difference.missing.map(percent)),
            match difference.not_finite {
                [0.0, 0.0] => String::new(),
                shares => both(shares.map(percent)),
            },
            number(difference.l_infinity),
            difference.l_infinity_value.as_ref().map_or(String::new(), shown_value),
            number(difference.jensen_shannon),
        ]);
    }
    table(out, &rows, &[5, 7])?;
    writeln!(out, "\n{} over the thresholds", count(found.over, "feature"))?;
    match &found.ignored[..] {
        [] => Ok(()),
        names => writeln!(out, "left out: {} (`--ignore` chooses)", names.join(", ")),
    }
}

fn range(min: f64, max: f64) -> String {
    if min == max { min.to_string() } else { format!("{min} to {max}") }
}

fn percent(share: f64) -> String {
    // No feature that is missing somewhere is missing in 0 %.
    if share > 0.0 && share < 0.001 { "< 0.1 %".to_owned() } else { format!("{:.1} %", share * 100.0) }
}

/// A number in a few digits.
fn short(value: f64) -> String {
    match value.abs() {
        _ if value == value.trunc() && value.abs() < 1e9 => format!("{value}"),
        0.01..1e6 => {
            let digits = (4 - value.abs().log10().floor() as i32).clamp(0, 5) as usize;
            format!("{value:.digits$}")
        }
        _ => format!("{value:.3e}"),
    }
}

/// A value on a line of a table.
fn shown_value(value: &Value) -> String {
    let Value::String(text) = value else { return value.to_string() };
    let mut shown: String = text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push_str("...");
    }
    format!("'{shown}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (-3.0, "-3"),
            (123_456_789.0, "123456789"),
            (0.123456, "0.12346"),
            (127.4567, "127.46"),
            (99_999.6, "100000"),
            (1.5e9, "1.500e9"),
            (0.000123, "1.230e-4"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
        assert_eq!(shown_value(&json!("a\tb")), "'a\\tb'");
        assert_eq!(shown_value(&json!("x".repeat(30))), format!("'{}...'", "x".repeat(24)));
        assert_eq!(
            (percent(0.0), percent(0.00001), percent(0.25)),
            ("0.0 %".into(), "< 0.1 %".into(), "25.0 %".into())
        );
    }
}
