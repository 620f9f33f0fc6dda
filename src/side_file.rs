//! Files beside shards: manifests, class names, TFDS's metadata, schemas, journals. All of them are read whole, here.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};

/// The longest that is read: 256 MiB. A manifest of 99,999 shards has 20 MB; a longer file is not what its name says.
///
/// An index is read line by line, and has a limit of its own: a line of 64 bytes for every 16 bytes of its shard.
const MOST: u64 = 256 << 20;

/// What a file holds; `None` where it is not there.
///
/// # Errors
/// A file that is longer than 256 MiB.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    read_at_most(path, MOST)
}

fn read_at_most(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    match File::open(path) {
        Ok(file) => read_open_at_most(path, &file, most).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io(path, e)),
    }
}

fn read_open_at_most(path: &Path, file: &File, most: u64) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    // What says that it is short may be endless: a device, a file that grows.
    file.take(most.saturating_add(1)).read_to_end(&mut data).map_err(|e| Error::io(path, e))?;
    if data.len() as u64 > most {
        return Err(Error::metadata(
            path,
            format!("the file is longer than the {most} bytes that are read of such a file"),
        ));
    }
    Ok(data)
}

/// As [`read`], of text. What is no UTF-8 is [`io::ErrorKind::InvalidData`].
pub(crate) fn read_text(path: &Path) -> Result<Option<String>> {
    read(path)?.map(|data| text(path, data)).transpose()
}

/// As [`read_text`], of a file that is open.
pub(crate) fn read_open_text(path: &Path, file: &File) -> Result<String> {
    text(path, read_open_at_most(path, file, MOST)?)
}

fn text(path: &Path, data: Vec<u8>) -> Result<String> {
    let not_text = |_| Error::io(path, io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8 text"));
    String::from_utf8(data).map_err(not_text)
}

/// As [`read_text`], of a file that must be there.
pub(crate) fn read_named(path: &Path) -> Result<String> {
    // The system's own words for what is not there.
    std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    read_text(path)?.ok_or_else(|| Error::io(path, io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.json");
        assert_eq!(read_at_most(&path, 10).unwrap(), None);
        std::fs::write(&path, [b'x'; 10]).unwrap();
        assert_eq!(read_at_most(&path, 10).unwrap().unwrap().len(), 10);
        let e = read_at_most(&path, 9).unwrap_err();
        assert!(e.kind_name() == "index" && e.to_string().contains("longer than the 9 bytes"), "{e}");
        assert_eq!(read_named(&dir.path().join("no")).unwrap_err().kind_name(), "io");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_never_ends_is_refused() {
        assert!(read_at_most(Path::new("/dev/zero"), 1000).is_err());
    }
}
