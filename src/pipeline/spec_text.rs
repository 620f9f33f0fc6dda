//! The spec as text: one text for each meaning, whatever the file it was read from looked like.

use super::features::FeatureNames;
use super::output::Dtype;
use super::spec::{BatchSpec, CacheStore, Pipeline, Shuffle};
use super::spec_tables::{DCTS, DTYPES, KINDS, LAYOUTS, ORIENTATIONS, OUTPUTS, TAILS, TRUNCATED};
use crate::canonical::{float, list, quoted};
use crate::example::{ColumnLayout, ColumnSpec, Values};
use crate::image::DecodeOptions;

/// Keys with their values, as TOML has them.
type Entries = Vec<(&'static str, String)>;

impl Pipeline {
    /// The pipeline as a spec: what [`parse`](Self::parse) reads as an equal pipeline. Equal pipelines have the same text, with
    /// tables and keys in a fixed order, and without what is the default anyway.
    ///
    /// Of a pipeline that was made in code the text may hold what no spec may: a parameter out of its range, a column's
    /// default that is no UTF-8.
    ///
    /// ```
    /// use tfrkit::pipeline::Pipeline;
    ///
    /// let text = "[[eval]]\nsize = [8, 8] # height, width\nop = 'resize'\nantialias = false";
    /// assert_eq!(Pipeline::parse(text)?.to_toml(), "[[eval]]\nop = \"resize\"\nsize = [8, 8]\n");
    /// # Ok::<(), tfrkit::Error>(())
    /// ```
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let lists = [("train", &self.train), ("eval", &self.eval)];
        // Keys of no table come before all tables.
        for (name, list) in lists {
            if list.as_ref().is_some_and(Vec::is_empty) {
                put(&mut text, "", &[(name, "[]".to_owned())]);
            }
        }
        let tables = [
            ("[decode]\n", decode(&self.decode, self.decode_fast)),
            ("[features]\n", features(&self.features)),
            ("[shuffle]\n", shuffle(self.shuffle)),
            (
                "[cache]\n",
                self.cache
                    .as_ref()
                    .map(|cache| cache_entries(&cache.store, cache.dtype, cache.max_bytes))
                    .unwrap_or_default(),
            ),
            ("[batch]\n", batch(&self.batch)),
        ];
        for (head, entries) in tables.iter().filter(|(_, entries)| !entries.is_empty()) {
            put(&mut text, head, entries);
        }
        for spec in &self.columns {
            put(&mut text, "[[column]]\n", &column(spec));
        }
        for (name, list) in lists {
            for spec in list.iter().flatten() {
                put(&mut text, &format!("[[{name}]]\n"), &spec.entries().collect::<Entries>());
            }
        }
        text
    }
}

fn put(text: &mut String, head: &str, entries: &[(&'static str, String)]) {
    text.push_str(head);
    for (key, value) in entries {
        text.push_str(&format!("{key} = {value}\n"));
    }
}

/// The word for a value, in quotes.
fn word<T: PartialEq>(words: &[(&str, T)], value: &T) -> String {
    quoted(words.iter().find(|(_, v)| v == value).map_or("", |(word, _)| word))
}

/// Adds an entry whose value is not the default.
fn add<T: PartialEq>(entries: &mut Entries, key: &'static str, value: T, default: T, show: impl Fn(&T) -> String) {
    if value != default {
        entries.push((key, show(&value)));
    }
}

fn decode(options: &DecodeOptions, fast: bool) -> Entries {
    let DecodeOptions { channels, truncated, dct, orientation, limits } = *options;
    let default = DecodeOptions::default();
    let mut entries = Vec::new();
    add(&mut entries, "channels", channels, default.channels, |channels| channels.count().to_string());
    add(&mut entries, "dct", dct, default.dct, |dct| word(&DCTS, dct));
    add(&mut entries, "truncated", truncated, default.truncated, |truncated| word(&TRUNCATED, truncated));
    add(&mut entries, "orientation", orientation, default.orientation, |turn| word(&ORIENTATIONS, turn));
    add(&mut entries, "max_pixels", limits.max_pixels, default.limits.max_pixels, u64::to_string);
    add(&mut entries, "max_side", limits.max_dim, default.limits.max_dim, usize::to_string);
    add(&mut entries, "max_bytes", limits.max_bytes, default.limits.max_bytes, u64::to_string);
    add(&mut entries, "fast", fast, false, bool::to_string);
    entries
}

fn features(names: &FeatureNames) -> Entries {
    let show = |names: &&Vec<String>| match &names[..] {
        [] => quoted(""),
        [name] => quoted(name),
        names => list(names, |name| quoted(name)),
    };
    let FeatureNames { image, label } = names;
    let default = FeatureNames::default();
    let mut entries = Vec::new();
    add(&mut entries, "image", image, &default.image, show);
    add(&mut entries, "label", label, &default.label, show);
    entries
}

fn shuffle(shuffle: Shuffle) -> Entries {
    let mut entries = Vec::new();
    match shuffle {
        Shuffle::None => {}
        Shuffle::Buffer(size) => entries.extend([("mode", quoted("buffer")), ("size", size.to_string())]),
        Shuffle::Global { run } => {
            entries.push(("mode", quoted("global")));
            add(&mut entries, "run", run, 0, u64::to_string);
        }
    }
    entries
}

fn cache_entries(store: &CacheStore, dtype: Dtype, max_bytes: u64) -> Entries {
    let mut entries = match store {
        CacheStore::Memory => vec![("mode", quoted("memory"))],
        CacheStore::Disk(dir) => vec![("mode", quoted("disk")), ("dir", quoted(&dir.to_string_lossy()))],
    };
    add(&mut entries, "max_bytes", max_bytes, store.default_bytes(), u64::to_string);
    add(&mut entries, "dtype", dtype, Dtype::U8, |dtype| word(&DTYPES, dtype));
    entries
}

fn batch(spec: &BatchSpec) -> Entries {
    let BatchSpec { size, tail, output, dtype, layout } = *spec;
    let default = BatchSpec::default();
    let mut entries = Vec::new();
    add(&mut entries, "size", size, default.size, usize::to_string);
    entries.extend(tail.map(|tail| ("tail", word(&TAILS, &tail))));
    add(&mut entries, "output", output, default.output, |output| word(&OUTPUTS, output));
    add(&mut entries, "dtype", dtype, default.dtype, |dtype| word(&DTYPES, dtype));
    add(&mut entries, "layout", layout, default.layout, |layout| word(&LAYOUTS, layout));
    entries
}

fn column(spec: &ColumnSpec) -> Entries {
    let (layout, shape) = match &spec.layout {
        ColumnLayout::FixedLen { shape } => (None, &shape[..]),
        ColumnLayout::VarLen => (Some("var_len"), &[][..]),
        ColumnLayout::Ragged => (Some("ragged"), &[][..]),
        ColumnLayout::FixedLenSequence { shape } => (Some("fixed_len_sequence"), &shape[..]),
        ColumnLayout::Steps { shape } => (Some("steps"), &shape[..]),
        ColumnLayout::RaggedSteps => (Some("ragged_steps"), &[][..]),
    };
    let mut entries = vec![("name", quoted(&spec.name)), ("kind", word(&KINDS, &spec.kind))];
    entries.extend(layout.map(|layout| ("layout", quoted(layout))));
    add(&mut entries, "shape", shape, &[], |shape| list(*shape, usize::to_string));
    entries.extend(spec.default.as_ref().map(|default| {
        let values = match default {
            Values::Int64(values) => list(values, i64::to_string),
            Values::Float(values) => list(values, |v| float(*v)),
            Values::Bytes(values) => list(values.iter(), |bytes| quoted(&String::from_utf8_lossy(bytes))),
        };
        ("default", values)
    }));
    entries
}
