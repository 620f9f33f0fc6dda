//! The section on features: what each record holds.

use super::gather::Facts;
use super::html::{Count, Counted, Text, percent, put};
use crate::inspect::features::FeatureInfo;

/// Features that are listed; a set with more of them has names made of data.
const MOST: usize = 200;

pub(super) fn section(out: &mut String, facts: &Facts) {
    let features = &facts.features;
    out.push_str("<section id=\"features\"><h2>Features</h2>");
    if features.sampled < facts.records() {
        let (sampled, most) = (Counted(features.sampled, "whole record"), Count(super::tally::SAMPLED));
        put!(out, "<p>As {sampled} tell: of each shard, those among the first {most}.</p>");
    }
    out.push_str("<div class=\"scroll\" role=\"region\" aria-label=\"Features\" tabindex=\"0\"><table><thead><tr>");
    for (name, class) in
        [("Feature", ""), ("Kind", ""), ("In records", "num"), ("Values", "num"), ("Bytes each", "num")]
    {
        put!(out, "<th scope=\"col\" class=\"{class}\">{name}</th>");
    }
    out.push_str("<th scope=\"col\">First holds (images: height × width)</th></tr></thead><tbody>");
    let lists = features.lists.iter().map(|(name, info)| (name, info, " <small>steps</small>"));
    let all = features.features.iter().map(|(name, info)| (name, info, "")).chain(lists);
    all.take(MOST).for_each(|(name, info, note)| row(out, name, info, note, features.sampled));
    out.push_str("</tbody></table></div>");
    let count = features.features.len() + features.lists.len();
    if count > MOST {
        put!(out, "<p>… and {} more.</p>", Count((count - MOST) as u64));
    }
    out.push_str("</section>");
}

fn row(out: &mut String, name: &str, info: &FeatureInfo, note: &str, records: u64) {
    let name = super::tally::shorten(name);
    let kinds: Vec<&str> = std::iter::once(&info.kind).chain(&info.other_kinds).map(|kind| kind.name()).collect();
    let present = (info.presence * records as f64).round() as u64;
    put!(out, "<tr><th scope=\"row\"><code>{}</code>{note}</th><td>{}</td>", Text(&name), kinds.join(", "));
    put!(out, "<td class=\"num\">{}</td>", percent(present, records));
    put!(out, "<td class=\"num\">{}</td>", range(info.min_len, info.max_len));
    let bytes = info.min_bytes.zip(info.max_bytes).map_or(String::new(), |(min, max)| range(min, max));
    let content = info.content.as_deref().unwrap_or_default();
    put!(out, "<td class=\"num\">{bytes}</td><td>{}</td></tr>", Text(content));
}

fn range(min: u64, max: u64) -> String {
    if min == max { Count(min).to_string() } else { format!("{} to {}", Count(min), Count(max)) }
}
