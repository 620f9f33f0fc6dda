//! The section on images: sizes, proportions, bytes, brightness.

use std::collections::BTreeMap;

use super::bins::LogBins;
use super::charts::{Bar, Chart, Tick};
use super::gather::Facts;
use super::html::{self, Count, Counted, percent, put};
use super::pictures::Pictures;
use super::tally::Lengths;

/// Bars of a chart at most.
const BARS: usize = 28;
/// Levels of brightness in a bar.
const LEVELS: usize = 8;
/// Brightness below and above which an image is called dark and bright.
const DARK: u8 = 50;
const BRIGHT: u8 = 205;

pub(super) fn section(out: &mut String, facts: &Facts, pictures: &Pictures) {
    let images = &facts.images;
    out.push_str("<section id=\"images\"><h2>Images</h2>");
    let all = images.count();
    let shares = |counts: &BTreeMap<&str, u64>, name: fn(&str) -> String| match counts.len() {
        1 => counts.keys().map(|key| format!("all {}", name(key))).collect(),
        _ => counts.iter().map(|(key, n)| format!("{} {}", Count(*n), name(key))).collect::<Vec<_>>().join(", "),
    };
    put!(out, "<p>{}: {}", Counted(all, "image"), shares(&images.formats, str::to_uppercase));
    put!(out, "; {}.", shares(&images.colors, |name| format!("in {name}")));
    if facts.boxes.0 > 0 {
        put!(out, " {} on {}.", Counted(facts.boxes.0, "box"), Counted(facts.boxes.1, "image"));
    }
    out.push_str(" Sizes are height × width as stored, before any EXIF orientation.</p><div class=\"charts\">");
    sizes(out, facts);
    aspects(out, facts);
    lengths(out, &images.bytes, "Bytes of an image", "images");
    brightness(out, facts, pictures);
    out.push_str("</div></section>");
}

/// The lengths of payloads, where there are no images.
pub(super) fn payload_section(out: &mut String, facts: &Facts) {
    out.push_str("<section id=\"lengths\"><h2>Lengths</h2><div class=\"charts\">");
    lengths(out, &facts.payloads, "Bytes of a record", "records");
    out.push_str("</div></section>");
}

fn sizes(out: &mut String, facts: &Facts) {
    let images = &facts.images;
    let most = images.sizes.most().map_or(String::new(), |(width, height, count)| {
        let share = percent(count, images.count());
        format!("Most frequent: {} × {} ({share}). ", Count(height.into()), Count(width.into()))
    });
    let caption = format!("{most}The stronger the colour, the more images; square ones lie on the dashed line.");
    let chart =
        Chart { title: "Height × width", x_title: "width, pixels", y_title: "height, pixels", caption: &caption };
    chart.plane(out, &images.sizes);
}

fn aspects(out: &mut String, facts: &Facts) {
    // From 1:2 to 2:1 at least, so that a set of one proportion has its place.
    let bins = facts.images.aspects.bins(BARS, Some((-1, 1)));
    let bars: Vec<Bar> =
        bins.iter().map(|&(from, to, count)| Bar { count, name: format!("{from:.2} to {to:.2}") }).collect();
    let name = |octave: i32| match octave {
        0 => "1:1".to_owned(),
        1.. => format!("{}:1", 1u64 << octave.min(20)),
        _ => format!("1:{}", 1u64 << octave.abs().min(20)),
    };
    let mut ticks = octaves(&bins, name);
    if ticks.len() <= 3 {
        ticks.extend([(3.0, 4.0), (4.0, 3.0)].map(|(w, h)| (along(&bins, libm::log2(w / h)), format!("{w}:{h}"))));
    }
    let [wide, square, high] = facts.images.shapes;
    let caption =
        format!("{} wider than high, {} square, {} higher than wide.", Count(wide), Count(square), Count(high));
    Chart { title: "Aspect ratio", x_title: "width : height", y_title: "images", caption: &caption }
        .histogram(out, &bars, &ticks);
}

fn lengths(out: &mut String, found: &Lengths, title: &str, what: &str) {
    let bins = found.bins.bins(BARS, None);
    let size = |n: f64| html::bytes(n.round() as u64);
    let bars: Vec<Bar> =
        bins.iter().map(|&(from, to, count)| Bar { count, name: format!("{} to {}", size(from), size(to)) }).collect();
    let ticks = match octaves(&bins, |octave| size(libm::exp2(f64::from(octave))).replace(".0", "")) {
        ticks if ticks.len() > 2 => ticks,
        _ => edges(&bins, |edge| size(edge).replace(".0", "")),
    };
    let (min, max) = found.bins.range.unwrap_or_default();
    let mean = html::bytes(found.mean());
    let caption = format!("From {} to {}, {mean} on average.", size(min), size(max));
    Chart { title, x_title: "size, logarithmic", y_title: what, caption: &caption }.histogram(out, &bars, &ticks);
}

fn brightness(out: &mut String, facts: &Facts, pictures: &Pictures) {
    let places = facts.sets.iter().flat_map(|set| set.drawn.places());
    let found: Vec<u8> = places.filter_map(|place| pictures.get(&place)?.brightness).collect();
    let mut bars: Vec<Bar> = (0..256)
        .step_by(LEVELS)
        .map(|from| Bar { count: 0, name: format!("{from} to {}", from + LEVELS - 1) })
        .collect();
    for level in &found {
        if let Some(bar) = bars.get_mut(usize::from(*level) / LEVELS) {
            bar.count += 1;
        }
    }
    let ticks: Vec<Tick> = [0, 64, 128, 192, 255].iter().map(|l| (f64::from(*l) / 256.0, l.to_string())).collect();
    let all = found.len() as u64;
    let mean = found.iter().map(|level| u64::from(*level)).sum::<u64>() / all.max(1);
    let share = |is: &dyn Fn(u8) -> bool| percent(found.iter().filter(|level| is(**level)).count() as u64, all);
    let drawn = facts.sets.iter().map(|set| set.drawn.places().count() as u64).sum::<u64>();
    let of = match (drawn < facts.images.count(), all < drawn) {
        (true, _) => format!("Of {} drawn evenly", Counted(all, "image")),
        (false, true) => format!("Of the {} that can be decoded", Counted(all, "image")),
        (false, false) => "Of all images".to_owned(),
    };
    let caption = format!(
        "{of}: {mean} on average, {} dark (below {DARK}), {} bright (from {BRIGHT}).",
        share(&|level| level < DARK),
        share(&|level| level >= BRIGHT)
    );
    let x_title = "mean luma, 0 black to 255 white";
    Chart { title: "Brightness", x_title, y_title: "images", caption: &caption }.histogram(out, &bars, &ticks);
}

/// Marks at the edges of bars, as many as there is room for.
fn edges(bins: &[(f64, f64, u64)], name: impl Fn(f64) -> String) -> Vec<Tick> {
    let every = bins.len().div_ceil(LogBins::MOST_TICKS).max(1);
    let edges = bins.iter().map(|(from, ..)| *from).chain(bins.last().map(|(_, to, _)| *to)).enumerate();
    edges.step_by(every).map(|(i, edge)| (i as f64 / bins.len() as f64, name(edge))).collect()
}

/// Marks at powers of two, as many as there is room for.
fn octaves(bins: &[(f64, f64, u64)], name: impl Fn(i32) -> String) -> Vec<Tick> {
    let Some((low, high)) = ends(bins) else { return Vec::new() };
    let octaves = libm::ceil(low) as i32..=libm::floor(high) as i32;
    let every = (octaves.clone().count()).div_ceil(LogBins::MOST_TICKS).max(1) as i32;
    let mark = |octave: i32| (along(bins, f64::from(octave)), name(octave));
    octaves.filter(|octave| octave.rem_euclid(every) == 0).map(mark).collect()
}

/// Where a power of two lies between the first bin and the last, from 0 to 1.
fn along(bins: &[(f64, f64, u64)], power: f64) -> f64 {
    ends(bins).map_or(0.0, |(low, high)| (power - low) / (high - low).max(1e-9))
}

/// Where the bins begin and end, as powers of two.
fn ends(bins: &[(f64, f64, u64)]) -> Option<(f64, f64)> {
    bins.first().zip(bins.last()).map(|((low, ..), (_, high, _))| (libm::log2(*low), libm::log2(*high)))
}
