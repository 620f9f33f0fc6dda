//! Pascal VOC: an XML file for each image, and lists of their names. Memory is proportional to images and objects:
//! some 600 bytes and the path an image, up to 80 bytes an object.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use roxmltree::{Document, Node, ParsingOptions};

use super::below::Below;
use super::classes::{ClassNames, odd_names};
use super::{Annotations, Objects, Source, SourceFile, boxes, extension, malformed, nearby, shortened};
use crate::convert::options::{ConvertOptions, Layout};
use crate::error::{Error, Result};
use crate::example::Values;
use crate::job::Job;

const ANNOTATIONS: &str = "Annotations";
const IMAGES: &str = "JPEGImages";
const LISTS: &str = "ImageSets/Main";
/// The lists that make sets; `trainval` only where neither `train` nor `val` is there.
const SETS: [&str; 4] = ["train", "val", "test", "trainval"];
/// A longer file of annotations is none.
const LONGEST_XML: u64 = 16 << 20;
const MOST_NODES: u32 = 1 << 20;
/// A longer list of names is none.
const LONGEST_LIST: u64 = 1 << 30;

pub(super) fn is_voc(src: &Path) -> bool {
    src.join(ANNOTATIONS).is_dir() && src.join(IMAGES).is_dir()
}

/// Reads a dataset. Classes are numbered by `labels`, else sorted by bytes.
pub(super) fn read(options: &ConvertOptions, labels: Option<Vec<String>>, job: &Job<'_>) -> Result<Source> {
    let src = &*options.src;
    if !is_voc(src) {
        return Err(nearby::refuse(src, Layout::Voc).unwrap_or_else(|| {
            Error::usage_hint(
                format!("{} does not hold {ANNOTATIONS} and {IMAGES}", src.display()),
                "name the directory that does, such as VOCdevkit/VOC2012",
            )
        }));
    }
    let mut source = Source { root: src.to_owned(), ..Source::default() };
    let mut names = ClassNames::default();
    let below = Below::new(src, options.allow_outside);
    let features = ["source_id", "object/difficult", "object/truncated", "object/view"];
    let features: [Arc<str>; 4] = features.map(|name| format!("image/{name}").into());
    let mut sets = sets(src)?;
    if let [(name, _)] = &mut sets[..] {
        source.name = name.take();
    }
    for (set, stems) in sets {
        let mut files = Vec::new();
        for stem in stems {
            job.check()?;
            let xml = format!("{ANNOTATIONS}/{stem}.xml");
            below.check(&xml, src, &format!("the image '{}' of the set", shortened(&stem)))?;
            match image(src, &stem, &below, &features, &mut names) {
                Ok(file) => files.push(file),
                Err(Trouble::Outside(error)) => return Err(error),
                Err(Trouble::Bad(reason)) => source.bad.push((xml, reason)),
            }
        }
        source.sets.push((set, files));
    }
    let numbered = names.number(src, labels, 0)?;
    let notes = source.sets.iter_mut().flat_map(|(_, files)| files).filter_map(|file| file.notes.as_mut());
    for key in notes.filter_map(|notes| notes.objects.as_mut()?.classes.as_mut()).flatten() {
        *key = numbered.class(*key);
    }
    source.warnings.extend(odd_names(&numbered.classes));
    source.classes = numbered.classes;
    Ok(source)
}

/// The sets, and the names of their images without extension; without lists, one set of all.
fn sets(src: &Path) -> Result<Vec<(Option<String>, Vec<String>)>> {
    let mut sets: Vec<(Option<String>, Vec<String>)> = Vec::new();
    for name in SETS {
        let path = src.join(LISTS).join(format!("{name}.txt"));
        let has_parts = sets.iter().any(|(set, _)| matches!(set.as_deref(), Some("train" | "val")));
        if !path.is_file() || name == "trainval" && has_parts {
            continue;
        }
        let text = read_list(&path)?;
        sets.push((Some(name.to_owned()), text.lines().map(stem_in).filter(|s| !s.is_empty()).collect()));
    }
    if sets.is_empty() {
        let dir = src.join(ANNOTATIONS);
        let entries = fs::read_dir(&dir).map_err(|e| Error::io(&dir, e))?;
        let paths = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>();
        let xml = paths.map_err(|e| Error::io(&dir, e))?.into_iter().filter(|path| extension(path) == "xml");
        let mut stems: Vec<String> =
            xml.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
        stems.retain(|stem| !stem.starts_with('.'));
        stems.sort();
        sets.push((None, stems));
    }
    Ok(sets)
}

fn read_list(path: &Path) -> Result<String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST_LIST).read_to_string(&mut text));
    if read.map_err(|e| Error::io(path, e))? as u64 == LONGEST_LIST {
        let detail = format!("the list is over {} MiB", LONGEST_LIST >> 20);
        return Err(malformed(path, detail, "a list of a set has the name of an image in each line"));
    }
    Ok(text)
}

/// A line's name; the lists of a class have a number behind it.
fn stem_in(line: &str) -> String {
    let line = line.trim().trim_start_matches('\u{feff}');
    match line.rsplit_once(char::is_whitespace) {
        Some((name, "1" | "-1" | "0")) => name.trim_end().to_owned(),
        _ => line.to_owned(),
    }
}

/// What is wrong with an image: it is bad, or it lies where it must not be looked for.
enum Trouble {
    Bad(String),
    Outside(Error),
}

impl From<String> for Trouble {
    fn from(reason: String) -> Self {
        Trouble::Bad(reason)
    }
}

/// An image by its file of annotations.
fn image(
    src: &Path,
    stem: &str,
    below: &Below,
    features: &[Arc<str>; 4],
    names: &mut ClassNames,
) -> Result<SourceFile, Trouble> {
    let xml = src.join(ANNOTATIONS).join(format!("{stem}.xml"));
    let text = read_xml(&xml)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&text, options).map_err(|e| e.to_string())?;
    let root = document.root_element();
    let filename = text_of(root, "filename").map_or_else(|| format!("{stem}.jpg"), str::to_owned);
    below.check(&format!("{IMAGES}/{filename}"), &xml, "filename").map_err(Trouble::Outside)?;
    let (mut file, filename) = find_image(src, stem, filename)?;
    below.check(&file.path, &xml, "the image").map_err(Trouble::Outside)?;
    let annotated = child(root, "size").and_then(|size| {
        let side = |name| text_of(size, name)?.parse::<u32>().ok().filter(|side| *side > 0);
        Some([side("height")?, side("width")?])
    });
    let size = annotated.or_else(|| boxes::size_of_image(&src.join(&*file.path)));
    let mut objects = Objects { boxes: Vec::new(), classes: Some(Vec::new()) };
    let (mut difficult, mut truncated, mut view) = (Vec::new(), Vec::new(), Vec::new());
    let nodes = root.children().filter(|node| node.has_tag_name("object"));
    for (number, object) in nodes.enumerate() {
        let place = |problem: String| {
            let line = document.text_pos_at(object.range().start).row;
            format!("line {line}, object {number}: {problem}")
        };
        let size = size.ok_or_else(|| place("the annotations give no size, and the image has none".into()))?;
        objects.boxes.push(corners(object).and_then(|corners| boxes::from_pixels(corners, size)).map_err(place)?);
        let name = text_of(object, "name").ok_or_else(|| place("it has no name".into()))?;
        let key = names.key(None, Some(name.into()), || format!("{ANNOTATIONS}/{stem}.xml"));
        objects.classes.get_or_insert_default().push(key);
        difficult.push(flag(object, "difficult"));
        truncated.push(flag(object, "truncated"));
        view.push(text_of(object, "pose").unwrap_or("Unspecified").to_owned());
    }
    let values = [
        Values::Bytes([filename].into_iter().collect()),
        Values::Int64(difficult),
        Values::Int64(truncated),
        Values::Bytes(view.into_iter().collect()),
    ];
    let features = features.iter().cloned().zip(values).collect();
    file.notes = Some(Box::new(Annotations { size, filename: None, objects: Some(objects), features }));
    Ok(file)
}

fn read_xml(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST_XML).read_to_string(&mut text));
    match read {
        Ok(length) if length as u64 == LONGEST_XML => Err("the file is over 16 MiB".into()),
        Ok(_) => Ok(text),
        Err(e) => Err(e.to_string()),
    }
}

/// The image that the annotations name, or else the one that is called as they are.
fn find_image(src: &Path, stem: &str, filename: String) -> Result<(SourceFile, String), String> {
    let named = SourceFile::at(src, &format!("{IMAGES}/{filename}"));
    let Err(reason) = named else { return Ok((named?, filename)) };
    let others = ["jpg", "jpeg", "png", "JPG", "JPEG", "PNG"].into_iter().map(|e| format!("{stem}.{e}"));
    let found =
        others.into_iter().find_map(|name| Some((SourceFile::at(src, &format!("{IMAGES}/{name}")).ok()?, name)));
    found.ok_or_else(|| format!("{IMAGES}/{filename}: {reason}"))
}

/// xmin, ymin, xmax, ymax in pixels as the file has them. Its pixels count from 1; the usual scripts for detection
/// models divide them by the image's size as they are, and so do we.
fn corners(object: Node<'_, '_>) -> Result<[f64; 4], String> {
    let bndbox = child(object, "bndbox").ok_or("it has no bndbox")?;
    let side = |name: &str| {
        let text = text_of(bndbox, name).ok_or_else(|| format!("its bndbox has no {name}"))?;
        text.parse::<f64>().map_err(|_| format!("the {name} of its bndbox is '{text:.20}'"))
    };
    Ok([side("xmin")?, side("ymin")?, side("xmax")?, side("ymax")?])
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn text_of<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text().map(str::trim).filter(|text| !text.is_empty())
}

fn flag(object: Node<'_, '_>, name: &str) -> i64 {
    i64::from(text_of(object, name).is_some_and(|text| text != "0"))
}
