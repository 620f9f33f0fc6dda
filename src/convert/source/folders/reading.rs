//! Whether the top folders of a source are classes or splits.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

use super::folders;
use crate::convert::options::Layout;
use crate::convert::source::image_names::{is_ignored, is_image};
use crate::convert::source::listed;
use crate::dataset::part_named;
use crate::error::{Error, Result};

/// Top folders that are looked into for the names of classes, where a refusal shows them.
const SHOWN_FROM: usize = 100;

/// Tells what the top folders are, or refuses where that cannot be known: nobody is to get a class `train` by accident, nor
/// a set `cats`. Folders without images beside splits are taken out of `tops`, and a warning says so.
pub(super) fn tell(src: &Path, tops: &mut Vec<String>, warnings: &mut Vec<String>) -> Result<Layout> {
    if !tops.iter().any(|name| part_named(name).is_some()) {
        return if are_classes(src, tops)? { Ok(Layout::Classes) } else { Err(either(src, tops)) };
    }
    // Beside splits there may be notes and annotations.
    let others = tops.extract_if(.., |name| part_named(name).is_none() && !has_image_below(&src.join(name)));
    let others: Vec<String> = others.collect();
    if !others.is_empty() {
        let what = if others.len() == 1 { "a folder without images is" } else { "folders without images are" };
        warnings.push(format!("{what} passed over: {}", listed(&others)));
    }
    if tops.iter().all(|name| part_named(name).is_some()) { Ok(Layout::Splits) } else { Err(mixed(src, tops)) }
}

/// Whether some folder holds images itself, or none holds anything that could be a class folder.
fn are_classes(src: &Path, tops: &[String]) -> Result<bool> {
    let mut nested = false;
    for top in tops {
        let dir = src.join(top);
        let (mut images, mut folders) = (false, false);
        for entry in fs::read_dir(&dir).map_err(|e| Error::io(&dir, e))? {
            let entry = entry.map_err(|e| Error::io(&dir, e))?;
            if is_ignored(&entry.file_name().to_string_lossy()) {
                continue;
            }
            match entry.path().is_dir() {
                true => folders = true,
                false if is_image(&entry.path()) => {
                    images = true;
                    break;
                }
                false => {}
            }
        }
        if images {
            return Ok(true);
        }
        nested |= folders;
    }
    Ok(!nested)
}

fn has_image_below(dir: &Path) -> bool {
    let walk = WalkDir::new(dir).follow_links(true).into_iter();
    let mut walk = walk.filter_entry(|e| e.depth() == 0 || !is_ignored(&e.file_name().to_string_lossy()));
    walk.any(|entry| entry.is_ok_and(|entry| entry.file_type().is_file() && is_image(entry.path())))
}

/// The names of the folders in all these, as far as they are shown.
fn below(src: &Path, tops: &[String]) -> Vec<String> {
    let found = tops.iter().take(SHOWN_FROM).filter_map(|top| folders(&src.join(top), &mut Vec::new()).ok());
    found.flatten().collect::<BTreeSet<_>>().into_iter().collect()
}

fn either(src: &Path, tops: &[String]) -> Error {
    let classes = below(src, tops);
    let detail = format!(
        "{}: its top folders hold folders alone, so they may be classes, {} ({}), or splits, {} ({}) of {} ({})",
        src.display(),
        numbered(tops.len(), "class", "classes"),
        listed(tops),
        numbered(tops.len(), "set", "sets"),
        listed(tops),
        numbered(classes.len(), "class", "classes"),
        listed(&classes),
    );
    let mut hint = "say which they are, with `--layout classes` or `--layout splits`".to_owned();
    if let [only] = tops {
        hint += &format!("; or name {}, if its folders are the classes", src.join(only).display());
    }
    Error::usage_hint(detail, hint)
}

fn mixed(src: &Path, tops: &[String]) -> Error {
    let (splits, others): (Vec<String>, Vec<String>) =
        tops.iter().cloned().partition(|name| part_named(name).is_some());
    let detail = format!(
        "{}: beside what is named as a split ({}) there are other folders of images ({}): are they {} or {}?",
        src.display(),
        listed(&splits),
        listed(&others),
        numbered(tops.len(), "class", "classes"),
        numbered(tops.len(), "set", "sets"),
    );
    Error::usage_hint(
        detail,
        "move what does not belong there, or say what the folders are, with `--layout classes` or `--layout splits`",
    )
}

fn numbered(n: usize, one: &str, more: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { more })
}
