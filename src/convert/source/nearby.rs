//! Datasets of COCO and VOC above or below the folder that was given: it is easily named a level too high or too low.

use std::fs;
use std::path::{Path, PathBuf};

use super::image_names::is_ignored;
use super::{coco, voc};
use crate::convert::options::Layout;
use crate::error::Error;

/// Folders with more folders than this are not looked into below the first level: they are classes.
const FEW: usize = 8;

/// The error that names the dataset which was meant, if a dataset is near. `layout` is the one that was asked for.
pub(super) fn refuse(src: &Path, layout: Layout) -> Option<Error> {
    let (kind, found) = below(src, layout).or_else(|| above(src, layout))?;
    let what = if kind == Layout::Voc { "Pascal VOC" } else { "COCO" };
    let place = if found.starts_with(src) { "holds" } else { "is a part of" };
    let detail = format!("{} {place} the {what} dataset {}", src.display(), found.display());
    let mut hint = format!("name {} itself", found.display());
    if layout == Layout::Auto {
        hint += "; to take images alone, without their boxes, say what the folders are with `--layout`";
    }
    Some(Error::usage_hint(detail, hint))
}

fn kind_of(dir: &Path, layout: Layout) -> Option<Layout> {
    let is = |kind, holds: fn(&Path) -> bool| (layout == kind || layout == Layout::Auto) && holds(dir);
    match () {
        () if is(Layout::Voc, voc::is_voc) => Some(Layout::Voc),
        () if is(Layout::Coco, coco::has_instances) => Some(Layout::Coco),
        () => None,
    }
}

/// The first dataset one or two levels down.
fn below(src: &Path, layout: Layout) -> Option<(Layout, PathBuf)> {
    let tops = folders(src);
    let deeper = tops.iter().filter(|_| tops.len() <= FEW).flat_map(|top| {
        let within = folders(top);
        if within.len() <= FEW { within } else { Vec::new() }
    });
    tops.iter().cloned().chain(deeper).find_map(|dir| Some((kind_of(&dir, layout)?, dir)))
}

/// The dataset one or two levels up.
fn above(src: &Path, layout: Layout) -> Option<(Layout, PathBuf)> {
    let real = src.canonicalize().ok()?;
    real.ancestors().skip(1).take(2).find_map(|dir| Some((kind_of(dir, layout)?, dir.to_owned())))
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let is_folder =
        |path: &PathBuf| path.is_dir() && !path.file_name().is_none_or(|name| is_ignored(&name.to_string_lossy()));
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_folder).collect();
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_found_from_above_and_from_below() {
        let tmp = tempfile::tempdir().unwrap();
        let (voc, coco) = (tmp.path().join("kit/VOC2012"), tmp.path().join("coco"));
        for dir in ["Annotations", "JPEGImages", "ImageSets/Main"] {
            fs::create_dir_all(voc.join(dir)).unwrap();
        }
        fs::create_dir_all(coco.join("annotations")).unwrap();
        fs::create_dir_all(coco.join("images/train2017")).unwrap();
        let said = |src: &Path, layout| refuse(src, layout).map(|e| e.to_string() + " | " + &e.hint().unwrap());
        let name = |dir: &Path| format!("name {} itself", dir.canonicalize().unwrap().display());
        assert_eq!(said(&coco.join("images"), Layout::Auto), None);
        fs::write(coco.join("annotations/instances_train2017.json"), "{}").unwrap();
        for (src, found) in [
            (tmp.path().join("kit"), &voc),
            (voc.join("JPEGImages"), &voc),
            (voc.join("ImageSets/Main"), &voc),
            (coco.join("annotations"), &coco),
            (coco.join("images/train2017"), &coco),
        ] {
            let said = said(&src.canonicalize().unwrap(), Layout::Auto).unwrap();
            assert!(said.contains(&name(found)) && said.contains("`--layout`"), "{said}");
        }
        // Of what was asked for.
        assert!(said(tmp.path(), Layout::Voc).unwrap().contains("VOC2012"));
        assert_eq!(said(&tmp.path().join("kit"), Layout::Coco), None);
    }
}
