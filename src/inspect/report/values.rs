//! The section on the values of sets without images: numbers, how they are spread, texts.

use std::collections::BTreeMap;

use super::charts::{Bar, Chart, Tick};
use super::gather::Facts;
use super::html::{Count, Counted, Text, number, percent, put};
use super::tally::shorten;
use crate::error::Result;
use crate::example::ExampleView;
use crate::inspect::message::MessageType;
use crate::inspect::stats::{FeatureStats, NumberStats, Sampled, Stats, TopValue};

/// Features in a table, charts, texts of a feature.
const MOST_FEATURES: usize = 200;
const MOST_CHARTS: usize = 24;
const MOST_TEXTS: usize = 5;
/// Bars of a chart.
const BARS: usize = 24;
/// Longer texts are not counted one by one: some of them are shown.
const COUNTED_BYTES: usize = 128;
/// So many times as far apart as all but 2 % of them, numbers have outliers, which would leave one bar of the rest.
const OUTLYING: f64 = 10.0;

/// What is gathered of the records looked at.
#[derive(Default)]
pub(super) struct Values {
    sampled: Sampled,
    /// The first few long texts of a feature.
    texts: BTreeMap<String, Vec<String>>,
}

impl Values {
    /// Takes in a record.
    pub(super) fn add(&mut self, payload: &[u8], message: MessageType) -> Result<()> {
        self.sampled.add(payload, message);
        ExampleView::new(payload).for_each(|name, feature| {
            let texts = feature.as_ref().and_then(|feature| feature.bytes().ok()).into_iter().flatten();
            for text in texts.filter_map(|bytes| std::str::from_utf8(bytes.ok()?).ok()) {
                if text.len() > COUNTED_BYTES && text.chars().all(|c| !c.is_control() || c.is_whitespace()) {
                    push(&mut self.texts, name, shorten(text));
                }
            }
        })
    }

    /// Takes in what was gathered of the records that follow.
    pub(super) fn merge(&mut self, other: Values) {
        self.sampled.merge(other.sampled);
        for (name, texts) in other.texts {
            texts.into_iter().for_each(|text| push(&mut self.texts, &name, text));
        }
    }

    /// What is told of them; `None` where no record was looked at.
    pub(super) fn told(self) -> Option<ToldValues> {
        let stats = self.sampled.into_stats(MOST_TEXTS);
        (stats.records > 0).then_some(ToldValues { stats, texts: self.texts })
    }
}

fn push(texts: &mut BTreeMap<String, Vec<String>>, name: &str, text: String) {
    if !texts.contains_key(name) && texts.len() < MOST_FEATURES {
        texts.insert(name.to_owned(), Vec::new());
    }
    if let Some(texts) = texts.get_mut(name).filter(|texts| texts.len() < MOST_TEXTS && !texts.contains(&text)) {
        texts.push(text);
    }
}

pub(super) struct ToldValues {
    stats: Stats,
    texts: BTreeMap<String, Vec<String>>,
}

pub(super) fn section(out: &mut String, facts: &Facts, values: &ToldValues) {
    let stats = &values.stats;
    out.push_str("<section id=\"values\"><h2>Values</h2>");
    if stats.records < facts.payloads.count {
        let records = Counted(stats.records, "record");
        put!(out, "<p>As {records} tell, drawn evenly from all sets; <code>tfr stats</code> looks at every one.</p>");
    }
    let lists = stats.feature_lists.iter().map(|(name, feature)| (name.as_str(), feature, " <small>steps</small>"));
    let all = stats.features.iter().map(|(name, feature)| (name.as_str(), feature, "")).chain(lists);
    let all: Vec<(&str, &FeatureStats, &str)> = all.take(MOST_FEATURES).collect();
    numbers(out, &all);
    let spread = all.iter().filter_map(|(name, feature, _)| Some((*name, *feature, feature.numbers.as_ref()?)));
    let spread: Vec<_> = spread.filter(|(_, _, numbers)| numbers.min < numbers.max).collect();
    if !spread.is_empty() {
        out.push_str("<div class=\"charts\">");
        spread.iter().take(MOST_CHARTS).for_each(|(name, feature, numbers)| histogram(out, name, feature, numbers));
        out.push_str("</div>");
    }
    if spread.len() > MOST_CHARTS {
        put!(
            out,
            "<p class=\"more\">… and {} without a chart.</p>",
            Counted((spread.len() - MOST_CHARTS) as u64, "feature")
        );
    }
    texts(out, &all, values);
    out.push_str("</section>");
}

fn numbers(out: &mut String, features: &[(&str, &FeatureStats, &str)]) {
    let told = |f: &FeatureStats| f.numbers.is_some() || f.nan + f.infinite > 0;
    let rows: Vec<_> = features.iter().filter(|(_, feature, _)| told(feature)).collect();
    if rows.is_empty() {
        return;
    }
    out.push_str("<div class=\"scroll\" role=\"region\" aria-label=\"Numbers\" tabindex=\"0\"><table><thead><tr>");
    out.push_str("<th scope=\"col\">Numbers</th>");
    for name in ["Missing", "Different", "Min", "Median", "Mean", "Max", "Std", "NaN", "Infinite"] {
        put!(out, "<th scope=\"col\" class=\"num\">{name}</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for (name, feature, note) in rows {
        put!(out, "<tr><th scope=\"row\"><code>{}</code>{note}</th>", Text(&shorten(name)));
        put!(out, "<td class=\"num\">{}</td>", missing(feature));
        put!(out, "<td class=\"num\">{}</td>", feature.distinct.map_or("–".to_owned(), |n| Count(n).to_string()));
        let cells = match &feature.numbers {
            Some(n) => [n.min, n.quantiles[3], n.mean, n.max, n.std].map(number),
            None => [const { String::new() }; 5].map(|_| "–".to_owned()),
        };
        cells.iter().for_each(|cell| put!(out, "<td class=\"num\">{cell}</td>"));
        put!(
            out,
            "<td class=\"num\">{}</td><td class=\"num\">{}</td></tr>",
            Count(feature.nan),
            Count(feature.infinite)
        );
    }
    out.push_str("</tbody></table></div>");
}

fn missing(feature: &FeatureStats) -> String {
    // A share of the records looked at, as `percent` tells it.
    percent((feature.missing * 1e6).round() as u64, 1_000_000)
}

fn histogram(out: &mut String, name: &str, feature: &FeatureStats, numbers: &NumberStats) {
    let [low, .., high] = numbers.quantiles;
    let is_whole = feature.int_range.is_some();
    let has_outliers = high > low && numbers.max - numbers.min > OUTLYING * (high - low);
    let (min, max) = if has_outliers { (low, high) } else { (numbers.min, numbers.max) };
    let (start, width, bars) = match max - min {
        // As many whole numbers in each bar: else some bars would have one more than their neighbours.
        range if is_whole && range < 1e15 => {
            let each = ((range + 1.0) / BARS as f64).ceil();
            (min - 0.5, each, ((range + 1.0) / each).ceil() as usize)
        }
        range => (min, range / BARS as f64, BARS),
    };
    let edge = |i: usize| start + width * i as f64;
    // What lies on an edge is counted below it: the smallest has its place nevertheless.
    let edges: Vec<f64> = (0..=bars).map(|i| if i == 0 { start.next_down() } else { edge(i).max(start) }).collect();
    let mut shares = feature.shares(&edges);
    // Rounding must not push the largest out.
    if let (false, Some(beyond)) = (has_outliers, shares.pop())
        && let Some(last) = shares.last_mut()
    {
        *last += beyond;
    }
    let bar = |(i, share): (usize, &f64)| {
        let name = match (is_whole && range_is_exact(width), width) {
            (true, 1.0) => number(edge(i) + 0.5),
            (true, _) => format!("{} to {}", number(edge(i) + 0.5), number(edge(i + 1) - 0.5)),
            (false, _) => format!("{} to {}", number(edge(i)), number(edge(i + 1))),
        };
        Bar { count: (share * numbers.count as f64).round() as u64, name }
    };
    let all: Vec<Bar> = shares.iter().skip(1).take(bars).enumerate().map(bar).collect();
    let drawn: u64 = all.iter().map(|bar| bar.count).sum();
    let mut caption = format!("{}, {} on average.", Counted(numbers.count, "value"), number(numbers.mean));
    if has_outliers {
        put!(
            caption,
            " Drawn from {} to {}: {} beyond.",
            number(min),
            number(max),
            Count(numbers.count.saturating_sub(drawn))
        );
    }
    let title = Text(&shorten(name)).to_string();
    Chart { title: &title, x_title: "value", y_title: "values", caption: &caption }.histogram(
        out,
        &all,
        &ticks(start, start + width * bars as f64),
    );
}

/// Whether bars of this width are parted between whole numbers.
fn range_is_exact(width: f64) -> bool {
    width == width.trunc() && width < 1e15
}

/// Marks at round numbers.
fn ticks(low: f64, high: f64) -> Vec<Tick> {
    let range = (high - low).max(f64::MIN_POSITIVE);
    let power = libm::pow(10.0, libm::floor(libm::log10(range / 5.0)));
    let step = [1.0, 2.0, 5.0, 10.0].iter().map(|n| n * power).find(|step| range / step <= 5.0).unwrap_or(range);
    if !step.is_finite() || step <= 0.0 {
        return Vec::new();
    }
    let first = libm::ceil(low / step);
    let marks = (0..6).map(|i| (first + f64::from(i)) * step).take_while(|mark| *mark <= high);
    marks.map(|mark| ((mark - low) / range, number(mark))).collect()
}

fn texts(out: &mut String, features: &[(&str, &FeatureStats, &str)], values: &ToldValues) {
    let long = |name: &str| values.texts.get(name).map_or(&[][..], Vec::as_slice);
    let is_text = |top: &TopValue| top.value.is_string();
    let rows: Vec<_> =
        features.iter().filter(|(name, f, _)| f.top.iter().any(is_text) || !long(name).is_empty()).collect();
    if rows.is_empty() {
        return;
    }
    out.push_str("<div class=\"scroll\" role=\"region\" aria-label=\"Texts\" tabindex=\"0\"><table><thead><tr>");
    out.push_str("<th scope=\"col\">Texts</th><th scope=\"col\" class=\"num\">Missing</th>");
    out.push_str("<th scope=\"col\" class=\"num\">Different</th><th scope=\"col\" class=\"num\">Bytes</th>");
    out.push_str("<th scope=\"col\">Most frequent, or some</th></tr></thead><tbody>");
    for (name, feature, note) in rows {
        put!(out, "<tr><th scope=\"row\"><code>{}</code>{note}</th>", Text(&shorten(name)));
        put!(out, "<td class=\"num\">{}</td>", missing(feature));
        put!(out, "<td class=\"num\">{}</td>", feature.distinct.map_or("–".to_owned(), |n| Count(n).to_string()));
        let bytes = feature.byte_lengths.as_ref().map_or(String::new(), |n| match n.min == n.max {
            true => number(n.min),
            false => format!("{} to {}", number(n.min), number(n.max)),
        });
        put!(out, "<td class=\"num\">{bytes}</td><td class=\"detail\"><ul class=\"texts\">");
        for top in feature.top.iter().filter(|top| is_text(top)) {
            let text = top.value.as_str().unwrap_or_default();
            let text = if text.is_empty() { "(empty)".to_owned() } else { shorten(text) };
            put!(out, "<li>{}", Text(&text));
            if top.count > 1 {
                put!(out, " <small>{} times</small>", Count(top.count));
            }
            out.push_str("</li>");
        }
        let room = MOST_TEXTS.saturating_sub(feature.top.len());
        long(name).iter().take(room.max(1)).for_each(|text| put!(out, "<li>{}</li>", Text(text)));
        out.push_str("</ul></td></tr>");
    }
    out.push_str("</tbody></table></div>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::ExampleBuilder;

    fn told(values: impl IntoIterator<Item = f32>) -> String {
        let mut all = Values::default();
        for value in values {
            all.add(&ExampleBuilder::new().floats("v", [value]).encode(), MessageType::Example).unwrap();
        }
        let told = all.told().unwrap();
        let mut out = String::new();
        let feature = &told.stats.features["v"];
        histogram(&mut out, "v", feature, feature.numbers.as_ref().unwrap());
        out
    }

    fn bars(chart: &str) -> Vec<u64> {
        let titles = chart.split("<title>").skip(1).map(|rest| rest.split("</title>").next().unwrap());
        titles.map(|title| title.rsplit(' ').next().unwrap().replace(',', "").parse().unwrap()).collect()
    }

    #[test]
    fn every_value_is_in_a_bar() {
        for values in [
            vec![0.1f32, 0.2, 0.7],
            (0..500).map(|i| (i as f32).sin()).collect(),
            vec![-1e30, 1e30],
            vec![1.0, 1.0 + f32::EPSILON],
        ] {
            let chart = told(values.iter().copied());
            assert_eq!(bars(&chart).iter().sum::<u64>(), values.len() as u64, "{chart}");
        }
    }

    #[test]
    fn bars_of_whole_numbers_are_equally_wide() {
        let mut all = Values::default();
        for i in 0..430i64 {
            all.add(&ExampleBuilder::new().int64("v", 18 + i % 43).encode(), MessageType::Example).unwrap();
        }
        let told = all.told().unwrap();
        let (mut out, feature) = (String::new(), &told.stats.features["v"]);
        histogram(&mut out, "v", feature, feature.numbers.as_ref().unwrap());
        assert!(out.contains("<title>18 to 19: 20</title>") && out.contains("<title>60 to 61: 10</title>"), "{out}");
        assert_eq!(bars(&out).iter().sum::<u64>(), 430);
    }

    #[test]
    fn outliers_do_not_hide_the_rest() {
        let chart = told((0..990).map(|i| i as f32 / 990.0).chain([1e9; 5]));
        assert!(bars(&chart).len() > 20 && chart.contains("beyond."), "{chart}");
    }

    #[test]
    fn ticks_are_round_and_in_range() {
        for (low, high) in [(0.0, 1.0), (-3.3, 12.0), (1e-9, 3e-9), (-1e30, 1e30), (5.0, 5.0)] {
            let ticks = ticks(low, high);
            assert!(ticks.len() <= 6 && ticks.iter().all(|(at, _)| (0.0..=1.0).contains(at)), "{ticks:?}");
        }
        assert_eq!(ticks(0.0, 10.0).into_iter().map(|t| t.1).collect::<Vec<_>>(), ["0", "2", "4", "6", "8", "10"]);
    }
}
