//! The report, as those who look at it, those who made the shards, and those who mean harm see it.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{fixture, jpeg, pictures, text, tfr, tfr_json};
use prost::Message as _;
use tfrkit::Job;
use tfrkit::dataset::{resolve, shard_file_name};
use tfrkit::example::{ExampleBuilder, SequenceExample, proto};
use tfrkit::inspect::{ReportOptions, ReportSummary, info, report};
use tfrkit::record::{Compression, Io, Writer};

fn write(path: &Path, payloads: &[Vec<u8>]) {
    let compression = match path.extension().is_some_and(|e| e == "gz") {
        true => Compression::Gzip,
        false => Compression::None,
    };
    let mut writer = Writer::with_compression(Vec::new(), compression);
    for payload in payloads {
        writer.write(payload).unwrap();
    }
    fs::write(path, writer.finish().unwrap()).unwrap();
}

fn image(seed: usize, class: usize) -> ExampleBuilder<'static> {
    let example = ExampleBuilder::new().int64("image/class/label", class as i64);
    example
        .text("image/class/text", format!("class-{class}"))
        .bytes_list("image/encoded", [jpeg(seed, 40 + seed % 9, 60)])
}

fn make(paths: &[&Path], options: &ReportOptions, job: &Job<'_>) -> ReportSummary {
    let paths: Vec<&str> = paths.iter().map(|p| text(p)).collect();
    report(&resolve(&paths).unwrap(), options, job).unwrap()
}

fn page(paths: &[&Path]) -> String {
    let made = make(paths, &ReportOptions::default(), &Job::default());
    assert_eq!(made.bytes, made.page.len() as u64);
    check_page(&made.page);
    made.page
}

/// What holds of every page.
fn check_page(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    for outside in ["http:", "https:", "//cdn", "url(", "@import"] {
        assert!(!page.contains(outside), "the page has '{outside}'");
    }
    // `style="..."` would be dropped by the page's own policy.
    assert!(page.contains("default-src 'none'; img-src data:;") && !page.contains(" style=\""));
    let ids: BTreeSet<&str> = attributes(page, "id").collect();
    assert_eq!(ids.len(), attributes(page, "id").count(), "an id comes twice");
    for target in attributes(page, "href").filter_map(|href| href.strip_prefix('#')) {
        assert!(ids.contains(target), "a link to '{target}' leads nowhere");
    }
    assert_eq!(page.matches("<img ").count(), page.matches(" alt=\"").count());
    // Every tag that is opened is closed; names out of shards cannot open one.
    let mut open: Vec<&str> = Vec::new();
    let (body, _) = page.split_once("<script>").unwrap();
    for tag in body[body.find("<body>").unwrap()..].split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "...<{tag}>");
        } else if !tag.ends_with('/') && !tag.starts_with("img") {
            open.push(tag.split(' ').next().unwrap());
        }
    }
    assert_eq!(open, ["body"]);
}

fn attributes<'p>(page: &'p str, name: &str) -> impl Iterator<Item = &'p str> {
    let start = format!(" {name}=\"");
    page.match_indices(&start).map(|(at, _)| at + start.len()).collect::<Vec<_>>().into_iter().map(|from| {
        let rest = &page[from..];
        &rest[..rest.find('"').unwrap()]
    })
}

fn section<'p>(page: &'p str, id: &str) -> &'p str {
    let from = page.find(&format!("<section id=\"{id}\">")).unwrap_or_else(|| panic!("there is no section '{id}'"));
    &page[from..from + page[from..].find("</section>").unwrap()]
}

#[test]
fn the_page_of_a_converted_set_tells_what_info_tells() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out, file) = (tmp.path().join("src"), tmp.path().join("out"), tmp.path().join("report.html"));
    pictures(&src, &[9, 5, 2]);
    let args = ["convert", text(&src), text(&out), "--shards", "2", "--split", "train=0.7,val=0.3"];
    tfr().args(args).assert().success();
    let (code, json) = tfr_json(&["report", text(&out), "-o", text(&file)]);
    assert_eq!((code, json["records"].as_u64(), json["findings_total"].as_u64()), (0, Some(16), Some(0)));
    let page = fs::read_to_string(&file).unwrap();
    assert_eq!((json["bytes"].as_u64(), json["path"].as_str()), (Some(page.len() as u64), file.to_str()));
    check_page(&page);

    let told = info(&resolve(&[text(&out)]).unwrap().complete().unwrap(), true, &Job::default()).unwrap();
    for (name, set) in &told.sets {
        let row = format!("<th scope=\"row\">{name}</th><td class=\"num\">{}</td>", set.records);
        assert!(section(&page, "overview").contains(&row), "{name}");
    }
    for name in told.features.keys() {
        assert!(section(&page, "features").contains(&format!("<code>{name}</code>")), "{name}");
    }
    let classes = section(&page, "classes");
    for (class, count) in [("class-0", 9), ("class-1", 5), ("class-2", 2)] {
        assert!(classes.contains(&format!("<th scope=\"row\">{class}</th>")), "{class}");
        assert!(classes.contains(&format!("<td class=\"num\">{count}</td></tr>")), "{class}");
        assert!(section(&page, "samples").contains(&format!("<h3>{class} <small>{count} records")), "{class}");
    }
    assert!(classes.contains("an imbalance of <b>4.5 to 1</b>"));
    // Four samples of each class, or as many as there are.
    assert_eq!(section(&page, "samples").matches("<img ").count(), 4 + 4 + 2);
    assert!(section(&page, "findings").contains("None."));
    assert!(section(&page, "duplicates").contains("None:"));
    assert!(section(&page, "images").contains("16 images: all JPEG; all in colour."));
}

#[test]
fn equal_shards_give_equal_pages_on_any_number_of_threads() {
    let tmp = tempfile::tempdir().unwrap();
    let shards: Vec<PathBuf> = (0..3).map(|i| tmp.path().join(format!("part-{i}.tfrecord.gz"))).collect();
    let plain = tmp.path().join("plain.tfrecord");
    for (path, shard) in shards.iter().chain([&plain]).zip(0..) {
        write(path, &(0..70).map(|i| image(shard * 1000 + i % 60, i % 7).encode()).collect::<Vec<_>>());
    }
    let paths: Vec<&Path> = shards.iter().chain([&plain]).map(PathBuf::as_path).collect();
    let first = make(&paths, &ReportOptions::default(), &Job { threads: 1, ..Default::default() });
    check_page(&first.page);
    for (threads, io) in [(2, Io::Auto), (5, Io::Mmap), (5, Io::Read)] {
        let again = make(&paths, &ReportOptions::default(), &Job { threads, io, ..Default::default() });
        assert!(again.page == first.page, "{threads} threads, {io:?}");
    }
}

#[test]
fn names_that_mean_harm_are_text() {
    let tmp = tempfile::tempdir().unwrap();
    let evil = "</style><script>alert(1)</script><img src=x onerror='a'>\"";
    let payload = |i: usize| {
        image(i, 0)
            .text("image/class/text", evil)
            .text(evil, "value")
            .floats("image/object/bbox/xmin", [0.1])
            .floats("image/object/bbox/xmax", [0.5])
            .floats("image/object/bbox/ymin", [0.1])
            .floats("image/object/bbox/ymax", [0.5])
            .bytes_list("image/object/class/text", [evil.as_bytes()])
            .encode()
    };
    // Twice the same, and a feature of two kinds, so that findings name the feature.
    let shard = tmp.path().join("<b>&'x.tfrecord");
    write(&shard, &[payload(0), payload(0), image(1, 0).int64(evil, 3).encode()]);
    let options = ReportOptions { title: Some(evil.to_owned()), ..Default::default() };
    let made = make(&[&shard], &options, &Job::default());
    check_page(&made.page);
    assert_eq!(made.page.matches("<script").count(), 1, "the page's own");
    assert!(!made.page.contains("<b>&'x") && !made.page.contains("src=x onerror='a'"));
    for id in ["findings", "classes", "samples", "duplicates", "features"] {
        assert!(section(&made.page, id).contains("&lt;"), "{id} shows the name");
    }
}

#[test]
fn damage_is_told_and_what_is_whole_is_counted() {
    let tmp = tempfile::tempdir().unwrap();
    let (whole, cut) = (tmp.path().join("a.tfrecord"), tmp.path().join("b.tfrecord"));
    let payloads: Vec<Vec<u8>> = (0..6).map(|i| image(i, i % 2).encode()).collect();
    write(&whole, &payloads);
    let mut data = fs::read(&whole).unwrap();
    // A bit of the payload of record 0; and the last record is cut.
    data[40] ^= 1;
    data.truncate(data.len() - 10);
    fs::write(&cut, &data).unwrap();
    let broken = jpeg(9, 50, 50);
    let broken = ExampleBuilder::new().int64("image/class/label", 0).bytes("image/encoded", &broken[..300]).encode();
    write(&whole, &[payloads, vec![broken]].concat());
    let page = page(&[&whole, &cut]);
    let findings = section(&page, "findings");
    for kind in ["data_crc", "truncated", "image"] {
        assert!(findings.contains(&format!("<code>{kind}</code>")), "{kind}");
    }
    assert!(findings.contains("<td class=\"path\">b.tfrecord</td><td class=\"num\">0</td><td class=\"num\">0</td>"));
    let made = make(&[&cut], &ReportOptions::default(), &Job::default());
    assert_eq!((made.records, made.findings_total), (5, 2));
    let (code, json) = tfr_json(&["report", text(&cut), "-o", text(&tmp.path().join("x.html"))]);
    assert_eq!((code, json["findings_total"].as_u64()), (0, Some(2)), "the report is made");
    // Whole records are counted, the damaged one is not.
    assert!(section(&made.page, "classes").contains("<th scope=\"row\">class-0</th>"));
}

#[test]
fn a_shard_that_is_missing_is_a_finding() {
    let tmp = tempfile::tempdir().unwrap();
    for i in [0, 2] {
        write(&tmp.path().join(shard_file_name("train", i, 3, Compression::None)), &[image(i, 0).encode()]);
    }
    assert!(section(&page(&[tmp.path()]), "findings").contains("missing_shard"));
}

#[test]
fn sets_without_images_have_a_page_without_them() {
    let tmp = tempfile::tempdir().unwrap();
    let (plain, sequence, raw) =
        (tmp.path().join("a.tfrecord"), tmp.path().join("s.tfrecord"), tmp.path().join("r.tfrecord"));
    let example = |i: i64| ExampleBuilder::new().floats("vector", vec![i as f32; 8]).int64("label", i % 3).encode();
    write(&plain, &(0..10).map(example).collect::<Vec<_>>());
    let step = proto::Feature { kind: Some(proto::feature::Kind::Int64List(proto::Int64List { value: vec![1] })) };
    let list = proto::FeatureList { feature: vec![step; 3] };
    let steps = proto::FeatureLists { feature_list: [("tokens".to_owned(), list)].into() };
    write(&sequence, &[SequenceExample { context: None, feature_lists: Some(steps) }.encode_to_vec()]);
    write(&raw, &[vec![0xff; 30], vec![0xfe; 31]]);
    let page_of_plain = page(&[&plain]);
    assert!(!page_of_plain.contains("id=\"images\"") && !page_of_plain.contains("id=\"samples\""));
    assert!(section(&page_of_plain, "lengths").contains("Bytes of a record"));
    assert!(section(&page_of_plain, "classes").contains("<th scope=\"row\">label 0</th>"));
    // 0 to 9 modulo 3, the vector being another each time.
    assert!(section(&page_of_plain, "duplicates").contains("None:"));
    assert!(section(&page(&[&sequence]), "features").contains("<code>tokens</code> <small>steps</small>"));
    let page_of_raw = page(&[&raw]);
    assert!(section(&page_of_raw, "overview").contains("<td>raw</td>") && !page_of_raw.contains("id=\"classes\""));
}

#[test]
fn tables_are_told_by_their_values() {
    let tmp = tempfile::tempdir().unwrap();
    let shard = tmp.path().join("a.tfrecord");
    let long = "a long text, longer than those that are counted one by one: ".repeat(3);
    let record = |i: i64| {
        let example = ExampleBuilder::new().int64("age", 20 + i % 5).floats("score", [i as f32 / 4.0]);
        let example =
            example.text("city", if i % 3 == 0 { "Bonn" } else { "<Ulm>" }).text("story", format!("{long}{i}"));
        if i == 7 { example.floats("score", [f32::NAN]).encode() } else { example.encode() }
    };
    write(&shard, &(0..40).map(record).collect::<Vec<_>>());
    let page = page(&[&shard]);
    let values = section(&page, "values");
    let row = |name: &str| {
        let row = values.split("<tr>").find(|row| row.contains(&format!("<code>{name}</code>"))).unwrap();
        row.split("<td class=\"num\">").skip(1).map(|cell| cell.split('<').next().unwrap()).collect::<Vec<_>>()
    };
    // Missing, different, min, median, mean, max, std, NaN, infinite.
    assert_eq!(row("age"), ["0 %", "5", "20", "22", "22", "24", "1.414", "0", "0"]);
    assert_eq!(row("score")[2..], ["0", "5", "4.955", "9.75", "2.878", "1", "0"]);
    assert!(values.contains("<title>22: 8</title>"), "a bar for each age");
    assert!(values.contains("<li>&lt;Ulm&gt; <small>26 times</small></li><li>Bonn <small>14 times</small></li>"));
    assert!(values.contains("<li>a long text, longer") && !values.contains("drawn evenly"));
    // With more records than are looked at, it says so; and the threads make no difference.
    write(&shard, &(0..5000).map(|i| ExampleBuilder::new().int64("n", i).encode()).collect::<Vec<_>>());
    let made =
        [1, 4].map(|threads| make(&[&shard], &ReportOptions::default(), &Job { threads, ..Default::default() }).page);
    assert!(made[0] == made[1] && section(&made[0], "values").contains("As 4,000 records tell, drawn evenly"));
    let images = tmp.path().join("b.tfrecord");
    write(&images, &[image(1, 0).encode()]);
    assert!(!self::page(&[&images]).contains("id=\"values\""));
}

#[test]
fn many_sets_are_told_apart() {
    let tmp = tempfile::tempdir().unwrap();
    let mut shards = Vec::new();
    for set in 0..10 {
        let shard = tmp.path().join(shard_file_name(&format!("set{set}"), 0, 1, Compression::None));
        write(&shard, &[image(set, 0).encode()]);
        shards.push(shard);
    }
    let paths: Vec<&Path> = shards.iter().map(PathBuf::as_path).collect();
    let page_of = |count: usize| section(&page(&paths[..count]), "classes").to_owned();
    let colors = |classes: &str| {
        let bar = classes.split("<td class=\"bar\">").nth(1).unwrap().split("</td>").next().unwrap().to_owned();
        attributes(&bar, "class").map(str::to_owned).collect::<BTreeSet<String>>().len()
    };
    assert_eq!(colors(&page_of(5)), 5);
    assert_eq!(colors(&page_of(8)), 8);
    let ten = page_of(10);
    assert!(colors(&ten) == 9 && ten.contains("share one colour") && ten.contains("<title>set9: 1</title>"));
}

#[test]
fn all_findings_that_are_listed_are_on_the_page() {
    let tmp = tempfile::tempdir().unwrap();
    let shard = tmp.path().join("a.tfrecord");
    let wide = "w".repeat(400);
    let record = |i: i64| {
        let example = ExampleBuilder::new().bytes_list("image/encoded", [jpeg(1, 20, 20)]).int64("n", i);
        example.int64("image/height", 100 + i).text("image/format", wide.clone()).encode()
    };
    write(&shard, &(0..120).map(record).collect::<Vec<_>>());
    let page = page(&[&shard]);
    let findings = section(&page, "findings");
    for i in 0..120 {
        assert!(findings.contains(&format!("image/height is {}, the image has 20", 100 + i)), "{i}");
    }
    assert!(findings.contains("<details><summary>100 more</summary>"), "the others are folded");
    assert!(findings.contains(&wide), "nothing is cut");
    assert!(findings.contains("<li>120 findings in 120 records, first in a.tfrecord, record 0: "), "told together");
    // More than are listed: told together, none is left out.
    let bare =
        |i: i64| ExampleBuilder::new().bytes_list("image/encoded", [jpeg(1, 9, 9)]).int64("image/height", i).encode();
    write(&shard, &(100..1300).map(bare).collect::<Vec<_>>());
    let page = self::page(&[&shard]);
    assert!(
        section(&page, "findings").contains(
            "<li>1,200 findings in 1,200 records, first in a.tfrecord, record 0: such as image/height is 100"
        )
    );
}

#[test]
fn boxes_are_drawn_over_images_and_turn_with_them() {
    let tmp = tempfile::tempdir().unwrap();
    let shard = tmp.path().join("a.tfrecord");
    let boxed = |bytes: Vec<u8>| {
        ExampleBuilder::new()
            .bytes_list("image/encoded", [bytes])
            .floats("image/object/bbox/xmin", [0.25])
            .floats("image/object/bbox/xmax", [0.75])
            .floats("image/object/bbox/ymin", [0.5])
            .floats("image/object/bbox/ymax", [1.0])
            .bytes_list("image/object/class/text", [b"a bird"])
            .encode()
    };
    // Twice as wide as high: shown 160 wide.
    write(&shard, &[boxed(jpeg(1, 100, 200))]);
    let upright = page(&[&shard]);
    let samples = section(&upright, "samples");
    assert!(samples.contains("<rect x=\"40.0\" y=\"40.0\" width=\"80.0\" height=\"40.0\"/>"), "{samples}");
    assert!(samples.contains(">a bird</text>") && samples.contains("alt=\"Sample with 1 box\""));
    assert!(section(&upright, "classes").contains("Boxes by class"));
    // Stored turned by a quarter: what lies at the bottom is at the left once it stands upright.
    let turned = fs::read(fixture("exif6.jpg")).unwrap();
    write(&shard, &[boxed(turned)]);
    let turned = page(&[&shard]);
    let rect = section(&turned, "samples").split("<rect ").nth(1).unwrap();
    assert!(rect.starts_with("x=\"0.0\""), "{rect:.80}");
    assert!(section(&turned, "findings").contains("<code>exif</code>"));
}

#[test]
fn equal_records_stand_side_by_side_and_leakage_comes_first() {
    let tmp = tempfile::tempdir().unwrap();
    let shard = |set: &str| tmp.path().join(shard_file_name(set, 0, 1, Compression::None));
    write(&shard("train"), &[image(1, 0).encode(), image(1, 0).encode(), image(2, 1).encode(), image(3, 1).encode()]);
    // The same image with another label.
    write(&shard("test"), &[image(2, 0).encode(), image(7, 0).encode()]);
    let page = page(&[tmp.path()]);
    let duplicates = section(&page, "duplicates");
    assert!(duplicates.contains("2 groups") && duplicates.contains("1 of them across sets"));
    let leakage = duplicates.find("badge bad").expect("leakage is marked");
    assert!(leakage < duplicates.find("badge warn").expect("a duplicate is marked"));
    assert_eq!(duplicates.matches("<img ").count(), 4);
    assert!(section(&page, "findings").contains("leakage") && section(&page, "findings").contains("duplicate"));
    let bare = make(&[tmp.path()], &ReportOptions { images: false, ..Default::default() }, &Job::default()).page;
    check_page(&bare);
    assert!(!bare.contains("<img ") && section(&bare, "duplicates").contains("record 2"));
    assert!(section(&bare, "images").contains("Brightness"));
}

#[test]
fn a_thousand_classes_make_no_large_page() {
    let tmp = tempfile::tempdir().unwrap();
    let shard = tmp.path().join("a.tfrecord");
    let noise = |seed: usize| {
        let pixels = (0..40 * 40 * 3).map(|i| ((i * 2_654_435_761 + seed * 97) >> 7) as u8).collect();
        let shape = tfrkit::image::Shape::new(40, 40, 3);
        tfrkit::image::encode_jpeg(&tfrkit::image::ImageBuf::from_pixels(shape, pixels).unwrap(), 60).unwrap()
    };
    // Images that are hard to compress: more of them are drawn than the page has room for.
    let images: Vec<Vec<u8>> = (0..8).map(noise).collect();
    let record = |i: usize| {
        let class = if i < 1000 { i } else { i % 60 };
        let example = ExampleBuilder::new().bytes("image/encoded", &images[i % 8]);
        example.text("image/class/text", format!("class {class}")).int64("n", i as i64).encode()
    };
    write(&shard, &(0..1240).map(record).collect::<Vec<_>>());
    let made = make(&[&shard], &ReportOptions::default(), &Job::default());
    check_page(&made.page);
    let images = made.page.matches("<img ").count();
    assert!(made.bytes < 3_000_000 && images < 200, "{images} images, {} bytes", made.bytes);
    let classes = section(&made.page, "classes");
    assert!(classes.contains("1,000 classes") && classes.contains("… and 970 more"), "{classes}");
    assert_eq!(classes.matches("<th scope=\"row\">").count(), 35);
    let samples = section(&made.page, "samples");
    assert!(samples.contains("… and 950 classes that have fewer records.") && samples.matches("<img ").count() >= 50);
}

#[test]
fn the_first_thing_told_is_whether_the_set_is_fine() {
    let tmp = tempfile::tempdir().unwrap();
    let shard = tmp.path().join("a.tfrecord");
    let verdict = |payloads: &[Vec<u8>]| {
        write(&shard, payloads);
        let page = page(&[&shard]);
        let verdict = page.split("<p class=\"verdict ").nth(1).unwrap();
        verdict[..verdict.find("</p>").unwrap()].replace("\"><a href=\"#findings\">", ": ").replace("</a>", "")
    };
    assert_eq!(verdict(&[image(1, 0).encode()]), "good: Nothing wrong was found.");
    assert_eq!(verdict(&[]), "warn: There are no records.");
    assert_eq!(verdict(&[image(1, 0).encode(), image(1, 0).encode()]), "warn: No errors; 1 warning.");
    let cut = jpeg(9, 50, 50)[..300].to_vec();
    let broken = ExampleBuilder::new().int64("image/class/label", 0).bytes_list("image/encoded", [cut]).encode();
    let mixed = [image(1, 0).encode(), image(1, 0).encode(), broken];
    assert_eq!(verdict(&mixed), "bad: 1 error and 1 warning of 2 kinds.");
}

#[test]
fn classes_of_tfds_have_their_names() {
    let page = page(&[&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/foreign/tfds")]);
    for class in ["cat", "dog", "emu"] {
        assert!(section(&page, "classes").contains(&format!("<th scope=\"row\">{class}</th>")), "{class}");
    }
}

#[cfg(unix)]
#[test]
fn a_page_into_a_closed_pipe_is_no_failure() {
    let tmp = tempfile::tempdir().unwrap();
    let shard = tmp.path().join("a.tfrecord");
    write(&shard, &[image(1, 0).encode()]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tfr"));
    let ended = command.args(["report", text(&shard), "-o", "/dev/stdout"]).stdout(writer).output().unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn wrong_uses_say_what_to_do() {
    let tmp = tempfile::tempdir().unwrap();
    let shard = tmp.path().join("a.tfrecord");
    write(&shard, &[image(1, 0).encode()]);
    let (dir, shard) = (text(tmp.path()), text(&shard));
    let nowhere = format!("{dir}/no/such/r.html");
    let page = format!("{dir}/mine.html");
    fs::write(&page, "mine").unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["report", shard], "--output"),
        (&["report", "-", "-o", "x.html"], "reads shards twice"),
        (&["report", shard, "-o", "-"], "not stdout"),
        (&["report", shard, "-o", &page], "is there already"),
        (&["schema", shard, "-o", &page], "is there already"),
        (&["preview", shard, "-o", &page], "is there already"),
        (&["report", shard, "-o", "x.png"], "which kind of file"),
        (&["preview", shard, "-o", "x.html"], "which kind of file"),
        (&["schema", shard, "-o", "x.pbtxt", "--format", "json"], "another format"),
        (&["report", shard, "-o", dir], "is a directory"),
        (&["report", shard, "-o", &nowhere], "there is no directory"),
        (&["report", dir, "-o", shard], "one of the inputs"),
        (&["preview", dir, "-o", shard], "one of the inputs"),
        (&["schema", dir, "-o", shard], "one of the inputs"),
        (&["report", shard, "-o", "x.html", "--samples", "0"], "from 1 to 24"),
        (&["report", "no/such", "-o", "x.html"], "nothing matches"),
    ];
    for (args, part) in cases {
        let (code, json) = tfr_json(args);
        let message = json["error"]["message"].as_str().unwrap();
        assert!(code == 2 && message.contains(part), "{args:?} gave {code}: {message}");
    }
    assert!(!Path::new("x.html").exists() && !Path::new("x.png").exists());
    assert_eq!(fs::read(&page).unwrap(), b"mine");
    tfr().args(["report", shard, "-o", &page, "--force"]).assert().success();
    assert!(fs::read_to_string(&page).unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!(tfr_json(&["validate", shard]).0, 0);
}
