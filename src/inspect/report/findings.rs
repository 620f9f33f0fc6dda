//! The section on what validation found.

use std::borrow::Cow;

use super::gather::Facts;
use super::html::{Count, Counted, Text, put};
use crate::inspect::finding::{Finding, FindingKind, MAX_LISTED, Severity};
use crate::inspect::groups::FindingGroup;

/// Findings of a kind that are seen at once; the others are folded.
const SEEN: usize = 20;
/// Characters of what is said of one: a feature's name may be of any length.
const MOST_CHARS: usize = 2000;

pub(super) fn section(out: &mut String, facts: &Facts, decode: bool) {
    out.push_str("<section id=\"findings\"><h2>Findings</h2>");
    let images = match decode {
        true => " Every image was decoded.",
        false => " Images were checked by their structure, not decoded.",
    };
    let images = if facts.images.count() > 0 { images } else { "" };
    if facts.counts.is_empty() && facts.records() == 0 {
        out.push_str("<p class=\"warn\">None; but there are no records either.</p></section>");
        return;
    }
    if facts.counts.is_empty() {
        put!(
            out,
            "<p class=\"good\">None. Every checksum of {} holds, and nothing contradicts itself.{images}</p></section>",
            Counted(facts.records(), "record")
        );
        return;
    }
    put!(
        out,
        "<p>{} and {} in {}.{images}</p>",
        Counted(facts.report.errors, "error"),
        Counted(facts.report.warnings, "warning"),
        Counted(facts.records(), "record")
    );
    for (i, (&(severity, kind), &count)) in facts.counts.iter().enumerate() {
        let (class, word) = match severity {
            Severity::Error => ("bad", "error"),
            Severity::Warning => ("warn", "warning"),
        };
        put!(out, "<details{}><summary>", if i == 0 { " open" } else { "" });
        put!(out, "<span class=\"badge {class}\">{word}</span> <b>{}</b> ", title(kind));
        put!(out, "<code>{kind}</code> <span class=\"count\">{}</span></summary>", Count(count));
        list(out, facts, severity, kind, count);
        out.push_str("</details>");
    }
    out.push_str("</section>");
}

fn list(out: &mut String, facts: &Facts, severity: Severity, kind: FindingKind, count: u64) {
    let all = facts.report.findings.iter().filter(|f| (f.severity, f.kind) == (severity, kind));
    let listed: Vec<&Finding> = all.collect();
    let groups: Vec<&FindingGroup> = facts
        .report
        .groups
        .iter()
        .filter(|group| (group.first.severity, group.first.kind) == (severity, kind))
        .collect();
    // Where each finding is a sort of its own, the table says it all.
    if (groups.len() as u64) < count {
        out.push_str("<ul class=\"notes\">");
        groups.iter().for_each(|group| sort(out, facts, group));
        out.push_str("</ul>");
    }
    let (first, rest) = listed.split_at(listed.len().min(SEEN));
    table(out, facts, kind, first);
    if !rest.is_empty() {
        put!(out, "<details><summary>{} more</summary>", Count(rest.len() as u64));
        table(out, facts, kind, rest);
        out.push_str("</details>");
    }
    let more = count - listed.len() as u64;
    if more > 0 {
        put!(out, "<p class=\"more\">… and {} more of these sorts: {MAX_LISTED} of all are listed.</p>", Count(more));
    }
}

/// Findings that say the same, in a line.
fn sort(out: &mut String, facts: &Facts, group: &FindingGroup) {
    put!(out, "<li>{}", Counted(group.findings, "finding"));
    if group.records > 0 {
        put!(out, " in {}", Counted(group.records, "record"));
    }
    if let Some(path) = &group.first.path {
        put!(out, ", first in {}", Text(&facts.shown(path)));
        group.first.record.iter().for_each(|record| put!(out, ", record {}", Count(*record)));
    }
    let alike = if group.alike { "" } else { "such as " };
    put!(out, ": {alike}{}</li>", Text(&cut(&group.first.detail)));
}

/// As much of a detail as there is room for.
fn cut(detail: &str) -> Cow<'_, str> {
    match detail.char_indices().nth(MOST_CHARS) {
        Some((at, _)) => Cow::Owned(format!("{}…", &detail[..at])),
        None => Cow::Borrowed(detail),
    }
}

fn table(out: &mut String, facts: &Facts, kind: FindingKind, findings: &[&Finding]) {
    put!(
        out,
        "<div class=\"scroll\" role=\"region\" aria-label=\"{}\" tabindex=\"0\"><table class=\"found\"><thead><tr>",
        title(kind)
    );
    out.push_str("<th scope=\"col\">Shard</th><th scope=\"col\" class=\"num\">Record</th>");
    out.push_str("<th scope=\"col\" class=\"num\">Offset</th><th scope=\"col\">What is wrong</th></tr></thead><tbody>");
    for finding in findings {
        let path = finding.path.as_ref().map_or(String::new(), |path| facts.shown(path));
        let number = |n: Option<u64>| n.map_or("–".to_owned(), |n| Count(n).to_string());
        put!(out, "<tr><td class=\"path\">{}</td><td class=\"num\">{}</td>", Text(&path), number(finding.record));
        put!(out, "<td class=\"num\">{}</td><td class=\"detail\">", number(finding.offset));
        put!(out, "{}</td></tr>", Text(&cut(&finding.detail)));
    }
    out.push_str("</tbody></table></div>");
}

/// What a kind of finding is called.
fn title(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::LengthCrc => "Length does not match its checksum",
        FindingKind::DataCrc => "Record does not match its checksum",
        FindingKind::Truncated => "Shard ends inside a record",
        FindingKind::Oversized => "Length over the limit",
        FindingKind::Compression => "Compressed stream is damaged",
        FindingKind::Proto => "Record is another message than the others",
        FindingKind::Schema => "Feature does not follow the schema",
        FindingKind::KindMixed => "Feature of several kinds",
        FindingKind::Image => "Image is damaged, or not there",
        FindingKind::Format => "Image is of another format than declared",
        FindingKind::Shape => "Image is of another size than declared",
        FindingKind::Bbox => "Box outside its image, or inside out",
        FindingKind::Exif => "Orientation that readers may ignore",
        FindingKind::Cmyk => "Image of four inks",
        FindingKind::Label => "Label that is no class",
        FindingKind::Duplicate => "Same content twice in a set",
        FindingKind::Leakage => "Same content in two sets",
        FindingKind::Count => "Counts differ from a side file",
        FindingKind::Index => "Index does not fit its shard",
        FindingKind::MissingShard => "Shard is missing",
    }
}
