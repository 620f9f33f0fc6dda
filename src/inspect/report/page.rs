//! The page as a whole: its head, what is told first, and the sections in their order.

use crate::example::to_base64;
use sha2::{Digest, Sha256};

use super::gather::Facts;
use super::html::{self, Count, Counted, Text, put};
use super::pictures::Pictures;
use super::values::ToldValues;
use super::{ReportOptions, classes, features, findings, gallery, images, values};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Shards that are listed.
const MOST_SHARDS: usize = 200;

pub(super) fn draw(
    facts: &Facts,
    plan: &gallery::Plan,
    pictures: &Pictures,
    values: Option<&ToldValues>,
    options: &ReportOptions,
) -> String {
    let has_images = facts.images.count() > 0;
    let mut sections: Vec<(&str, &str, String)> = Vec::new();
    let mut add = |id, name, write: &dyn Fn(&mut String)| {
        let mut html = String::new();
        write(&mut html);
        sections.push((id, name, html));
    };
    add("overview", "Overview", &|out| overview(out, facts));
    add("findings", "Findings", &|out| findings::section(out, facts, options.decode));
    if !classes::is_empty(facts) {
        add("classes", "Classes", &|out| classes::section(out, facts));
    }
    if has_images {
        add("images", "Images", &|out| images::section(out, facts, pictures));
    }
    if facts.payloads.count > 0 {
        add("lengths", "Lengths", &|out| images::payload_section(out, facts));
    }
    if let Some(values) = values {
        add("values", "Values", &|out| values::section(out, facts, values));
    }
    if plan.has_samples() {
        add("samples", "Samples", &|out| gallery::samples(out, facts, plan, pictures));
    }
    add("duplicates", "Duplicates", &|out| gallery::groups(out, facts, plan, pictures));
    if !facts.features.features.is_empty() || !facts.features.lists.is_empty() {
        add("features", "Features", &|out| features::section(out, facts));
    }

    let title = options.title.clone().unwrap_or_else(|| default_title(facts));
    let mut page = String::new();
    head(&mut page, &title);
    put!(page, "<body><header><h1>{}</h1><p>{}.</p>", Text(&title), lede(facts));
    verdict(&mut page, facts);
    page.push_str("<nav aria-label=\"Sections\"><ul>");
    sections.iter().for_each(|(id, name, _)| put!(page, "<li><a href=\"#{id}\">{name}</a></li>"));
    page.push_str("</ul></nav></header>\n<main>");
    sections.iter().for_each(|(_, _, html)| put!(page, "{html}\n"));
    put!(page, "</main><footer><p>Made by tfr {}.</p></footer>", env!("CARGO_PKG_VERSION"));
    put!(page, "<script>{SCRIPT}</script></body></html>\n");
    page
}

/// Nothing but this style and this script counts on the page, and nothing is fetched.
fn head(page: &mut String, title: &str) {
    let hash = |text: &str| to_base64(&Sha256::digest(text.as_bytes()));
    page.push_str("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    put!(
        page,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'sha256-{}'; \
         script-src 'sha256-{}'; base-uri 'none'; form-action 'none'\">",
        hash(STYLE),
        hash(SCRIPT)
    );
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.push_str("<meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">");
    put!(page, "<title>{}</title><style>{STYLE}</style></head>", Text(title));
}

/// The only file's name without its ending, or the folder's, or else the only set's.
fn default_title(facts: &Facts) -> String {
    if let [only] = &facts.shards[..] {
        let name = only.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let stem = name.as_deref().and_then(|name| name.split('.').next()).filter(|stem| !stem.is_empty());
        return stem.or(name.as_deref()).unwrap_or("TFRecord shards").to_owned();
    }
    let folder = facts.folder.file_name().map(|name| name.to_string_lossy().into_owned());
    folder.unwrap_or_else(|| match &facts.sets[..] {
        [set] => set.name.clone(),
        _ => "TFRecord shards".to_owned(),
    })
}

fn lede(facts: &Facts) -> String {
    let sets: Vec<String> = facts.sets.iter().map(|set| Text(&set.name).to_string()).collect();
    let sets = match &sets[..] {
        [] => String::new(),
        [only] => format!(", the set {only}"),
        [most @ .., last] if most.len() < 6 => format!(", the sets {} and {last}", most.join(", ")),
        all => format!(", {}", Counted(all.len() as u64, "set")),
    };
    let (records, shards) = (Counted(facts.records(), "record"), Counted(facts.report.shards, "shard"));
    format!("{records} in {shards}, {}{sets}", html::bytes(facts.bytes()))
}

/// Whether the sets are fine: what is asked first.
fn verdict(out: &mut String, facts: &Facts) {
    let (errors, warnings) = (Counted(facts.report.errors, "error"), Counted(facts.report.warnings, "warning"));
    let kinds = match facts.counts.len() {
        0 | 1 => String::new(),
        n => format!(" of {n} kinds"),
    };
    let (class, words) = match (errors.0, warnings.0) {
        (0, 0) if facts.records() == 0 => ("warn", "There are no records.".to_owned()),
        (0, 0) => ("good", "Nothing wrong was found.".to_owned()),
        (0, _) => ("warn", format!("No errors; {warnings}{kinds}.")),
        (_, 0) => ("bad", format!("{errors}{kinds}.")),
        _ => ("bad", format!("{errors} and {warnings}{kinds}.")),
    };
    put!(out, "<p class=\"verdict {class}\"><a href=\"#findings\">{words}</a></p>");
}

fn overview(out: &mut String, facts: &Facts) {
    out.push_str("<section id=\"overview\"><h2>Overview</h2><dl class=\"facts\">");
    let mut fact = |name: &str, value: &str, note: &str| {
        put!(out, "<div><dt>{name}</dt><dd>{value}</dd><dd class=\"note\">{note}</dd></div>");
    };
    fact("Records", &Count(facts.records()).to_string(), &format!("in {}", Counted(facts.report.shards, "shard")));
    fact("Size", &html::bytes(facts.bytes()), &Counted(facts.bytes(), "byte").to_string());
    let classes = facts.classes.rows.iter().filter(|row| row.total > 0).count() as u64;
    if classes > 0 {
        let rows = &facts.classes.rows;
        let least = rows.iter().rev().find(|row| row.total > 0).map_or(0, |row| row.total);
        let most = rows.first().map_or(0, |row| row.total);
        let range =
            if least == most { Count(most).to_string() } else { format!("{} to {}", Count(least), Count(most)) };
        fact("Classes", &Count(classes).to_string(), &format!("{range} records each"));
    }
    if facts.images.count() > 0 {
        let mean = facts.images.bytes.mean();
        fact("Images", &Count(facts.images.count()).to_string(), &format!("{} on average", html::bytes(mean)));
    }
    out.push_str("</dl>");
    sets(out, facts);
    shards(out, facts);
    out.push_str("</section>");
}

fn sets(out: &mut String, facts: &Facts) {
    out.push_str("<div class=\"scroll\" role=\"region\" aria-label=\"Sets\" tabindex=\"0\"><table><thead><tr>");
    out.push_str("<th scope=\"col\">Set</th>");
    for name in ["Records", "Share", "Shards", "Size", "Classes"] {
        put!(out, "<th scope=\"col\" class=\"num\">{name}</th>");
    }
    out.push_str("<th scope=\"col\">Compression</th><th scope=\"col\">Holds</th></tr></thead><tbody>");
    for (i, set) in facts.sets.iter().enumerate() {
        let classes = facts.classes.rows.iter().filter(|row| row.counts.get(i).is_some_and(|n| *n > 0)).count();
        let classes = if classes > 0 { Count(classes as u64).to_string() } else { "–".to_owned() };
        put!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td>\
             <td class=\"num\">{}</td><td class=\"num\">{classes}</td><td>{}</td><td>{}</td></tr>",
            Text(&set.name),
            Count(set.records),
            html::percent(set.records, facts.records()),
            Count(set.shards),
            html::bytes(set.bytes),
            set.compressions.join(", "),
            if set.messages.is_empty() { "nothing".to_owned() } else { set.messages.join(", ") },
        );
    }
    out.push_str("</tbody></table></div>");
}

fn shards(out: &mut String, facts: &Facts) {
    put!(out, "<details><summary>{}", Counted(facts.shards.len() as u64, "shard"));
    if !facts.folder.as_os_str().is_empty() {
        put!(out, " in <code>{}</code>", Text(&facts.folder.to_string_lossy()));
    }
    out.push_str(
        "</summary><div class=\"scroll\" role=\"region\" aria-label=\"Shards\" tabindex=\"0\"><table><thead><tr>",
    );
    out.push_str("<th scope=\"col\">Shard</th><th scope=\"col\">Set</th><th scope=\"col\" class=\"num\">Records</th>");
    out.push_str("<th scope=\"col\" class=\"num\">Bytes</th></tr></thead><tbody>");
    for shard in facts.shards.iter().take(MOST_SHARDS) {
        let set = facts.sets.get(shard.set).map_or("", |set| &set.name);
        put!(
            out,
            "<tr><th scope=\"row\" class=\"path\">{}</th><td>{}</td>",
            Text(&facts.shown(&shard.path)),
            Text(set)
        );
        put!(out, "<td class=\"num\">{}</td><td class=\"num\">{}</td></tr>", Count(shard.records), Count(shard.bytes));
    }
    out.push_str("</tbody></table></div>");
    if facts.shards.len() > MOST_SHARDS {
        put!(out, "<p class=\"more\">… and {} more.</p>", Count((facts.shards.len() - MOST_SHARDS) as u64));
    }
    out.push_str("</details>");
}
