//! Lists and annotations: CSV, TSV, JSON lines, COCO, VOC. What is converted are the images of the folder and no others, as
//! whole shards; everything else is an error.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tfrkit::Job;
use tfrkit::convert::{ConvertOptions, Layout, OnError, convert};
use tfrkit::example::ExampleView;
use tfrkit::image::{ImageBuf, Shape, encode_jpeg};
use tfrkit::record::Reader;
use tfrkit_fuzz::{Noise, scratch};

/// Images of the folder, and one beside it that no list may reach.
static IMAGES: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    [10u8, 100, 200].map(|level| {
        let image = ImageBuf::from_pixels(Shape::new(8, 12, 3), vec![level; 8 * 12 * 3]).expect("an image");
        encode_jpeg(&image, 80).expect("a JPEG")
    })
});

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a path below the directory")).expect("a scratch directory");
    fs::write(path, bytes).expect("a scratch file");
}

fuzz_target!(|data: &[u8]| {
    let Some(([kind, how], text)) = data.split_first_chunk() else { return };
    let (mut noise, dir) = (Noise::of(data), scratch());
    let src = dir.join("src");
    write(&dir.join("secret.jpg"), &IMAGES[2]);
    let (list, layout, images) = match kind % 6 {
        0 => ("list.csv", Layout::Csv, ""),
        1 => ("list.tsv", Layout::Csv, ""),
        2 => ("list.jsonl", Layout::Jsonl, ""),
        3 => ("annotations/instances_train.json", Layout::Coco, "train/"),
        4 => ("instances.json", Layout::Coco, ""),
        _ => ("Annotations/a.xml", Layout::Voc, "JPEGImages/"),
    };
    for (name, image) in [("a.jpg", &IMAGES[0]), ("b.jpg", &IMAGES[1])] {
        write(&src.join(images).join(name), image);
    }
    // A VOC folder's list of images, where there is one, comes first, up to a zero.
    let (lines, text) = match (layout, text.iter().position(|&byte| byte == 0)) {
        (Layout::Voc, Some(end)) => (&text[..end], &text[end + 1..]),
        _ => (&b""[..], text),
    };
    if !lines.is_empty() {
        write(&src.join("ImageSets/Main/train.txt"), lines);
    }
    write(&src.join(list), text);
    let mut options =
        ConvertOptions::new(if kind % 6 < 3 || kind % 6 == 4 { src.join(list) } else { src }, dir.join("out"));
    options.layout = if how & 1 == 0 { layout } else { Layout::Auto };
    options.on_error = if how & 2 == 0 { OnError::Skip(u64::MAX) } else { OnError::Fail };
    options.label_offset = i64::from(how >> 2 & 1);
    if how & 8 != 0 {
        write(&dir.join("names.txt"), b"cat\ndog\n");
        options.labels = Some(dir.join("names.txt"));
    }
    if noise.one_in(8) {
        options.split = vec![("train".to_owned(), 0.5), ("val".to_owned(), 0.5)];
    }
    match convert(&options, &Job { threads: 1, ..Job::default() }) {
        Ok(report) => holds(&dir.join("out"), report.records),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

fn holds(out: &Path, records: u64) {
    let mut found = 0;
    for entry in fs::read_dir(out).expect("the output") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "tfrecord") {
            continue;
        }
        let shard = fs::read(&path).expect("a shard");
        for record in Reader::new(&shard[..]).expect("a reader").into_records() {
            let record = record.expect("a whole record");
            let image = ExampleView::new(&record.payload).feature("image/encoded").expect("an Example");
            let image = image.expect("an image").single_bytes().expect("one image").to_vec();
            assert!(image == IMAGES[0] || image == IMAGES[1], "an image from outside of the folder");
            found += 1;
        }
    }
    assert_eq!(found, records);
}
