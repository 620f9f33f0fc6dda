//! Names of files and folders out of records: safe on every system, and each given once.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use sha2::{Digest, Sha256};

use crate::dataset::IMAGE_LISTS;
use crate::image::Format;

/// The longest name that file systems take, in bytes.
pub(super) const MAX_NAME: usize = 255;
/// Paths below the directory that are longer, in bytes, lose the folders that the record names.
const MAX_PATH: usize = 1024;
/// Names that are devices on Windows, whatever the extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// A name for one file or folder: no separators, control characters or others that some system refuses, no dot in
/// front, no dot or blank at the end, no device. At most 255 bytes.
pub(super) fn component(name: &str) -> String {
    let refused = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    let mut safe: String = name.chars().map(|c| if refused(c) { '_' } else { c }).collect();
    safe.truncate(cut(&safe, MAX_NAME));
    safe.truncate(safe.trim_end_matches(['.', ' ']).len());
    if safe.starts_with('.') {
        safe.replace_range(..1, "_");
    }
    if safe.is_empty() || is_device(&safe) {
        safe.insert(0, '_');
        safe.truncate(cut(&safe, MAX_NAME));
    }
    safe
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let numbered = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    let is_digit =
        |rest: &str| matches!(rest, "¹" | "²" | "³") || rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit();
    DEVICES.contains(&stem.as_str()) || numbered.is_some_and(is_digit)
}

/// The largest length up to `most` at which `text` may be cut.
fn cut(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// The folders and the name in a path that a record holds, made safe; `None` where it names no file.
pub(super) struct Stored {
    /// From the first to the last.
    pub(super) folders: Vec<String>,
    pub(super) name: String,
    /// Whether the path began at the root of some file system.
    pub(super) is_absolute: bool,
}

impl Stored {
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split(['/', '\\']).filter(|part| !matches!(*part, "" | ".")).peekable();
        let drive = |part: &&str| part.len() == 2 && part.ends_with(':');
        let is_absolute = path.starts_with(['/', '\\']) || parts.peek().is_some_and(drive);
        let mut folders: Vec<String> = parts.map(component).collect();
        let name = folders.pop()?;
        Some(Stored { folders, name, is_absolute })
    }
}

/// The name with the extension of its type (none is `bin`): kept where it says so already, else put in the place of
/// another type's, or behind.
pub(super) fn with_extension(name: &str, format: Option<Format>) -> String {
    const TYPES: [(Format, &[&str]); 6] = [
        (Format::Jpeg, &["jpg", "jpeg", "jpe", "jfif"]),
        (Format::Png, &["png"]),
        (Format::Gif, &["gif"]),
        (Format::Bmp, &["bmp", "dib"]),
        (Format::Webp, &["webp"]),
        (Format::Tiff, &["tif", "tiff"]),
    ];
    let own: &[&str] = TYPES.iter().find(|(f, _)| Some(*f) == format).map_or(&["bin"], |(_, names)| names);
    let is_one_of = |names: &[&str], extension: &str| names.iter().any(|n| n.eq_ignore_ascii_case(extension));
    let stem = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && is_one_of(own, extension) => return name.to_owned(),
        Some((stem, extension)) if !stem.is_empty() && TYPES.iter().any(|(_, names)| is_one_of(names, extension)) => {
            stem
        }
        _ => name,
    };
    join(stem, "", own[0])
}

/// `STEM` `SUFFIX` `.EXTENSION`, the stem cut where the whole would be too long.
fn join(stem: &str, suffix: &str, extension: &str) -> String {
    let rest = suffix.len() + 1 + extension.len();
    let stem = &stem[..cut(stem, MAX_NAME.saturating_sub(rest))];
    format!("{stem}{suffix}.{extension}")
}

/// The paths given so far, told apart as a file system does that takes no notice of case. 9 to 20 bytes a path, three
/// times that where names come twice.
pub(super) struct Names {
    files: HashSet<u64>,
    folders: HashSet<u64>,
    /// For names that were wanted again, the next number.
    next: HashMap<u64, u64>,
}

impl Names {
    pub(super) fn new() -> Self {
        Names { files: IMAGE_LISTS.map(key).into(), folders: HashSet::new(), next: HashMap::new() }
    }

    /// A path in `root` (empty, or with a `/` at its end) that no other file or folder has: in the folders `below`,
    /// where none of them is a file and the path is not too long; under `name`, or that with `-2`, `-3` ... before its
    /// extension.
    pub(super) fn file(&mut self, root: &str, below: &[String], name: &str) -> String {
        let mut folder = root.to_owned();
        let length = root.len() + below.iter().map(|part| part.len() + 1).sum::<usize>() + name.len();
        if length <= MAX_PATH {
            below.iter().for_each(|part| folder.extend([part, "/"]));
            let in_the_way = parents(&folder).skip(parents(root).count()).any(|p| self.files.contains(&key(p)));
            if in_the_way {
                folder.truncate(root.len());
            }
        }
        self.folders.extend(parents(&folder).map(key));
        let path = self.free(&folder, name);
        self.files.insert(key(&path));
        path
    }

    fn is_free(&self, path: &str) -> bool {
        !self.files.contains(&key(path)) && !self.folders.contains(&key(path))
    }

    fn free(&mut self, folder: &str, name: &str) -> String {
        let first = format!("{folder}{name}");
        if self.is_free(&first) {
            return first;
        }
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "bin"));
        // Those before have been tried.
        let mut number = self.next.get(&key(&first)).copied().unwrap_or(2);
        loop {
            let path = format!("{folder}{}", join(stem, &format!("-{number}"), extension));
            number += 1;
            if self.is_free(&path) {
                self.next.insert(key(&first), number);
                return path;
            }
        }
    }
}

/// Folders of one directory, each for one name, told apart as a file system does that takes no notice of case.
pub(super) struct Folders {
    /// By the hash of the name: a record may hold one of any length.
    given: HashMap<Option<[u8; 32]>, String>,
    /// In lower case, each with the next number for another folder of its name.
    taken: HashMap<String, u64>,
}

/// The folder for what has no name, where others have.
const NAMELESS: &str = "unlabelled";

impl Folders {
    pub(super) fn new() -> Self {
        Folders { given: HashMap::new(), taken: IMAGE_LISTS.iter().map(|name| (name.to_string(), 2)).collect() }
    }

    /// The folder for a name: the name made safe, or that with `-2`, `-3` ... behind it.
    pub(super) fn of(&mut self, name: Option<&str>) -> &str {
        let Folders { given, taken } = self;
        given.entry(name.map(|name| Sha256::digest(name).into())).or_insert_with(|| {
            let safe = component(name.unwrap_or(NAMELESS));
            let first = safe.to_lowercase();
            let mut number = taken.get(&first).copied();
            let mut folder = safe.clone();
            while let Some(n) = number {
                let suffix = format!("-{n}");
                folder = format!("{}{suffix}", &safe[..cut(&safe, MAX_NAME - suffix.len())]);
                taken.insert(first.clone(), n + 1);
                number = taken.contains_key(&folder.to_lowercase()).then_some(n + 1);
            }
            taken.insert(folder.to_lowercase(), 2);
            folder
        })
    }
}

/// The folders of a path that ends in `/`, from the first: `a`, `a/b`.
fn parents(folder: &str) -> impl Iterator<Item = &str> {
    folder.match_indices('/').map(|(at, _)| &folder[..at])
}

/// Two paths of one key by chance get different names, which does no harm.
fn key(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.to_lowercase().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_safe_on_every_system() {
        for (name, safe) in [
            ("cat", "cat"),
            ("naïve café", "naïve café"),
            ("..", "_"),
            (".hidden", "_hidden"),
            ("", "_"),
            ("a/b\\c:d", "a_b_c_d"),
            ("a\0b\n", "a_b_"),
            ("dot. .", "dot"),
            ("CON", "_CON"),
            ("nul.tar.gz", "_nul.tar.gz"),
            ("com7", "_com7"),
            ("LPT³.x", "_LPT³.x"),
            ("com10", "com10"),
            ("console", "console"),
        ] {
            assert_eq!(component(name), safe, "{name:?}");
        }
        let long = component(&"ä".repeat(300));
        assert_eq!(long, "ä".repeat(127));
    }

    #[test]
    fn extensions_tell_the_type() {
        for (name, format, expected) in [
            ("1.jpg", Some(Format::Jpeg), "1.jpg"),
            ("1.JPEG", Some(Format::Jpeg), "1.JPEG"),
            ("1.png", Some(Format::Jpeg), "1.jpg"),
            ("v1.2", Some(Format::Png), "v1.2.png"),
            ("1", Some(Format::Webp), "1.webp"),
            ("1.jpg", None, "1.bin"),
            ("index.html", None, "index.html.bin"),
        ] {
            assert_eq!(with_extension(name, format), expected);
        }
        let long = with_extension(&"x".repeat(255), Some(Format::Jpeg));
        assert!(long.len() == MAX_NAME && long.ends_with("x.jpg"));
    }

    #[test]
    fn a_name_is_given_once() {
        let mut names = Names::new();
        let mut file = |below: &[&str], name: &str| {
            let below: Vec<String> = below.iter().map(|s| s.to_string()).collect();
            names.file("cat/", &below, name)
        };
        assert_eq!(file(&[], "1.jpg"), "cat/1.jpg");
        assert_eq!(file(&[], "1-2.jpg"), "cat/1-2.jpg");
        assert_eq!(file(&[], "1.JPG"), "cat/1-3.JPG");
        assert_eq!(file(&[], "1.jpg"), "cat/1-4.jpg");
        assert_eq!(file(&["1.jpg"], "x.jpg"), "cat/x.jpg", "a file is no folder");
        assert_eq!(file(&["d.jpg"], "x.jpg"), "cat/d.jpg/x.jpg");
        assert_eq!(file(&[], "d.jpg"), "cat/d-2.jpg", "a folder is no file");
        assert_eq!(file(&["d.jpg"], "y.jpg"), "cat/d.jpg/y.jpg");
        assert_eq!(file(&["d"; 1000], "z.jpg"), "cat/z.jpg", "too long a path");
        let long = "x".repeat(251) + ".jpg";
        assert_eq!(file(&[], &long).len(), 4 + MAX_NAME);
        assert_eq!(file(&[], &long), format!("cat/{}-2.jpg", "x".repeat(249)));
    }

    #[test]
    fn folders_differ_and_leave_the_list_its_name() {
        let mut folders = Folders::new();
        let mut of = |name| folders.of(name).to_owned();
        let names = [Some("Cat"), Some("cat"), Some("cat:"), Some("cat?"), Some("Cat"), Some("manifest.jsonl")];
        assert_eq!(names.map(&mut of), ["Cat", "cat-2", "cat_", "cat_-2", "Cat", "manifest.jsonl-2"]);
        assert_eq!([Some("unlabelled"), None].map(of), ["unlabelled", "unlabelled-2"]);
        assert_eq!(Names::new().file("", &[], "MANIFEST.csv"), "MANIFEST-2.csv");
    }

    #[test]
    fn stored_paths_come_apart() {
        let stored = Stored::parse("/a/../b\\c.jpg").unwrap();
        assert_eq!((stored.folders.join("|"), &*stored.name, stored.is_absolute), ("a|_|b".into(), "c.jpg", true));
        assert!(Stored::parse("C:\\x.jpg").unwrap().is_absolute);
        assert!(!Stored::parse("./x.jpg").unwrap().is_absolute);
        assert!(Stored::parse("//").is_none());
    }
}
