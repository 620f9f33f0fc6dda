//! Images on the page: samples of each class, and records that hold the same side by side.

use std::collections::BTreeMap;

use super::ReportOptions;
use super::gather::Facts;
use super::html::{Count, Counted, Text, put};
use super::pictures::{Picture, Pictures, Thumbnail, Wish};
use super::tally::{VALUED, shorten};
use crate::example::to_base64;
use crate::inspect::boxes::BoxMark;
use crate::inspect::kinds::Place;

/// Classes whose samples are shown.
const MOST_CLASSES: usize = 50;
/// Images that stand for a set without classes.
const UNCLASSED: usize = 24;
/// Bytes of all samples on the page, and of all images beside their like.
const SAMPLE_BYTES: usize = 2_200_000;
const GROUP_BYTES: usize = 500_000;
/// Characters of a class on a box.
const BOX_CHARS: usize = 14;
/// How wide a character is there, about.
const CHAR_WIDTH: f32 = 6.5;

/// Which images are shown.
pub(super) struct Plan {
    samples: Vec<Sample>,
    /// Classes that have records and are not shown.
    more: usize,
    /// Whether groups are shown with their images.
    images: bool,
}

/// The samples of a class.
struct Sample {
    /// `None` where records have no classes.
    class: Option<(String, u64)>,
    places: Vec<Place>,
}

impl Plan {
    pub(super) fn new(facts: &Facts, options: &ReportOptions) -> Self {
        let images = options.images && facts.images.count() > 0;
        let mut plan = Plan { samples: Vec::new(), more: 0, images };
        if !images {
            return plan;
        }
        let seen = facts.classes.rows.iter().filter(|row| row.total > 0);
        plan.more = seen.clone().count().saturating_sub(MOST_CLASSES);
        plan.samples.extend(seen.take(MOST_CLASSES).map(|row| Sample {
            class: Some((row.name.clone(), row.total)),
            places: row.samples.places().take(options.samples).collect(),
        }));
        if plan.samples.is_empty() {
            let drawn = facts.sets.iter().flat_map(|set| set.drawn.places().take(UNCLASSED / facts.sets.len().max(1)));
            plan.samples.push(Sample { class: None, places: drawn.collect() });
        }
        plan
    }

    /// Whether samples are shown.
    pub(super) fn has_samples(&self) -> bool {
        !self.samples.is_empty()
    }

    /// What is wished of which records.
    pub(super) fn wishes(&self, facts: &Facts) -> BTreeMap<Place, Wish> {
        let mut wishes: BTreeMap<Place, Wish> = BTreeMap::new();
        for place in facts.sets.iter().flat_map(|set| set.drawn.places()) {
            wishes.entry(place).or_default().brightness = true;
        }
        // A prefix of a draw is a draw itself: with many sets, fewer records of each.
        let all: usize = facts.sets.iter().map(|set| set.rows.places().count()).sum();
        let rows = if all > VALUED { (VALUED / facts.sets.len().max(1)).max(100) } else { VALUED };
        for place in facts.sets.iter().flat_map(|set| set.rows.places().take(rows)) {
            wishes.entry(place).or_default().values = true;
        }
        let grouped = facts.groups.listed.iter().flat_map(|group| &group.places);
        let shown = self.samples.iter().flat_map(|sample| &sample.places).chain(grouped.filter(|_| self.images));
        for place in shown {
            wishes.entry(*place).or_default().thumbnail = true;
        }
        wishes
    }
}

/// The samples.
pub(super) fn samples(out: &mut String, facts: &Facts, plan: &Plan, pictures: &Pictures) {
    out.push_str("<section id=\"samples\"><h2>Samples</h2>");
    let kept = within(plan.samples.iter().map(|sample| sample.places.as_slice()), pictures, SAMPLE_BYTES);
    out.push_str("<p>Drawn evenly from all sets, turned upright as their EXIF orientation says. Sizes are height × width, in pixels.</p>");
    for (sample, kept) in plan.samples.iter().zip(kept) {
        out.push_str("<div class=\"sample\">");
        if let Some((name, total)) = &sample.class {
            put!(out, "<h3>{} <small>{}</small></h3>", Text(name), Counted(*total, "record"));
        }
        out.push_str("<div class=\"tiles\">");
        let name = sample.class.as_ref().map_or("Sample", |(name, _)| name);
        sample.places.iter().take(kept).for_each(|place| tile(out, facts, *place, pictures.get(place), name));
        out.push_str("</div></div>");
    }
    if plan.more > 0 {
        put!(out, "<p class=\"more\">… and {} that have fewer records.</p>", Counted(plan.more as u64, "class"));
    }
    out.push_str("</section>");
}

/// How many images of each row fit into `bytes`: first one of each row, then two, and so on.
fn within<'p>(rows: impl Iterator<Item = &'p [Place]>, pictures: &Pictures, bytes: usize) -> Vec<usize> {
    let rows: Vec<&[Place]> = rows.collect();
    let mut kept = vec![0; rows.len()];
    let mut left = bytes;
    for column in 0..rows.iter().map(|row| row.len()).max().unwrap_or(0) {
        for (row, kept) in rows.iter().zip(&mut kept) {
            let Some(place) = row.get(column) else { continue };
            let size = match pictures.get(place) {
                Some(Picture { thumbnail: Some(Ok(thumbnail)), .. }) => thumbnail.jpeg.len().div_ceil(3) * 4,
                _ => 0,
            };
            // The first that does not fit leaves no room for any behind it.
            left = left.saturating_sub(size);
            *kept = if left > 0 { column + 1 } else { *kept };
        }
    }
    kept
}

/// Records that hold the same.
pub(super) fn groups(out: &mut String, facts: &Facts, plan: &Plan, pictures: &Pictures) {
    let groups = &facts.groups;
    out.push_str("<section id=\"duplicates\"><h2>Duplicates</h2>");
    if groups.total == 0 {
        out.push_str("<p class=\"good\">None: no two records hold the same.</p></section>");
        return;
    }
    put!(out, "<p>{} of records that hold the same", Counted(groups.total, "group"));
    match groups.leaking {
        0 => put!(out, ", none of them across sets."),
        n => put!(out, ", {} of them across sets: what is trained on would be tested on.", Count(n)),
    }
    out.push_str(
        " Images are told by their SHA-256, the stored one where there is one; records without images as a whole.",
    );
    out.push_str("</p>");
    let rows = groups.listed.iter().map(|group| group.places.as_slice());
    let kept = within(rows, pictures, if plan.images { GROUP_BYTES } else { 0 });
    for (group, kept) in groups.listed.iter().zip(kept) {
        let (class, word) = if group.leaks { ("bad", "leakage") } else { ("warn", "duplicate") };
        put!(out, "<div class=\"sample\"><h3><span class=\"badge {class}\">{word}</span> ");
        put!(out, "<small>{}</small></h3>", Counted(group.records, "record"));
        out.push_str("<div class=\"tiles\">");
        for (i, place) in group.places.iter().enumerate() {
            let picture = pictures.get(place).filter(|_| i < kept);
            tile(out, facts, *place, picture, "Record");
        }
        out.push_str("</div>");
        let more = group.records - group.places.len() as u64;
        if more > 0 {
            put!(out, "<p class=\"more\">… and {}.</p>", Counted(more, "more record"));
        }
        out.push_str("</div>");
    }
    let more = groups.total - groups.listed.len() as u64;
    if more > 0 {
        put!(out, "<p class=\"more\">… and {}.</p>", Counted(more, "more group"));
    }
    out.push_str("</section>");
}

/// An image with its boxes, and where it is from.
fn tile(out: &mut String, facts: &Facts, place: Place, picture: Option<&Picture>, name: &str) {
    out.push_str("<figure class=\"tile\">");
    let mut size = String::new();
    match picture.and_then(|picture| picture.thumbnail.as_ref()) {
        Some(Ok(thumbnail)) => {
            let (height, width) = thumbnail.full;
            size = format!("{} × {}", Count(height as u64), Count(width as u64));
            image(out, thumbnail, name);
        }
        Some(Err(why)) => put!(out, "<p class=\"none\">Not decoded: {}</p>", Text(&shorten(why))),
        None => {}
    }
    let shard = facts.shards.get(place.0);
    let shard_name = shard.map_or(String::new(), |shard| facts.shown(&shard.path));
    // The ending says nothing that its neighbours do not.
    let shard_name = shard_name.replace(".tfrecord", "");
    put!(out, "<figcaption><b>record {}</b><span>{}</span>", Count(place.1), Text(&shorten(&shard_name)));
    if !size.is_empty() {
        put!(out, "<span>{size}</span>");
    }
    out.push_str("</figcaption></figure>");
}

fn image(out: &mut String, thumbnail: &Thumbnail, name: &str) {
    let (height, width) = thumbnail.size;
    let boxes = match thumbnail.box_count {
        0 => String::new(),
        n => format!(" with {}", Counted(n as u64, "box")),
    };
    put!(
        out,
        "<div class=\"picture\"><img width=\"{width}\" height=\"{height}\" alt=\"{}{boxes}\" src=\"data:image/jpeg;base64,{}\">",
        Text(name),
        to_base64(&thumbnail.jpeg)
    );
    if !thumbnail.boxes.is_empty() {
        put!(out, "<svg viewBox=\"0 0 {width} {height}\" aria-hidden=\"true\">");
        let side = |(from, to): (f32, f32), side: usize| (from * side as f32, (to - from).max(0.0) * side as f32);
        for mark in &thumbnail.boxes {
            let ((x, w), (y, h)) = (side(mark.x, width), side(mark.y, height));
            put!(out, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\"/>");
        }
        // Over the frames, so that none crosses a name.
        thumbnail
            .boxes
            .iter()
            .filter(|mark| !mark.class.is_empty())
            .for_each(|mark| box_name(out, mark, width, height));
        out.push_str("</svg>");
    }
    out.push_str("</div>");
}

/// The name of a box at its upper edge, inside the image.
fn box_name(out: &mut String, mark: &BoxMark, width: usize, height: usize) {
    let name = match mark.class.char_indices().nth(BOX_CHARS) {
        Some((at, _)) => format!("{}…", &mark.class[..at]),
        None => mark.class.clone(),
    };
    let (width, height) = (width as f32, height as f32);
    let y = (mark.y.0 * height + 11.0).min(height - 3.0);
    let most = width - 3.0 - name.chars().count() as f32 * CHAR_WIDTH;
    let x = (mark.x.0 * width + 3.0).min(most).max(3.0);
    put!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", Text(&name));
}
