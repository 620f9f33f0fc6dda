//! The section on classes: how often each comes, in each set.

use super::gather::{ClassFacts, ClassRow, Facts};
use super::html::{Count, Counted, Text, put};

/// With more classes than this, only so many of the most frequent are listed ...
const MOST_ROWS: usize = 40;
const TOP: usize = 30;
/// ... and so many of the rarest.
const RAREST: usize = 5;
/// Sets that have a colour of their own.
const COLORS: usize = 8;
/// Classes that are named where they are missing.
const NAMED: usize = 8;

pub(super) fn section(out: &mut String, facts: &Facts) {
    out.push_str("<section id=\"classes\"><h2>Classes</h2>");
    let classes = &facts.classes;
    if !classes.rows.is_empty() || classes.overflows {
        words(out, facts, classes, "record");
        table(out, facts, classes, "Records by class");
    }
    if !facts.objects.rows.is_empty() || facts.objects.overflows {
        put!(out, "<h3>Boxes by class</h3>");
        words(out, facts, &facts.objects, "box");
        table(out, facts, &facts.objects, "Boxes by class");
    }
    out.push_str("</section>");
}

/// Whether there is anything to tell.
pub(super) fn is_empty(facts: &Facts) -> bool {
    [&facts.classes, &facts.objects].iter().all(|classes| classes.rows.is_empty() && !classes.overflows)
}

/// What the counts come to.
fn words(out: &mut String, facts: &Facts, classes: &ClassFacts, what: &'static str) {
    if classes.overflows {
        put!(
            out,
            "<p>There are more than {} different labels: they were not counted as classes.</p>",
            Count(super::tally::MOST_CLASSES as u64)
        );
        return;
    }
    put!(out, "<p>{}.", Counted(classes.rows.len() as u64, "class"));
    let seen: Vec<&ClassRow> = classes.rows.iter().filter(|row| row.total > 0).collect();
    match seen[..] {
        [most, .., least] if most.total > least.total => put!(
            out,
            " The largest, <b>{}</b>, has {}; the smallest, <b>{}</b>, has {}: an imbalance of <b>{:.1} to 1</b>.",
            Text(&most.name),
            Counted(most.total, what),
            Text(&least.name),
            Count(least.total),
            most.total as f64 / least.total as f64
        ),
        [most, _, ..] => put!(out, " Each has {}.", Counted(most.total, what)),
        _ => {}
    }
    if classes.unclassed > 0 {
        put!(
            out,
            " {} no label.",
            match classes.unclassed {
                1 => "1 record has".to_owned(),
                n => format!("{} have", Counted(n, "record")),
            }
        );
    }
    out.push_str("</p>");
    let missing = |counts: &dyn Fn(&ClassRow) -> bool| -> Vec<&str> {
        classes.rows.iter().filter(|row| counts(row)).map(|row| row.name.as_str()).collect()
    };
    let mut lines = Vec::new();
    let nowhere = missing(&|row| row.total == 0);
    if !nowhere.is_empty() {
        lines.push(format!("{} {}: {}", Counted(nowhere.len() as u64, "class"), verb(&nowhere, what), list(&nowhere)));
    }
    for (i, set) in facts.sets.iter().enumerate().filter(|(_, set)| facts.sets.len() > 1 && set.records > 0) {
        let here = missing(&|row| row.total > 0 && row.counts.get(i) == Some(&0));
        if !here.is_empty() {
            let count = Counted(here.len() as u64, "class");
            lines.push(format!("{count} {} in <b>{}</b>: {}", verb(&here, what), Text(&set.name), list(&here)));
        }
    }
    if !lines.is_empty() {
        out.push_str("<ul class=\"notes\">");
        lines.iter().for_each(|line| put!(out, "<li>{line}.</li>"));
        out.push_str("</ul>");
    }
}

fn verb(classes: &[&str], what: &str) -> String {
    format!("{} no {what}", if classes.len() == 1 { "has" } else { "have" })
}

fn list(names: &[&str]) -> String {
    let mut out = String::new();
    for (i, name) in names.iter().take(NAMED).enumerate() {
        put!(out, "{}{}", if i > 0 { ", " } else { "" }, Text(name));
    }
    if names.len() > NAMED {
        put!(out, " and {} more", Count((names.len() - NAMED) as u64));
    }
    out
}

/// A row for each class, with a bar in as many colours as there are sets.
fn table(out: &mut String, facts: &Facts, classes: &ClassFacts, name: &str) {
    let rows = &classes.rows;
    if rows.is_empty() {
        return;
    }
    let several = facts.sets.len() > 1;
    put!(out, "<div class=\"scroll\" role=\"region\" aria-label=\"{name}\" tabindex=\"0\">");
    put!(out, "<table class=\"bars\"><thead><tr><th scope=\"col\">Class</th><td></td>");
    if several {
        for (i, set) in facts.sets.iter().enumerate() {
            put!(out, "<th scope=\"col\" class=\"num\">{}{}</th>", swatch(i), Text(&set.name));
        }
    }
    out.push_str("<th scope=\"col\" class=\"num\">All</th></tr></thead><tbody>");
    let (top, rarest) = match rows.len() > MOST_ROWS {
        true => (TOP, RAREST),
        false => (rows.len(), 0),
    };
    let most = rows.first().map_or(1, |row| row.total.max(1));
    rows.iter().take(top).for_each(|class| row(out, facts, class, most));
    if rarest > 0 {
        let columns = 3 + if several { facts.sets.len() } else { 0 };
        let between = (rows.len() - top - rarest) as u64;
        put!(
            out,
            "<tr class=\"more\"><td colspan=\"{columns}\">… and {} more; the {rarest} smallest:</td></tr>",
            Count(between + rarest as u64)
        );
        rows.iter().skip(rows.len() - rarest).for_each(|class| row(out, facts, class, most));
    }
    out.push_str("</tbody></table></div>");
    if facts.sets.len() > COLORS {
        put!(out, "<p class=\"more\">The sets after the first {COLORS} share one colour in the bars.</p>");
    }
}

fn row(out: &mut String, facts: &Facts, class: &ClassRow, most: u64) {
    put!(out, "<tr><th scope=\"row\">{}</th><td class=\"bar\">", Text(&class.name));
    out.push_str("<svg viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    let mut x = 0.0;
    for (i, &count) in class.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let width = 100.0 * count as f64 / most as f64;
        let set = facts.sets.get(i).map_or("", |set| &set.name);
        put!(out, "<rect class=\"mark {}\" x=\"{x:.2}\" width=\"{:.2}\" height=\"8\">", color(i), width.max(0.4));
        put!(out, "<title>{}: {}</title></rect>", Text(set), Count(count));
        x += width;
    }
    out.push_str("</svg></td>");
    if facts.sets.len() > 1 {
        class.counts.iter().for_each(|count| put!(out, "<td class=\"num\">{}</td>", Count(*count)));
    }
    put!(out, "<td class=\"num\">{}</td></tr>", Count(class.total));
}

/// The colour of a set, by a class of the style sheet: as many as can be told apart, and one for all further sets.
fn color(set: usize) -> String {
    if set < COLORS { format!("s{set}") } else { "rest".to_owned() }
}

/// The colour of a set, in a square.
fn swatch(set: usize) -> String {
    format!(
        "<svg class=\"swatch\" viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"mark {}\" width=\"10\" height=\"10\"/></svg>",
        color(set)
    )
}
