//! Where the images come from, and what is known of each: one file a layout.

mod below;
mod boxes;
mod classes;
mod coco;
mod describe;
mod folders;
mod image_names;
mod nearby;
mod table;
mod voc;
mod watched;

use std::borrow::Cow;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::options::{ConvertOptions, Layout};
use super::report::PassedOver;
use crate::error::{Error, ErrorKind, Result};
use crate::example::Values;
use crate::job::Job;
use crate::sys;

/// One image file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SourceFile {
    /// The path below the source's root, `/` between its parts.
    pub(super) path: Box<str>,
    /// The number of its class, before the label offset.
    pub(super) class: Option<u32>,
    /// Its length in bytes.
    pub(super) size: u64,
    /// When it was last changed, in nanoseconds: what a resumed run goes by.
    pub(super) modified: u64,
    /// What else the source says of it. Boxed: a folder of images says nothing, and has millions of them.
    pub(super) notes: Option<Box<Annotations>>,
}

/// What a source says of an image besides its class.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Annotations {
    /// The image's height and width, as annotated.
    pub(super) size: Option<[u32; 2]>,
    /// What is stored as `image/filename` instead of the path.
    pub(super) filename: Option<Box<str>>,
    /// What is to be seen in it.
    pub(super) objects: Option<Objects>,
    /// Further features.
    pub(super) features: Vec<(Arc<str>, Values)>,
}

/// The objects in an image.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Objects {
    /// xmin, ymin, xmax, ymax, in parts of the image's size.
    pub(super) boxes: Vec<[f32; 4]>,
    /// The number of each one's class, before the label offset.
    pub(super) classes: Option<Vec<u32>>,
}

/// What a source holds.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Where the paths begin.
    pub(super) root: PathBuf,
    /// The sets that the source makes, in order; the one without a name is called as the options say.
    pub(super) sets: Vec<(Option<String>, Vec<SourceFile>)>,
    /// What the only set is called where the options do not say.
    pub(super) name: Option<String>,
    /// Class names in the order of their numbers.
    pub(super) classes: Vec<String>,
    /// What it is: never [`Layout::Auto`], once all of it is known.
    pub(super) layout: Layout,
    /// Those of its sets that have no labels, though others have.
    pub(super) unlabelled: Vec<String>,
    /// The files that were not taken for images.
    pub(super) passed_over: PassedOver,
    /// What cannot become a record: path and reason.
    pub(super) bad: Vec<(String, String)>,
    /// What a person should know.
    pub(super) warnings: Vec<String>,
}

/// Finds the images. `labels` are class names whose order counts.
pub(super) fn scan(options: &ConvertOptions, labels: Option<Vec<String>>, job: &Job<'_>) -> Result<Source> {
    let src = &options.src;
    let layout = match options.layout {
        Layout::Auto => detect(src, job)?,
        layout => layout,
    };
    job.check()?;
    check_place(src, layout)?;
    let mut source = match layout {
        Layout::Auto | Layout::Classes | Layout::Splits => folders::scan(src, layout, labels, job)?,
        Layout::Flat => folders::scan_flat(src, job)?,
        Layout::Csv | Layout::Jsonl => table::read(options, layout, labels, job)?,
        Layout::Coco => coco::read(options, labels, job)?,
        Layout::Voc => voc::read(options, labels, job)?,
    };
    if layout != Layout::Auto {
        source.layout = layout;
    }
    source.bad.sort();
    Ok(source)
}

/// The layout of a source, told by its files. [`Layout::Auto`] leaves the folders to be told apart. Never
/// [`Layout::Flat`]: nobody is to lose labels by accident.
fn detect(src: &Path, job: &Job<'_>) -> Result<Layout> {
    if src.is_dir() {
        return match () {
            () if voc::is_voc(src) => Ok(Layout::Voc),
            () if coco::is_coco(src, job) => Ok(Layout::Coco),
            () => nearby::refuse(src, Layout::Auto).map_or(Ok(Layout::Auto), Err),
        };
    }
    match extension(src).as_str() {
        "csv" | "tsv" => Ok(Layout::Csv),
        "jsonl" | "ndjson" => Ok(Layout::Jsonl),
        "json" => Ok(Layout::Coco),
        _ if src.is_file() => Err(Error::usage_hint(
            format!("{} is neither a directory nor a list of images", src.display()),
            "lists end in .csv, .tsv, .jsonl, .ndjson or .json (COCO); another name needs `--layout`",
        )),
        _ => Ok(Layout::Auto),
    }
}

/// Refuses a file where the layout is one of directories, and the other way round.
fn check_place(src: &Path, layout: Layout) -> Result<()> {
    let is_list = matches!(layout, Layout::Csv | Layout::Jsonl);
    let (good, what, hint) = match layout {
        Layout::Coco => (src.exists(), "there", "name the dataset's directory or its file of annotations"),
        _ if is_list => (src.is_file(), "a file", "name the list of images; their paths begin at its folder"),
        Layout::Voc => (src.is_dir(), "a directory", "name the directory that holds Annotations and JPEGImages"),
        Layout::Flat => (src.is_dir(), "a directory", "name a directory of images"),
        _ => (src.is_dir(), "a directory", "name a directory that holds a folder of images for each class"),
    };
    if good {
        return Ok(());
    }
    Err(match fs::metadata(src) {
        Ok(found) if !found.is_file() && !found.is_dir() => {
            let detail = format!("{} is {}, not {what}", src.display(), sys::kind_of(&found.file_type()));
            Error::usage_hint(detail, "write what it gives to a file first: a list is read more than once")
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Error::usage_hint(format!("{} does not exist", src.display()), hint)
        }
        _ => Error::usage_hint(format!("{} is not {what}", src.display()), hint),
    })
}

/// A file's extension, in lower case.
fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

impl SourceFile {
    fn new(path: impl Into<Box<str>>, class: Option<u32>, meta: &Metadata) -> Self {
        let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        SourceFile {
            path: path.into(),
            class,
            size: meta.len(),
            modified: modified.map_or(0, |d| d.as_nanos() as u64),
            notes: None,
        }
    }

    /// The file at `path` below `root`, or why it cannot be one of the images.
    fn at(root: &Path, path: &str) -> Result<Self, String> {
        match fs::metadata(root.join(path)) {
            Ok(meta) if meta.is_file() => Ok(SourceFile::new(path, None, &meta)),
            Ok(meta) => Err(format!("it is {}, not a file", sys::kind_of(&meta.file_type()))),
            Err(e) => Err(e.to_string()),
        }
    }
}

/// Names for a message: the first few, and how many more there are.
fn listed(names: &[String]) -> String {
    const MOST: usize = 8;
    let shown = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What is said of a list is not longer: what it holds may be.
const LONGEST_DETAIL: usize = 2000;

/// A name for a message: of a long one, both ends.
fn shortened(name: &str) -> Cow<'_, str> {
    const END: usize = 100;
    if name.len() <= 3 * END {
        return Cow::Borrowed(name);
    }
    let is_boundary = |at: &usize| name.is_char_boundary(*at);
    let start = (0..=END).rev().find(is_boundary).unwrap_or(0);
    let end = (name.len() - END..name.len()).find(is_boundary).unwrap_or(name.len());
    Cow::Owned(format!("{}[...]{}", &name[..start], &name[end..]))
}

/// An error about a list or annotations.
fn malformed(path: &Path, detail: impl Into<String>, hint: impl Into<String>) -> Error {
    let detail = detail.into();
    let detail = if detail.len() > LONGEST_DETAIL { shortened(&detail).into_owned() } else { detail };
    Error::new(ErrorKind::Annotations { detail, hint: hint.into() }).at_path(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nothing_is_said_of_stays_small() {
        assert_eq!(size_of::<SourceFile>(), 48);
    }

    #[test]
    fn the_source_tells_its_layout() {
        let job = Job::default();
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for (name, layout) in
            [("a.CSV", Layout::Csv), ("a.tsv", Layout::Csv), ("a.ndjson", Layout::Jsonl), ("a.json", Layout::Coco)]
        {
            fs::write(dir.join(name), "").unwrap();
            assert_eq!(detect(&dir.join(name), &job).unwrap(), layout);
        }
        fs::write(dir.join("a.txt"), "").unwrap();
        assert!(detect(&dir.join("a.txt"), &job).is_err());
        // Images alone are not taken to be without labels.
        assert_eq!(detect(dir, &job).unwrap(), Layout::Auto);
        fs::create_dir(dir.join("annotations")).unwrap();
        fs::write(dir.join("annotations/notes.json"), r#"{"images": 1}"#).unwrap();
        assert_eq!(detect(dir, &job).unwrap(), Layout::Auto);
        fs::write(dir.join("annotations/all.json"), r#"{"annotations": [], "images": [{}]}"#).unwrap();
        assert_eq!(detect(dir, &job).unwrap(), Layout::Coco);
        let voc = tempfile::tempdir().unwrap();
        for name in ["Annotations", "JPEGImages"] {
            fs::create_dir(voc.path().join(name)).unwrap();
        }
        assert_eq!(detect(voc.path(), &job).unwrap(), Layout::Voc);
    }

    #[test]
    fn every_scan_can_be_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for folder in ["Annotations", "JPEGImages", "class"] {
            fs::create_dir(dir.join(folder)).unwrap();
        }
        for (name, text) in [
            ("class/a.jpg", ""),
            ("Annotations/a.xml", "<annotation/>"),
            ("a.csv", "path\nclass/a.jpg\n"),
            ("a.jsonl", "{\"path\": \"class/a.jpg\"}\n"),
            ("a.json", r#"{"images": [], "annotations": []}"#),
        ] {
            fs::write(dir.join(name), text).unwrap();
        }
        let stop = true.into();
        let job = Job { stop: Some(&stop), ..Job::default() };
        for (name, layout) in [
            ("", Layout::Classes),
            ("", Layout::Flat),
            ("", Layout::Voc),
            ("a.csv", Layout::Csv),
            ("a.jsonl", Layout::Jsonl),
            ("a.json", Layout::Coco),
        ] {
            let options = ConvertOptions { layout, ..ConvertOptions::new(dir.join(name), "out") };
            assert!(scan(&options, None, &Job::default()).is_ok(), "{layout:?}");
            assert_eq!(scan(&options, None, &job).unwrap_err().kind_name(), "interrupted", "{layout:?}");
            let read = match layout {
                Layout::Csv | Layout::Jsonl => table::read(&options, layout, None, &job),
                Layout::Coco => coco::read(&options, None, &job),
                Layout::Voc => voc::read(&options, None, &job),
                Layout::Flat => folders::scan_flat(&options.src, &job),
                _ => folders::scan(&options.src, layout, None, &job),
            };
            assert_eq!(read.unwrap_err().kind_name(), "interrupted", "{layout:?}");
        }
    }
}
