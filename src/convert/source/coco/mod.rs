//! COCO: `annotations/instances_SET.json` and a folder of images for each. Memory is proportional to images and
//! annotations: some 600 bytes and the path an image, up to 80 bytes an annotation; 110 more of each while files are
//! read.

mod json;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::json::{Annotation, Image, Instances};
use super::below::Below;
use super::classes::odd_names;
use super::{Annotations, Objects, Source, SourceFile, boxes, extension, malformed, nearby};
use crate::convert::options::{ConvertOptions, Layout};
use crate::dataset::{check_set_name, dir_of};
use crate::error::{Error, Result};
use crate::example::Values;
use crate::job::Job;

/// What the name of a file of boxes begins with; those of captions and keypoints lie beside it.
const PREFIX: &str = "instances_";
/// How many images are looked for before a folder counts as another's.
const LOOKED_FOR: usize = 32;

/// Whether a directory holds files of annotations where COCO has them.
pub(super) fn is_coco(src: &Path, job: &Job<'_>) -> bool {
    files(src, job).is_ok_and(|files| !files.is_empty())
}

/// Whether a directory has a file of annotations where COCO has it, by its name alone.
pub(super) fn has_instances(src: &Path) -> bool {
    let entries = fs::read_dir(src.join("annotations")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| extension(&path) == "json" && stem(&path).starts_with(PREFIX))
}

/// Reads a file of annotations, or all those of a dataset. Categories are numbered in the order of their ids, or by
/// `labels`.
pub(super) fn read(options: &ConvertOptions, labels: Option<Vec<String>>, job: &Job<'_>) -> Result<Source> {
    let src = &*options.src;
    let mut source = Source { root: src.to_owned(), ..Source::default() };
    let files = if src.is_dir() { files(src, job)? } else { vec![src.to_owned()] };
    if files.is_empty() {
        return Err(nearby::refuse(src, Layout::Coco).unwrap_or_else(|| {
            Error::usage_hint(
                format!("{} has no {PREFIX}*.json in annotations", src.display()),
                "name the file of annotations, or the directory that holds it in a folder 'annotations'",
            )
        }));
    }
    // All categories before the first number: they are those of the union.
    let mut categories = Categories::default();
    let mut sets = Vec::new();
    for file in files {
        let mut instances = json::read(&file, job)?;
        categories.add(&file, std::mem::take(&mut instances.categories))?;
        sets.push((file, instances));
    }
    let numbers = categories.number(src, labels)?;
    let several = sets.len() > 1;
    let mut segmented = false;
    for (file, instances) in sets {
        segmented |= instances.annotations.iter().any(|a| a.segmented);
        let folder = folder_of_images(src, &file, &instances.images)?;
        // Paths begin at the dataset's directory, or at the folder of the images where only a file is named.
        let prefix = match folder.strip_prefix(src) {
            Ok(below) if src.is_dir() => below.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/"),
            _ => {
                source.root = folder;
                String::new()
            }
        };
        let name = set_name(&file);
        let below = Below::new(&source.root, options.allow_outside);
        let files = set(&file, (&prefix, &below), instances, &numbers, &mut source, job)?;
        if several {
            source.sets.push((Some(name.unwrap_or_else(|| stem(&file))), files));
        } else {
            source.name = name;
            source.sets.push((None, files));
        }
    }
    if segmented {
        source.warnings.push("segmentations are left out; boxes are kept".into());
    }
    source.classes = numbers.classes;
    source.warnings.extend(odd_names(&source.classes));
    Ok(source)
}

/// The files of annotations of a dataset, sorted: those called `instances_*.json`, else those that hold COCO's lists.
fn files(src: &Path, job: &Job<'_>) -> Result<Vec<PathBuf>> {
    let dir = src.join("annotations");
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&dir).map_err(|e| Error::io(&dir, e))?;
    let paths = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(|e| Error::io(&dir, e))?;
    let (named, others): (Vec<_>, Vec<_>) =
        paths.into_iter().filter(|p| extension(p) == "json" && p.is_file()).partition(|p| stem(p).starts_with(PREFIX));
    let mut files = named;
    if files.is_empty() {
        files = others.into_iter().filter(|p| json::is_coco(p, job)).collect();
    }
    files.sort();
    Ok(files)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// `train2017` of `instances_train2017.json`, where that can name a set.
fn set_name(file: &Path) -> Option<String> {
    let stem = stem(file);
    let name = stem.strip_prefix(PREFIX)?;
    check_set_name(name).is_ok().then(|| name.to_owned())
}

/// The first folder, of those in use, that holds images of the list.
fn folder_of_images(src: &Path, file: &Path, images: &[Image]) -> Result<PathBuf> {
    let beside = dir_of(file);
    let stem = stem(file);
    let name = stem.strip_prefix(PREFIX).unwrap_or(&stem);
    // A dataset's own paths are to begin with it, so that they can be told below it.
    let above = if src.is_dir() { src.to_owned() } else { beside.join("..") };
    let folders = [
        above.join(name),
        above.join("images").join(name),
        above.join("images"),
        beside.join(name),
        beside.to_owned(),
        above,
    ];
    let holds = |folder: &PathBuf| images.iter().take(LOOKED_FOR).any(|i| folder.join(&*i.file_name).is_file());
    if let Some(folder) = folders.iter().find(|folder| images.is_empty() || holds(folder)) {
        return Ok(folder.clone());
    }
    let looked: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    let first = images.first().map(|i| &*i.file_name).unwrap_or_default();
    Err(Error::usage_hint(
        format!("the images of {} are not found, such as {first}", file.display()),
        format!("put them into one of {}", looked.join(", ")),
    ))
}

/// Categories by id, and the file that has named each first.
#[derive(Default)]
struct Categories(BTreeMap<i64, (String, PathBuf)>);

/// The classes, and the number of each category.
struct Numbers {
    classes: Vec<String>,
    by_id: HashMap<i64, u32>,
}

impl Categories {
    fn add(&mut self, file: &Path, categories: Vec<json::Category>) -> Result<()> {
        for category in categories {
            let (id, name) = (category.id, category.name);
            if name.is_empty() || name.contains(char::is_control) {
                let detail = format!("the category {id} is called {name:?}");
                return Err(malformed(file, detail, "give it a name without control characters"));
            }
            match self.0.get(&id) {
                Some((other, place)) if *other != name => {
                    let detail = format!("the category {id} is called '{name}', but '{other}' in {}", place.display());
                    return Err(malformed(file, detail, "a category has one name in all files of a dataset"));
                }
                Some(_) => {}
                None => drop(self.0.insert(id, (name, file.to_owned()))),
            }
        }
        Ok(())
    }

    fn number(self, src: &Path, labels: Option<Vec<String>>) -> Result<Numbers> {
        let mut numbers = HashMap::new();
        let classes = match labels {
            Some(labels) => labels,
            None => self.0.values().map(|(name, _)| name.clone()).collect(),
        };
        for (name, number) in classes.iter().zip(0..) {
            if numbers.insert(name.as_str(), number).is_some() {
                let detail = format!("two categories are called '{name}'");
                return Err(malformed(src, detail, "give each category a name of its own"));
            }
        }
        let number = |(id, (name, file)): (&i64, &(String, PathBuf))| match numbers.get(name.as_str()) {
            Some(number) => Ok((*id, *number)),
            None => Err(Error::usage_hint(
                format!("{}: the category {id}, '{name}', is not in the labels file", file.display()),
                "add the name to the file",
            )),
        };
        let by_id = self.0.iter().map(number).collect::<Result<_>>()?;
        Ok(Numbers { classes, by_id })
    }
}

/// The images of a file of annotations, in its order. `prefix` is their folder below the source's root, which holds them.
fn set(
    file: &Path,
    (prefix, below): (&str, &Below),
    instances: Instances,
    numbers: &Numbers,
    source: &mut Source,
    job: &Job<'_>,
) -> Result<Vec<SourceFile>> {
    let Instances { images, mut annotations, .. } = instances;
    for (at, annotation) in annotations.iter_mut().enumerate() {
        annotation.id.get_or_insert(at as i64);
    }
    annotations.sort_by_key(|a| (a.image_id, a.id));
    let names = ["source_id", "object/area", "object/is_crowd", "object/category_id"];
    let names: [Arc<str>; 4] = names.map(|name| format!("image/{name}").into());
    let mut ids = HashSet::new();
    let mut files = Vec::new();
    for image in &images {
        job.check()?;
        if !ids.insert(image.id) {
            return Err(malformed(file, format!("two images have the id {}", image.id), "give each image an id"));
        }
        let first = annotations.partition_point(|a| a.image_id < image.id);
        let count = annotations[first..].partition_point(|a| a.image_id == image.id);
        let path =
            if prefix.is_empty() { image.file_name.to_string() } else { format!("{prefix}/{}", image.file_name) };
        below.check(&path, file, &format!("the image {}", image.id))?;
        let found = SourceFile::at(&source.root, &path);
        let size = (image.height > 0 && image.width > 0).then_some([image.height, image.width]);
        // Without a size there are boxes in pixels of nothing: the image itself is asked.
        let ask = || found.as_ref().ok().and_then(|_| boxes::size_of_image(&source.root.join(&path)));
        let size = size.or_else(ask);
        let objects = objects(file, &annotations[first..first + count], size, numbers)?;
        match found.and_then(|found| Ok((found, objects?))) {
            Ok((mut file, (objects, [area, is_crowd, category_id]))) => {
                let source_id = Values::Bytes([image.id.to_string()].into_iter().collect());
                let features = names.iter().cloned().zip([source_id, area, is_crowd, category_id]).collect();
                file.notes = Some(Box::new(Annotations { size, filename: None, objects: Some(objects), features }));
                files.push(file);
            }
            Err(reason) => source.bad.push((path, format!("{reason} (image {} of {})", image.id, file.display()))),
        }
    }
    match annotations.iter().find(|a| !ids.contains(&a.image_id)) {
        Some(a) => {
            let detail = format!("the annotation {} is of the image {}, which is not there", id(a), a.image_id);
            Err(malformed(file, detail, "take the annotation out, or put the image into the list"))
        }
        None => Ok(files),
    }
}

type Described = (Objects, [Values; 3]);

/// The objects of an image, with area, is_crowd and category_id of each; or why the image is bad.
fn objects(
    file: &Path,
    annotations: &[Annotation],
    size: Option<[u32; 2]>,
    numbers: &Numbers,
) -> Result<Result<Described, String>> {
    let (mut corners, mut classes) = (Vec::new(), Vec::new());
    let (mut areas, mut crowds, mut categories) = (Vec::new(), Vec::new(), Vec::new());
    for annotation in annotations {
        let id = id(annotation);
        let (Some(category), Some([left, top, width, height])) = (annotation.category_id, annotation.bbox) else {
            let detail = format!("the annotation {id} has no bbox or no category_id");
            return Err(malformed(file, detail, "name a file of boxes, as those called instances_*.json are"));
        };
        let Some(&class) = numbers.by_id.get(&category) else {
            let detail = format!("the annotation {id} is of the category {category}, which is not there");
            return Err(malformed(file, detail, "put the category into the list"));
        };
        let Some(size) = size else { return Ok(Err("the annotations give no size, and the image has none".into())) };
        match boxes::from_pixels([left, top, left + width, top + height], size) {
            Ok(one) => corners.push(one),
            Err(reason) => return Ok(Err(format!("the annotation {id} {reason}"))),
        }
        classes.push(class);
        areas.push(annotation.area.unwrap_or(width * height) as f32);
        crowds.push(i64::from(annotation.iscrowd));
        categories.push(category);
    }
    let objects = Objects { boxes: corners, classes: Some(classes) };
    Ok(Ok((objects, [Values::Float(areas), Values::Int64(crowds), Values::Int64(categories)])))
}

fn id(annotation: &Annotation) -> i64 {
    annotation.id.unwrap_or_default()
}
