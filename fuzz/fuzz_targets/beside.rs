//! Files beside shards: index, manifest, label names, the metadata of TFDS. Whatever they say, every verb gives the shard's
//! true records, or an error.
#![no_main]

use std::fs;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tfrkit::Job;
use tfrkit::dataset::{Manifest, read_idx, resolve};
use tfrkit::example::ExampleBuilder;
use tfrkit::inspect::{CatOptions, StatsOptions, ValidateOptions, cat, info, stats, validate};
use tfrkit::record::Writer;
use tfrkit_fuzz::{Noise, memory, scratch};

const SHARD: &str = "train-00000-of-00001.tfrecord";
/// Names of the files that a directory of shards may hold.
const NAMES: [&str; 8] = [
    "idx/train-00000-of-00001.idx",
    "manifest.json",
    "dataset_info.json",
    "features.json",
    "labels.txt",
    ".swap.json",
    "image.class.label.labels.txt",
    ".train.plan",
];

/// What the verbs hold of four records.
const MOST: usize = 64 << 20;

fuzz_target!(|data: &[u8]| {
    let (mut noise, dir) = (Noise::of(data), scratch());
    let payloads: Vec<Vec<u8>> = (0..4).map(|i| ExampleBuilder::new().int64("image/class/label", i).encode()).collect();
    let mut writer = Writer::new(Vec::new());
    for payload in &payloads {
        writer.write(payload).expect("room in memory");
    }
    let shard = writer.finish().expect("room in memory");
    fs::write(dir.join(SHARD), &shard).expect("a scratch file");
    // Files, one after the other: the number of a name, then the text, up to a zero.
    for part in data.split(|&byte| byte == 0).take(3) {
        let Some((name, text)) = part.split_first() else { continue };
        let path = dir.join(NAMES[usize::from(*name) % NAMES.len()]);
        fs::create_dir_all(path.parent().expect("a name below the directory")).expect("a scratch directory");
        fs::write(&path, text).expect("a scratch file");
    }
    let (_, held) = memory::peak(|| look(&dir, shard.len() as u64, &payloads, &mut noise));
    assert!(held < MOST, "held {held} bytes");
});

fn look(dir: &Path, len: u64, payloads: &[Vec<u8>], noise: &mut Noise) {
    if let Ok(Some(manifest)) = Manifest::read(dir) {
        assert!(manifest.shard("no such shard of this name.tfrecord").is_none());
    }
    if let Ok(spans) = read_idx(&dir.join(NAMES[0]), len) {
        assert_eq!(spans.iter().map(|span| span.size).sum::<u64>(), len);
    }
    let job = Job { threads: 1, ..Job::default() };
    let text = dir.to_str().expect("a path of ASCII");
    let Ok(sets) = resolve(&[text]) else { return };
    let _ = validate(&sets, &ValidateOptions::default(), &job);
    let Ok(sets) = sets.complete() else { return };
    for set in &sets {
        let _ = stats(set, &StatsOptions::default(), &job);
    }
    let _ = info(&sets, noise.one_in(2), &job);
    let skip = noise.below(6) as u64;
    let mut next = skip;
    let shown = cat(&sets, CatOptions { skip, ..CatOptions::default() }, &job, &mut |record| {
        assert_eq!(record.record, next);
        assert_eq!(record.payload, payloads[next as usize], "record {next} is another one");
        next += 1;
        Ok(())
    });
    if shown.is_ok() {
        assert_eq!(next.max(4), 4.max(skip), "cat ended early without a word");
        assert_eq!(next, 4.max(skip), "cat ended early without a word");
    }
}
