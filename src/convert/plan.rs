//! Which file becomes which record of which shard: decided before a byte is written.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::options::{ConvertOptions, Exif, Reencode, Verify};
use super::source::{Annotations, Objects, Source, SourceFile};
use crate::canonical::{float, list, optional, quoted};
use crate::dataset::{SetPlan, even_part, share_ends};
use crate::error::{Error, Result};
use crate::example::{Values, hex};
use crate::image::random;

/// Bumped when the bytes of a shard change for the same sources and options.
const PLAN_VERSION: u32 = 3;

/// One set: its files in the order of its records, and where its shards begin.
#[derive(Debug)]
pub(super) struct PlannedSet {
    pub(super) name: String,
    pub(super) files: Vec<SourceFile>,
    shards: usize,
    /// Whether its records lack the labels that those of other sets have.
    undescribed: bool,
}

impl PlannedSet {
    /// The files of a shard: shares of equal size, the first ones longer by one where they do not divide.
    pub(super) fn shard(&self, index: usize) -> Range<usize> {
        even_part(self.files.len(), self.shards, index)
    }

    /// What the sharded writer needs to know.
    pub(super) fn set_plan(&self, options: &ConvertOptions, classes: &[String]) -> SetPlan {
        let (plan, stamp) = self.hashes(options, classes);
        SetPlan {
            name: self.name.clone(),
            seed: options.seed,
            compression: options.compression,
            shard_records: (0..self.shards).map(|i| self.shard(i).len() as u64).collect(),
            plan,
            stamp,
            undescribed: self.undescribed,
        }
    }

    /// How many shards it has.
    pub(super) fn shards(&self) -> usize {
        self.shards
    }

    /// What decides the shards' bytes beside the files.
    fn text(&self, options: &ConvertOptions, classes: &[String]) -> String {
        let exif = match options.exif {
            Exif::Keep => "keep",
            Exif::Bake => "bake",
        };
        let reencode = match options.reencode {
            Reencode::No => "no",
            Reencode::Png => "png",
        };
        let lines = [
            format!("tfrkit convert {PLAN_VERSION}"),
            format!("name {}", self.name),
            format!("shards {}", self.shards),
            format!("compression {}", options.compression),
            format!("label offset {}", options.label_offset),
            format!("min size {}", optional(options.min_size, |size| format!("{}x{}", size.height, size.width))),
            format!("max aspect {}", optional(options.max_aspect, float)),
            format!("exif {exif}"),
            format!("resize shorter {}", optional(options.resize_shorter, |side| side.to_string())),
            format!("quality {}", options.quality),
            format!("reencode {reencode}"),
            format!("classes {}\n", list(classes, |class| quoted(class))),
        ];
        lines.join("\n")
    }

    /// The hash of all that decides the shards' bytes, and the hash of the sources' times.
    fn hashes(&self, options: &ConvertOptions, classes: &[String]) -> (String, String) {
        let (mut plan, mut stamp) = (Sha256::new(), Sha256::new());
        plan.update(self.text(options, classes));
        // Shards whose pictures were checked less are not to pass for checked ones.
        stamp.update(match options.verify {
            Verify::Header => "verify header",
            Verify::Decode => "verify decode",
            Verify::None => "verify none",
        });
        for file in &self.files {
            let class = optional(file.class, |class| class.to_string());
            plan.update(format!("{} {class} {}\n", quoted(&file.path), file.size));
            if let Some(notes) = &file.notes {
                plan.update(format!("{}\n", notes_text(notes)));
            }
            stamp.update(file.modified.to_le_bytes());
        }
        (hex(&plan.finalize()), hex(&stamp.finalize()[..8]))
    }
}

/// What a source says of an image, as the plan has it.
fn notes_text(notes: &Annotations) -> String {
    let Annotations { size, filename, objects, features } = notes;
    let object = |Objects { boxes, classes }: &Objects| {
        let corners = list(boxes, |corners| list(corners, |v| float(*v)));
        format!("{corners} {}", optional(classes.as_ref(), |classes| list(classes, u32::to_string)))
    };
    let feature = |(name, values): &(std::sync::Arc<str>, Values)| {
        let values = match values {
            Values::Int64(values) => list(values, i64::to_string),
            Values::Float(values) => list(values, |v| float(*v)),
            Values::Bytes(values) => list(values.iter(), hex),
        };
        format!("{} = {values}", quoted(name))
    };
    format!(
        "size {}, filename {}, objects {}, features {}",
        optional(*size, |size| list(size, |side| side.to_string())),
        optional(filename.as_deref(), quoted),
        optional(objects.as_ref(), object),
        list(features, feature),
    )
}

/// Deals the files of a source to sets, and each set's to shards.
pub(super) fn plan(source: &mut Source, options: &ConvertOptions) -> Result<Vec<PlannedSet>> {
    let named = source.sets.iter().filter(|(name, _)| name.is_some()).count();
    let name_left = source.sets.len() > named;
    if named > 0 && (!options.split.is_empty() || options.name.is_some() && !name_left) {
        return Err(Error::usage_hint(
            "the source names its sets itself",
            "leave out the name and the split; split folders are read as classes with `--layout classes`",
        ));
    }
    if options.name.is_some() && !options.split.is_empty() {
        return Err(Error::usage("a name for the only set and a split into several exclude each other"));
    }
    let mut named = Vec::new();
    for (name, files) in std::mem::take(&mut source.sets) {
        match name.or_else(|| options.name.clone()) {
            None if !options.split.is_empty() => {
                named.extend(split(files, options, source.classes.len(), &mut source.warnings));
            }
            name => {
                named.push((name.unwrap_or_else(|| source.name.clone().unwrap_or_else(|| "train".to_owned())), files))
            }
        }
    }
    let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    options.shards.check(&names)?;
    let sets = named.into_iter().map(|(name, mut files)| {
        if options.shuffle {
            random::shuffle(&mut files, options.seed, &name);
        }
        let shards = options.shards.of(&name, files.len(), files.iter().map(|f| f.size).sum());
        if shards > files.len() {
            source.warnings.push(format!(
                "the set '{name}' has fewer records ({}) than shards ({shards}): some are empty",
                files.len()
            ));
        }
        PlannedSet { undescribed: source.is_undescribed(&name), name, files, shards }
    });
    Ok(sets.collect())
}

/// Splits each class by the shares, to within one image, and the images without a class; in the source's order again.
fn split(
    files: Vec<SourceFile>,
    options: &ConvertOptions,
    classes: usize,
    warnings: &mut Vec<String>,
) -> Vec<(String, Vec<SourceFile>)> {
    let mut sets: Vec<(String, Vec<(usize, SourceFile)>)> =
        options.split.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
    // The last group is that of the images without a class.
    let mut by_class: Vec<Vec<(usize, SourceFile)>> = (0..=classes).map(|_| Vec::new()).collect();
    for (at, file) in files.into_iter().enumerate() {
        by_class[file.class.map_or(classes, |class| class as usize)].push((at, file));
    }
    for (class, mut members) in by_class.into_iter().enumerate() {
        random::shuffle(&mut members, options.seed, &format!("split {class}"));
        let ends = share_ends(&options.split, members.len());
        let (mut members, mut start) = (members.into_iter(), 0);
        for (end, set) in ends.into_iter().zip(&mut sets) {
            set.1.extend(members.by_ref().take(end - start));
            start = end;
        }
    }
    let mut in_order = |(name, mut files): (String, Vec<(usize, SourceFile)>)| {
        files.sort_unstable_by_key(|(at, _)| *at);
        if files.is_empty() {
            warnings.push(format!("the split leaves the set '{name}' without images"));
        }
        (name, files.into_iter().map(|(_, file)| file).collect())
    };
    sets.into_iter().map(&mut in_order).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::ShardCount;

    fn source(counts: &[usize]) -> Source {
        let files = counts.iter().enumerate().flat_map(|(class, &n)| {
            (0..n).map(move |i| SourceFile {
                path: format!("{class}/{i:03}").into(),
                class: Some(class as u32),
                size: 10,
                modified: 0,
                notes: None,
            })
        });
        Source {
            sets: vec![(None, files.collect())],
            classes: (0..counts.len()).map(|c| c.to_string()).collect(),
            ..Source::default()
        }
    }

    fn options() -> ConvertOptions {
        ConvertOptions::new("src", "out")
    }

    #[test]
    fn shards_share_the_records_evenly_and_in_order() {
        let sets = plan(&mut source(&[10, 1]), &ConvertOptions { shards: ShardCount::Each(4), ..options() }).unwrap();
        let ranges: Vec<_> = (0..4).map(|i| sets[0].shard(i)).collect();
        assert_eq!(ranges, [0..3, 3..6, 6..9, 9..11]);
        let by_size = ConvertOptions { shards: ShardCount::OfBytes(50), ..options() };
        assert_eq!(plan(&mut source(&[11]), &by_size).unwrap()[0].shards, 3);
    }

    #[test]
    fn the_shuffle_is_the_seeds_own() {
        let order = |options: &ConvertOptions| -> Vec<_> {
            plan(&mut source(&[50]), options).unwrap()[0].files.iter().map(|f| f.path.clone()).collect()
        };
        assert_eq!(order(&options()), order(&options()));
        assert_ne!(order(&options()), order(&ConvertOptions { seed: 1, ..options() }));
        assert!(order(&ConvertOptions { shuffle: false, ..options() }).is_sorted());
        assert!(!order(&options()).is_sorted());
    }

    #[test]
    fn a_split_keeps_every_class_within_one_of_its_share_and_loses_nothing() {
        let split = vec![("train".to_owned(), 0.8), ("val".to_owned(), 0.1), ("test".to_owned(), 0.1)];
        let sets = plan(&mut source(&[95, 48, 7]), &ConvertOptions { split: split.clone(), ..options() }).unwrap();
        assert_eq!(sets.iter().map(|s| s.files.len()).sum::<usize>(), 150);
        for (set, (_, share)) in sets.iter().zip(split) {
            for (class, n) in [95.0, 48.0, 7.0].into_iter().enumerate() {
                let there = set.files.iter().filter(|f| f.class == Some(class as u32)).count() as f64;
                assert!((there - n * share).abs() <= 1.0, "{} of class {class}: {there}", set.name);
            }
        }
    }

    #[test]
    fn what_excludes_itself_is_refused() {
        let split = vec![("a".to_owned(), 1.0)];
        let both = ConvertOptions { split, name: Some("x".into()), ..options() };
        assert!(plan(&mut source(&[1]), &both).is_err());
        let mut folders = source(&[1]);
        folders.sets[0].0 = Some("train".into());
        assert!(plan(&mut folders, &ConvertOptions { name: Some("x".into()), ..options() }).is_err());
        let unknown = ConvertOptions { shards: "tarin=2".parse().unwrap(), ..options() };
        assert!(plan(&mut source(&[1]), &unknown).unwrap_err().hint().unwrap().contains("train"));
    }

    /// Neither a rename in the code nor a release changes what a run is resumed by. Where the bytes of shards change,
    /// `PLAN_VERSION` does, and this with it.
    #[test]
    fn the_plan_is_of_a_text_that_stays() {
        let objects = Objects { boxes: vec![[0.0, 0.25, 0.5, 1.0]], classes: Some(vec![1]) };
        let notes = Annotations {
            size: Some([40, 50]),
            filename: Some("a\"b.jpg".into()),
            objects: Some(objects),
            features: vec![
                ("id".into(), Values::Int64(vec![7])),
                ("score".into(), Values::Float(vec![0.1, 2.0])),
                ("word".into(), Values::Bytes(["hi"].into_iter().collect())),
            ],
        };
        assert_eq!(
            notes_text(&notes),
            "size [40, 50], filename \"a\\\"b.jpg\", objects [[0.0, 0.25, 0.5, 1.0]] [1], \
             features [\"id\" = [7], \"score\" = [0.1, 2.0], \"word\" = [6869]]"
        );
        let mut source = source(&[3, 1]);
        source.sets[0].1[0].notes = Some(Box::new(notes));
        let options = ConvertOptions { min_size: "64x48".parse().ok(), max_aspect: Some(2.0), ..options() };
        let sets = plan(&mut source, &options).unwrap();
        let classes = ["cat".to_owned(), "dog".to_owned()];
        assert_eq!(
            sets[0].text(&options, &classes),
            "tfrkit convert 3\nname train\nshards 1\ncompression none\nlabel offset 0\nmin size 48x64\nmax aspect 2.0\n\
             exif keep\nresize shorter none\nquality 90\nreencode no\nclasses [\"cat\", \"dog\"]\n"
        );
        let (plan, stamp) = sets[0].hashes(&options, &classes);
        assert_eq!((&plan[..16], &stamp[..]), ("6e19f70851a0982b", "1e4ae87f6cd70d40"));
    }

    #[test]
    fn the_plan_changes_with_what_decides_the_bytes() {
        let hashes =
            |options: &ConvertOptions| plan(&mut source(&[9]), options).unwrap()[0].hashes(options, &["a".into()]);
        let base = hashes(&options());
        assert_eq!(base, hashes(&options()));
        for other in [
            ConvertOptions { seed: 3, ..options() },
            ConvertOptions { label_offset: 1, ..options() },
            ConvertOptions { compression: crate::record::Compression::Gzip, ..options() },
            ConvertOptions { resize_shorter: Some(64), ..options() },
            ConvertOptions { exif: Exif::Bake, ..options() },
            ConvertOptions { min_size: "5".parse().ok(), ..options() },
            ConvertOptions { max_aspect: Some(2.0), ..options() },
        ] {
            assert_ne!(base.0, hashes(&other).0);
        }
    }
}
