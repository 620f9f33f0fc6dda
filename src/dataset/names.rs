//! File names of shards: `train-00000-of-00008.tfrecord` and its relatives.

use crate::record::Compression;

/// The name of a shard in the form that [`SetWriter`](super::SetWriter) writes:
/// `SET-00000-of-00008.tfrecord[.gz|.zlib]`.
///
/// ```
/// use tfrkit::{dataset::shard_file_name, record::Compression};
///
/// assert_eq!(shard_file_name("train", 3, 8, Compression::Gzip), "train-00003-of-00008.tfrecord.gz");
/// ```
pub fn shard_file_name(set: &str, index: usize, count: usize, compression: Compression) -> String {
    format!("{set}-{index:05}-of-{count:05}.tfrecord{}", compression.extension())
}

/// A file name that carries its place in a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedName {
    /// The set's name: what stands before the number, less `.tfrecord`.
    pub set: String,
    /// The shard's number, from 0.
    pub index: usize,
    /// How many shards the set has.
    pub count: usize,
}

impl NumberedName {
    /// Reads `SET-00000-of-00008.tfrecord`, `SET-00000-of-00008`, `SET.tfrecord-00000-of-00008` and their compressed
    /// relatives. `None` for a name without a number, or with one outside its count.
    ///
    /// ```
    /// use tfrkit::dataset::NumberedName;
    ///
    /// let name = NumberedName::parse("mnist-train.tfrecord-00002-of-00010").unwrap();
    /// assert_eq!((name.set.as_str(), name.index, name.count), ("mnist-train", 2, 10));
    /// assert_eq!(NumberedName::parse("notes.txt"), None);
    /// ```
    pub fn parse(file_name: &str) -> Option<Self> {
        let (before, after) = file_name.rsplit_once("-of-")?;
        let (set, index) = before.rsplit_once('-')?;
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (count, suffix) = after.split_at(digits);
        if index.is_empty()
            || !index.bytes().all(|b| b.is_ascii_digit())
            || !(suffix.is_empty() || suffix.starts_with('.'))
        {
            return None;
        }
        let (index, count) = (index.parse().ok()?, count.parse().ok()?);
        (index < count).then(|| NumberedName { set: strip_suffixes(set).to_owned(), index, count })
    }
}

/// The lists of images that lie beside extracted class folders.
pub(crate) const IMAGE_LISTS: [&str; 2] = ["manifest.jsonl", "manifest.csv"];

/// Words that mark a file as a shard, between dots or hyphens.
const SHARD_WORDS: [&str; 4] = ["tfrecord", "tfrecords", "tfrec", "record"];

/// Whether a file name in a directory is taken for a shard: not hidden, one of `tfrecord`, `tfrecords`, `tfrec` or
/// `record` between dots or hyphens, and no `.idx`, `.json` or `.txt`.
pub fn is_shard_name(file_name: &str) -> bool {
    !file_name.starts_with('.')
        && !file_name.split('.').any(|part| matches!(part, "idx" | "json" | "txt"))
        && file_name.split(['.', '-']).any(|part| SHARD_WORDS.contains(&part))
}

/// The set that a file belongs to: by its number, or else by its name less suffixes and a trailing number, so that
/// `part-1.tfrecord` and `part-2.tfrecord` are one set and `train.tfrecord` and `test.tfrecord` are two.
pub(super) fn set_of(file_name: &str) -> String {
    if let Some(name) = NumberedName::parse(file_name) {
        return name.set;
    }
    let stem = strip_suffixes(file_name);
    let shortened = stem.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '_', '.']);
    if shortened.is_empty() { stem.to_owned() } else { shortened.to_owned() }
}

/// The name of a shard less all that marks it as one: `train-00003-of-00008`, `data`.
pub(crate) fn shard_stem(file_name: &str) -> String {
    match NumberedName::parse(file_name) {
        Some(NumberedName { set, index, count }) => format!("{set}-{index:05}-of-{count:05}"),
        None => strip_suffixes(file_name).to_owned(),
    }
}

/// The name without `.gz`, `.zlib` and the words that mark a shard.
fn strip_suffixes(name: &str) -> &str {
    let mut stem = name;
    while let Some((before, last)) = stem.rsplit_once('.') {
        if before.is_empty() || !(SHARD_WORDS.contains(&last) || matches!(last, "gz" | "zlib")) {
            break;
        }
        stem = before;
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_names() {
        let parse = |s| NumberedName::parse(s).map(|n| (n.set, n.index, n.count));
        let expected = |set: &str, i, n| Some((set.to_owned(), i, n));
        assert_eq!(parse("train-00000-of-00008.tfrecord"), expected("train", 0, 8));
        assert_eq!(parse("train-00007-of-00008.tfrecord.gz"), expected("train", 7, 8));
        assert_eq!(parse("train-00000-of-00001"), expected("train", 0, 1));
        assert_eq!(parse("a-b.tfrecord-00000-of-00002"), expected("a-b", 0, 2));
        assert_eq!(parse("train-00008-of-00008.tfrecord"), None);
        assert_eq!(parse("train-x-of-00008"), None);
        assert_eq!(parse("train-00000-of-8x.tfrecord"), None);
        assert_eq!(parse("train-00000-of-99999999999999999999999"), None);
        assert_eq!(parse("one-of-a-kind.tfrecord"), None);
    }

    #[test]
    fn shard_names() {
        for yes in [
            "a.tfrecord",
            "train-00000-of-00008.tfrecord.gz",
            "x.tfrecords",
            "tfrecord",
            "a.record-00000-of-00002",
            "b.tfrec",
        ] {
            assert!(is_shard_name(yes), "{yes}");
        }
        for no in [
            "a.tfrecord.idx",
            ".a.tfrecord",
            "labels.txt",
            "tfrecord.json",
            "records",
            "a_tfrecord",
            "train-00000-of-00008",
        ] {
            assert!(!is_shard_name(no), "{no}");
        }
    }

    #[test]
    fn sets_by_name() {
        assert_eq!(set_of("train.tfrecord"), "train");
        assert_eq!(set_of("part-1.tfrecord.gz"), "part");
        assert_eq!(set_of("data_007.tfrec"), "data");
        assert_eq!(set_of("007.tfrecord"), "007");
        assert_eq!(set_of("val-00001-of-00002"), "val");
        assert_eq!(shard_stem("mnist-train.tfrecord-00001-of-00002"), "mnist-train-00001-of-00002");
        assert_eq!(shard_stem("data_007.tfrecord.gz"), "data_007");
    }
}
