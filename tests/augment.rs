//! Somebody tunes an augmentation: looks at it, replays it, mixes batches with it.

mod common;

use std::fs;
use std::path::Path;

use common::{fixture, pictures, text, tfr, tfr_json};
use tfrkit::dataset::{ShardSet, resolve};
use tfrkit::image::{DecodeOptions, Decoder};
use tfrkit::pipeline::{
    BatchKey, Executor, Layout, Loader, LoaderOptions, MixBatch, Mixer, Mode, PRESETS, Pipeline, SampleKey,
};

const MIXED: &str = r#"
    [batch]
    size = 6
    tail = "pad"
    [[train]]
    op = "resize"
    size = [12, 10]
    [[train]]
    op = "random_flip_left_right"
    [[train]]
    op = "mixup"
    alpha = 0.8
    num_classes = 4
    [[train]]
    op = "cutmix"
    num_classes = 4
    p = 0.5
"#;

/// A set of 20 samples in 3 classes.
fn set(dir: &Path, compression: &str) -> ShardSet {
    let (src, out) = (dir.join("src"), dir.join(compression));
    if !src.exists() {
        pictures(&src, &[9, 7, 4]);
    }
    let args = ["convert", text(&src), text(&out), "--shards", "2", "--compression", compression];
    tfr().args(args).assert().success();
    resolve(&[text(&out)]).unwrap().one(None).unwrap()
}

/// The size of a PNG.
fn size(png: &Path) -> (usize, usize) {
    let image = Decoder::new(DecodeOptions::default()).unwrap().decode(&fs::read(png).unwrap()).unwrap();
    (image.shape().height, image.shape().width)
}

#[test]
fn a_preview_has_a_row_for_each_sample() {
    let dir = tempfile::tempdir().unwrap();
    let sheet = dir.path().join("sheet.png");
    for compression in ["none", "gzip"] {
        set(dir.path(), compression);
        let shards = dir.path().join(compression);
        for (preset, _) in PRESETS {
            let args = ["preview", text(&shards), "--preset", preset, "-n", "3", "--versions", "2", "--cell", "64"];
            let (code, printed) = tfr_json(&[&args[..], &["--force", "-o", text(&sheet)]].concat());
            assert_eq!(code, 0, "{printed}");
            let (height, width) = size(&sheet);
            assert_eq!(printed["shape"], serde_json::json!([height, width]));
            assert_eq!(width, 8 + 3 * (64 + 8));
            assert!(height > 3 * 64);
        }
    }
    // Evaluation has one version; a sweep as many as are asked for.
    let shards = dir.path().join("none");
    for (flags, columns) in [(&["--mode", "eval"][..], 2), (&["--op", "adjust_hue", "--versions", "4"], 5)] {
        let args = [&["preview", text(&shards), "--cell", "64", "--force", "-o", text(&sheet)][..], flags].concat();
        assert_eq!(tfr_json(&args).0, 0);
        assert_eq!(size(&sheet).1, 8 + columns * (64 + 8), "{flags:?}");
    }
}

/// Wrong uses name what is wrong, and leave no file.
#[test]
fn previews_that_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    set(dir.path(), "none");
    let (shards, sheet) = (dir.path().join("none"), dir.path().join("sheet.png"));
    let cases = [
        (&["--op", "adjust_hu"][..], "did you mean 'adjust_hue'?"),
        (&["--op", "one_of"], "--pipeline"),
        (&["--samples", "0"], "from 1 to 200"),
        (&["--cell", "4000"], "from 64 to 1024"),
        (&["--preset", "imagnet"], "did you mean 'imagenet'?"),
    ];
    for (flags, expected) in cases {
        let args = [&["preview", text(&shards), "-o", text(&sheet)][..], flags].concat();
        let output = tfr().args(&args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(!sheet.exists());
    }
}

#[test]
fn a_preset_is_a_file_to_start_from() {
    let (code, listed) = tfr_json(&["preset"]);
    assert_eq!(code, 0);
    for (name, toml) in PRESETS {
        assert!(listed["presets"][name].as_str().is_some_and(|about| about.len() > 20), "{name}");
        let output = tfr().args(["preset", name]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), toml);
    }
    let output = tfr().args(["preset", "xrya"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("xray"));
}

/// The array would destroy the photograph.
#[test]
fn apply_does_not_write_over_its_input() {
    let dir = tempfile::tempdir().unwrap();
    let photo = dir.path().join("photo.jpg");
    fs::copy(fixture("color420.jpg"), &photo).unwrap();
    let output = tfr().args(["apply", text(&photo), "-o", text(&photo)]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read(&photo).unwrap(), fs::read(fixture("color420.jpg")).unwrap());
}

/// What the loader mixes is what the mixer makes of the samples, for any threads; labels are shares.
#[test]
fn batches_are_mixed_the_same_way_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, packed) = (set(dir.path(), "none"), set(dir.path(), "gzip"));
    let pipeline = Pipeline::parse(MIXED).unwrap();
    let batches = |set: &ShardSet, threads| -> Vec<(Vec<f32>, Vec<f32>)> {
        let options = LoaderOptions { threads, seed: 5, epochs: 2, ..Default::default() };
        let loader = Loader::open(set, &pipeline, options).unwrap();
        loader.map(|b| b.unwrap()).map(|b| (b.images().to_vec(), b.soft_labels().unwrap().to_vec())).collect()
    };
    let first = batches(&plain, 1);
    assert_eq!(first.len(), 8);
    for (set, threads) in [(&plain, 2), (&plain, 4), (&packed, 3)] {
        assert!(batches(set, threads) == first, "{threads} threads");
    }

    // The second batch by hand: its samples, then the mixer.
    let mut executor = Executor::new(&pipeline, Mode::Train).unwrap();
    let mixer = Mixer::new(&pipeline, Mode::Train).unwrap().unwrap();
    let loader = Loader::open(&plain, &pipeline, LoaderOptions { seed: 5, ..Default::default() }).unwrap();
    let shape = loader.image_shape();
    let (mut images, mut soft) = (Vec::new(), vec![0.0; 6 * 4]);
    let second = loader.into_iter().nth(1).unwrap().unwrap();
    let records = records(&plain);
    for (i, ordinal) in second.ordinals().iter().enumerate() {
        let (encoded, label) = &records[*ordinal as usize];
        let key = SampleKey { seed: 5, ordinal: *ordinal, epoch: 0 };
        images.extend(executor.run(encoded, key, None).unwrap().into_f32().into_pixels());
        mixer.one_hot(*label, &mut soft[i * 4..][..4]).unwrap();
        assert_eq!(second.labels()[i], *label);
    }
    let mut batch =
        MixBatch { images: &mut images, shape, layout: Layout::Nhwc, soft_labels: &mut soft, valid: &[true; 6] };
    mixer.mix(&mut batch, BatchKey { seed: 5, batch: 1, epoch: 0 }, &mut None).unwrap();
    assert!(images == first[1].0 && soft == first[1].1);

    // The last is padded: padding has no label at all, and each of the rest is whole.
    let sums: Vec<f32> = first[3].1.chunks(4).map(|shares| shares.iter().sum()).collect();
    assert!(sums[..2].iter().all(|sum| (sum - 1.0).abs() < 1e-5) && sums[2..] == [0.0; 4], "{sums:?}");
}

/// Encoded image and label of every record.
fn records(set: &ShardSet) -> Vec<(Vec<u8>, i64)> {
    let mut records = Vec::new();
    for path in &set.shards {
        for record in tfrkit::record::Shard::open(path).unwrap().records() {
            let view = tfrkit::example::ExampleView::new(record.unwrap().payload);
            let [image, label] = view.find(["image/encoded", "image/class/label"]).unwrap();
            let label = label.unwrap().single_int64().unwrap();
            records.push((image.unwrap().single_bytes().unwrap().to_vec(), label));
        }
    }
    records
}

#[test]
fn a_label_beyond_the_classes_names_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let set = set(dir.path(), "none");
    let pipeline = Pipeline::parse(&MIXED.replace("num_classes = 4", "num_classes = 2")).unwrap();
    let error = Loader::open(&set, &pipeline, LoaderOptions::default()).unwrap().find_map(Result::err).unwrap();
    let said = error.to_string();
    assert!(said.contains("num_classes is 2") && said.contains("record"), "{said}");
}

/// Soft labels reach other programs: an f32 array of samples x classes.
#[test]
fn soft_labels_are_saved() {
    let dir = tempfile::tempdir().unwrap();
    set(dir.path(), "none");
    let (shards, spec, out) = (dir.path().join("none"), dir.path().join("p.toml"), dir.path().join("npy"));
    fs::write(&spec, MIXED).unwrap();
    let args = ["stream", text(&shards), "--pipeline", text(&spec), "--steps", "1", "--save-npy", text(&out)];
    let (code, _) = tfr_json(&args);
    assert_eq!(code, 0);
    let labels = fs::read(out.join("batch-000000.labels.npy")).unwrap();
    let header = String::from_utf8_lossy(&labels[10..128]).into_owned();
    assert!(header.contains("'<f4'") && header.contains("(6,4,)"), "{header}");
    // The command mixes images given as files too, as the first batch.
    let photos: Vec<String> =
        (0..3).map(|i| dir.path().join(format!("src/class-0/000{i}.jpg")).display().to_string()).collect();
    let npy = dir.path().join("out.npy");
    let args = [&["apply", "--pipeline", text(&spec), "--mode", "train", "--show-draws", "-o", text(&npy)][..]];
    let photos: Vec<&str> = photos.iter().map(String::as_str).collect();
    let (code, printed) = tfr_json(&[&args.concat()[..], &photos[..]].concat());
    assert_eq!(code, 0, "{printed}");
    let ops: Vec<&str> = printed["draws"].as_array().unwrap().iter().map(|d| d["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["random_flip_left_right", "random_flip_left_right", "random_flip_left_right", "mixup", "cutmix"]);
}

/// Runs the command in so much address space.
#[cfg(target_os = "linux")]
fn within(mebibytes: usize, args: &[&str]) -> std::process::Output {
    let limited = format!("ulimit -v {} && exec \"$@\"", mebibytes << 10);
    let tfr = [&["-c", &limited, "sh", env!("CARGO_BIN_EXE_tfr")][..], args].concat();
    std::process::Command::new("sh").args(tfr).output().unwrap()
}

/// Photographs are let go of as soon as they are drawn, or are not wanted.
#[test]
#[cfg(target_os = "linux")]
fn photographs_do_not_pile_up() {
    let dir = tempfile::tempdir().unwrap();
    let (spec, sheet) = (dir.path().join("p.toml"), dir.path().join("sheet.png"));
    let folder = dir.path().join("src/class");
    fs::create_dir_all(&folder).unwrap();
    // 1 MB decoded, 4 MB as f32.
    let photo = folder.join("0.jpg");
    let pixels = tfrkit::image::ImageBuf::zeros(tfrkit::image::Shape::new(600, 560, 3)).unwrap();
    fs::write(&photo, tfrkit::image::encode_jpeg(&pixels, 50).unwrap()).unwrap();
    for i in 1..6 {
        fs::copy(&photo, folder.join(format!("{i}.jpg"))).unwrap();
    }
    let shards = dir.path().join("shards");
    tfr().args(["convert", text(&dir.path().join("src")), text(&shards)]).assert().success();
    // Mixed or not: a column of six, not the six columns of them, 145 MB.
    let flip = "[[train]]\nop = \"random_flip_left_right\"\n";
    let mixed = format!("{flip}[[train]]\nop = \"mixup\"\nnum_classes = 2\n");
    for (list, mebibytes) in [(flip, 60), (&mixed, 100)] {
        fs::write(&spec, list).unwrap();
        let args = ["preview", text(&shards), "--pipeline", text(&spec), "--cell", "64", "--force", "-o", text(&sheet)];
        let output = within(mebibytes, &args);
        assert!(output.status.success(), "{mebibytes}: {}", String::from_utf8_lossy(&output.stderr));
    }
    fs::write(&spec, flip).unwrap();
    let photos = vec![text(&photo); 30];
    let apply = ["apply", "--pipeline", text(&spec), "--mode", "train", "--show-draws", "--quiet"];
    let output = within(45, &[&apply[..], &photos].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The array of 30 is 30 MB.
    let array = dir.path().join("a.npy");
    let output = within(80, &[&apply[..], &["-o", text(&array)], &photos].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::metadata(&array).unwrap().len(), 128 + 30 * 600 * 560 * 3);
}

#[test]
fn images_of_different_sizes_make_no_array() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path(), &[2]);
    let (spec, array) = (dir.path().join("p.toml"), dir.path().join("a.npy"));
    fs::write(&spec, "[[eval]]\nop = \"flip_left_right\"").unwrap();
    let (first, second) = (dir.path().join("class-0/0000.jpg"), dir.path().join("class-0/0001.jpg"));
    let args = ["apply", text(&first), text(&second), "--pipeline", text(&spec)];
    let (code, printed) = tfr_json(&[&args[..], &["-o", text(&array)]].concat());
    let said = printed["error"]["message"].as_str().unwrap();
    assert!(code == 2 && said.contains(text(&first)) && said.contains(text(&second)), "{said}");
    assert!(!array.exists());
    let (code, printed) = tfr_json(&[&args[..], &["--show-draws"]].concat());
    assert_eq!((code, &printed["images"], &printed["shape"]), (0, &serde_json::json!(2), &serde_json::Value::Null));
}

/// Where an op fails, the record it fails for is named.
#[test]
fn a_preview_names_the_record_that_it_cannot_draw() {
    let dir = tempfile::tempdir().unwrap();
    for compression in ["none", "gzip"] {
        let set = set(dir.path(), compression);
        let (spec, sheet) = (dir.path().join("p.toml"), dir.path().join("sheet.png"));
        fs::write(&spec, "[[train]]\nop = \"random_crop\"\nsize = [42, 40]").unwrap();
        let shards = dir.path().join(compression);
        let args = ["preview", text(&shards), "--pipeline", text(&spec), "-n", "20", "-o", text(&sheet)];
        let (code, printed) = tfr_json(&args);
        let error = &printed["error"];
        // The shards are good; the op list does not suit them.
        assert_eq!(code, 2, "{printed}");
        assert!(error["path"].as_str().is_some_and(|path| set.shards.iter().any(|s| text(s) == path)), "{printed}");
        assert!(error["record"].is_u64() && error["offset"].is_u64(), "{printed}");
    }
}
