//! Whether a file that a list names lies below the list's own folder. A list is data: whoever wrote it is not to choose
//! which files of this machine go into the shards.

use std::path::{Component, Path, PathBuf};

use super::{malformed, shortened};
use crate::error::Result;

/// Longer paths are those of no system.
const LONGEST_PATH: usize = 4096;

/// The folder that holds all files of a list.
pub(super) struct Below {
    root: PathBuf,
    /// Without links; `None` where any place will do.
    real: Option<PathBuf>,
}

impl Below {
    /// The folder at `root`; files anywhere else pass too where the caller allows them.
    pub(super) fn new(root: &Path, allow_outside: bool) -> Self {
        // Where there is no folder, there is no file in it.
        let real = (!allow_outside).then(|| root.canonicalize().unwrap_or_else(|_| root.to_owned()));
        Below { root: root.to_owned(), real }
    }

    /// An error where the file at `path` lies elsewhere, links followed, or its path is too long to be one. `place` is the
    /// list, `at` where it names the file.
    pub(super) fn check(&self, path: &str, place: &Path, at: &str) -> Result<()> {
        if path.len() > LONGEST_PATH {
            let detail = format!("{at}: the path '{}' is {} bytes long", shortened(path), path.len());
            return Err(malformed(place, detail, format!("a path has at most {LONGEST_PATH} bytes")));
        }
        let Some(real) = &self.real else { return Ok(()) };
        let is_inside = match self.root.join(path).canonicalize() {
            Ok(found) => found.starts_with(real),
            // What is not there is told by its name.
            Err(_) => stays_below(Path::new(path)),
        };
        if is_inside {
            return Ok(());
        }
        let detail = format!("{at}: '{}' lies outside {}", shortened(path), self.root.display());
        Err(malformed(place, detail, "put the file there, or take files from anywhere with `--allow-outside`"))
    }
}

/// Whether no step of a path leads above its start.
fn stays_below(path: &Path) -> bool {
    let mut depth = 0usize;
    path.components().all(|part| match part {
        Component::Normal(_) => {
            depth += 1;
            true
        }
        Component::CurDir => true,
        Component::ParentDir => depth.checked_sub(1).map(|up| depth = up).is_some(),
        Component::Prefix(_) | Component::RootDir => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_out_are_told() {
        for inside in ["a", "a/b", "./a", "a/../b", "a/b/../../c"] {
            assert!(stays_below(Path::new(inside)), "{inside}");
        }
        for outside in ["..", "../a", "a/../../b", "/a"] {
            assert!(!stays_below(Path::new(outside)), "{outside}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_count_as_what_they_lead_to() {
        let tmp = tempfile::tempdir().unwrap();
        let (root, out) = (tmp.path().join("root"), tmp.path().join("out"));
        for dir in [&root, &out] {
            std::fs::create_dir(dir).unwrap();
            std::fs::write(dir.join("a.jpg"), b"x").unwrap();
        }
        std::os::unix::fs::symlink(&out, root.join("folder")).unwrap();
        std::os::unix::fs::symlink("a.jpg", root.join("same.jpg")).unwrap();
        let absolute = root.join("a.jpg");
        let check = |path: &str, allow| Below::new(&root, allow).check(path, &root, "line 7");
        for inside in ["a.jpg", "same.jpg", "none.jpg", "../root/a.jpg", absolute.to_str().unwrap()] {
            assert!(check(inside, false).is_ok(), "{inside}");
        }
        for outside in ["folder/a.jpg", "../out/a.jpg", "../none.jpg", "/etc/hostname"] {
            let said = check(outside, false).unwrap_err();
            assert!(said.to_string().contains("line 7") && said.hint().unwrap().contains("--allow-outside"), "{said}");
            assert!(check(outside, true).is_ok());
        }
        let long = check(&"x".repeat(200 << 20), true).unwrap_err().to_string();
        assert!(long.len() < 500 && long.contains("209715200 bytes"), "{long}");
    }
}
