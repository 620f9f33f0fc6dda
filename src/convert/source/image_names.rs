//! Which files of a folder are taken for images, and what is said of the others.

use std::fs::File;
use std::path::Path;

use crate::convert::report::PassedOver;
use crate::image;
use crate::record::read_full;

/// What file managers leave behind.
const IGNORED: [&str; 2] = ["Thumbs.db", "desktop.ini"];
/// What the names of images end in, those among them that this crate does not read: a file named so that cannot be
/// stored is bad input.
const IMAGES: [&str; 21] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "gif", "webp", "bmp", "dib", "tif", "tiff", "heic", "heif", "avif",
    "jxl", "jp2", "ppm", "pgm", "pbm", "pnm",
];
/// What the names of texts end in: such files lie beside images by the thousand, and none is opened.
const TEXTS: [&str; 13] =
    ["txt", "md", "rst", "csv", "tsv", "json", "jsonl", "ndjson", "xml", "yaml", "yml", "html", "log"];
/// The kinds of files that are counted each by itself.
const MOST_KINDS: usize = 20;

/// Whether a file or folder is nobody's data: hidden, or made by a file manager.
pub(super) fn is_ignored(name: &str) -> bool {
    name.starts_with('.') || IGNORED.contains(&name)
}

/// Whether a file is to be stored, by its name; a name that does not tell is overruled by the first bytes of an image.
/// Only ordinary files are opened.
pub(super) fn is_image(path: &Path) -> bool {
    let extension = super::extension(path);
    if IMAGES.contains(&&*extension) {
        return true;
    }
    if TEXTS.contains(&&*extension) || !path.is_file() {
        return false;
    }
    let mut start = [0; 12];
    let length = File::open(path).and_then(|mut file| read_full(&mut file, &mut start)).unwrap_or(0);
    image::sniff(&start[..length]).is_some()
}

impl PassedOver {
    pub(super) fn note(&mut self, path: &Path) {
        let extension = super::extension(path);
        let kind = match extension.is_empty() || extension.len() > 10 || extension.contains(char::is_control) {
            true => "without an extension".to_owned(),
            false => format!(".{extension}"),
        };
        let kind = match self.kinds.len() >= MOST_KINDS && !self.kinds.contains_key(&kind) {
            true => "others".to_owned(),
            false => kind,
        };
        *self.kinds.entry(kind).or_default() += 1;
        self.files += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_images_and_so_do_first_bytes_where_they_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let is = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            is_image(&path)
        };
        let jpeg = b"\xff\xd8\xff\xe0 and so on";
        for name in ["a.JPG", "a.jpeg", "a.png", "a.heic", "a.tiff"] {
            assert!(is(name, b"no image"), "{name}");
        }
        for name in ["a", "00017", "a.0001", "photo.jpg_large"] {
            assert!(is(name, jpeg) && !is(name, b"text") && !is(name, b""), "{name}");
        }
        for name in ["README.md", "LICENSE", "notes.txt", "boxes.csv", "a.jpg.bak"] {
            assert!(!is(name, b"text"), "{name}");
        }
    }

    #[test]
    fn kinds_are_counted_and_bounded() {
        let mut passed = PassedOver::default();
        for name in ["a.txt", "b.TXT", "LICENSE", "README.md"] {
            passed.note(Path::new(name));
        }
        let said = "4 files whose names are not an image's are passed over: 1 .md, 2 .txt, 1 without an extension";
        assert_eq!(passed.to_string(), said);
        (0..100).for_each(|i| passed.note(Path::new(&format!("a.x{i}"))));
        assert!(passed.kinds.len() <= MOST_KINDS + 1 && passed.files == 104);
        assert_eq!(passed.kinds.values().sum::<u64>(), 104);
    }
}
