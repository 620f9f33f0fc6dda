//! A run that was killed while it put a new set in the place of an earlier one: no reader takes the two for one set.

mod common;

use std::fs;
use std::path::Path;

use common::{names, pictures, shard_bytes, text, tfr, tfr_json};
use serde_json::{Value, json};

fn run(args: &[&str]) -> (i32, String) {
    let output = tfr().args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => assert!(fs::copy(&path, &target).is_ok()),
        }
    }
}

fn manifest(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("manifest.json")).unwrap()).unwrap()
}

/// `out` as it is while the set of `new` takes the place of that of `old`: the journal is written, and these many steps
/// are done. Whether there are more.
fn killed_after(steps: usize, old: &Path, new: &Path, out: &Path) -> bool {
    let _ = fs::remove_dir_all(out);
    copy(old, out);
    let entry = manifest(new)["sets"]["train"].clone();
    let plan = entry["plan"].as_str().unwrap();
    fs::write(out.join(".train.plan"), format!("replace {plan} {}\n", entry["stamp"].as_str().unwrap())).unwrap();
    fs::write(out.join(".swap.json"), json!({"sets": {"train": entry}}).to_string()).unwrap();
    let staged = |name: &str| out.join(format!(".{name}.new.tmp"));
    let (earlier, later) = (shard_bytes(old), shard_bytes(new));
    later.iter().for_each(|(name, bytes)| fs::write(staged(name), bytes).unwrap());
    let mut actions: Vec<Box<dyn Fn()>> = Vec::new();
    for (name, _) in later.clone() {
        let (from, to) = (staged(&name), out.join(&name));
        actions.push(Box::new(move || fs::rename(&from, &to).unwrap()));
    }
    for (name, _) in earlier.into_iter().filter(|(name, _)| later.iter().all(|(new, _)| new != name)) {
        let shard = out.join(&name);
        let idx = out.join("idx").join(name.replace(".tfrecord", ".idx"));
        actions.push(Box::new(move || fs::remove_file(&idx).unwrap()));
        actions.push(Box::new(move || fs::remove_file(&shard).unwrap()));
    }
    actions.iter().take(steps).for_each(|action| action());
    steps < actions.len()
}

/// Two sets of the same pictures: of these many shards, in different orders.
fn two_sets(tmp: &Path, shards: [&str; 2]) {
    let src = tmp.join("src");
    pictures(&src, &[5, 4]);
    for (name, seed, shards) in [("old", "1", shards[0]), ("new", "2", shards[1])] {
        let out = tmp.join(name);
        let args = ["convert", text(&src), text(&out), "--seed", seed, "--shards", shards, "--quiet"];
        let (code, said) = run(&args);
        assert_eq!(code, 0, "{said}");
    }
}

#[test]
fn every_reader_tells_of_a_replacement_killed_at_any_step_and_index_ends_it() {
    // The same names, where nothing but the content tells the two apart; more shards, and fewer.
    for (case, shards) in [["3", "3"], ["2", "4"], ["4", "2"]].into_iter().enumerate() {
        let tmp = tempfile::tempdir().unwrap();
        two_sets(tmp.path(), shards);
        let [old, new, out] = ["old", "new", "out"].map(|n| tmp.path().join(n));
        let mut steps = 0;
        loop {
            let more = killed_after(steps, &old, &new, &out);
            let (page, sheet, into) = (tmp.path().join("r.html"), tmp.path().join("p.png"), tmp.path().join("into"));
            let glob = format!("{}/train-*", text(&out));
            let one_by_one: Vec<String> =
                shard_bytes(&out).iter().map(|(name, _)| text(&out.join(name)).to_owned()).collect();
            let mut verbs: Vec<Vec<&str>> = vec![
                vec!["info", text(&out)],
                vec!["info", &glob],
                ["info"].into_iter().chain(one_by_one.iter().map(String::as_str)).collect(),
                vec!["cat", text(&out)],
            ];
            // The others take the same way to their shards: once is enough.
            if steps == 1 && case == 0 {
                verbs.extend([
                    vec!["stats", text(&out)],
                    vec!["schema", text(&out)],
                    vec!["validate", text(&out)],
                    vec!["stream", text(&out), "--steps", "1"],
                    vec!["preview", text(&out), "-o", text(&sheet)],
                    vec!["report", text(&out), "-o", text(&page)],
                    vec!["extract", text(&out), "-o", text(&into)],
                    vec!["reshard", text(&out), "-o", text(&into)],
                    vec!["repair", text(&out), "-o", text(&into)],
                ]);
            }
            for args in verbs {
                let (code, said) = run(&args);
                assert!(said.contains("replacing the set 'train' has not ended"), "step {steps}: {args:?}: {said}");
                let goes_on = matches!(args[0], "repair" | "report");
                assert_eq!(code, i32::from(!goes_on), "{args:?}: {said}");
                assert!(args[0] == "validate" || said.contains("tfr index"), "{said}");
            }
            // One shard is of one set.
            assert_eq!(run(&["info", &one_by_one[0]]).0, 0);

            let (code, said) = run(&["index", text(&out)]);
            assert_eq!(code, 0, "step {steps}: {said}");
            assert_eq!(shard_bytes(&out), shard_bytes(&new), "step {steps}");
            assert_eq!(names(&out.join("idx")), names(&new.join("idx")));
            assert_eq!(manifest(&out)["sets"], manifest(&new)["sets"]);
            assert!(names(&out).iter().all(|name| !name.starts_with('.')), "{:?}", names(&out));
            let (code, said) = run(&["validate", text(&out)]);
            assert!(code == 0 && said.contains("nothing wrong"), "step {steps}: {said}");
            if !more {
                break;
            }
            steps += 1;
        }
    }
}

#[test]
fn the_next_writer_ends_it_as_well() {
    let tmp = tempfile::tempdir().unwrap();
    two_sets(tmp.path(), ["2", "3"]);
    let [old, new, out, src] = ["old", "new", "out", "src"].map(|n| tmp.path().join(n));
    assert!(killed_after(1, &old, &new, &out));
    let args = ["convert", text(&src), text(&out), "--seed", "2", "--shards", "3", "--resume", "--quiet"];
    let (code, said) = run(&args);
    assert_eq!(code, 0, "{said}");
    assert_eq!(shard_bytes(&out), shard_bytes(&new));
}

#[test]
fn before_the_new_set_is_whole_the_earlier_one_is_read_and_that_is_said() {
    let tmp = tempfile::tempdir().unwrap();
    two_sets(tmp.path(), ["3", "3"]);
    let [old, new, out] = ["old", "new", "out"].map(|n| tmp.path().join(n));
    killed_after(0, &old, &new, &out);
    fs::remove_file(out.join(".swap.json")).unwrap();
    let (code, said) = run(&["info", text(&out)]);
    assert!(code == 0 && said.contains("what is read is the earlier set"), "{said}");

    // A journal that somebody removed, as one that is damaged: the manifest tells that the shards are not the earlier ones.
    killed_after(1, &old, &new, &out);
    fs::write(out.join(".swap.json"), "{").unwrap();
    let (code, said) = run(&["info", text(&out)]);
    assert!(code == 1 && said.contains("no valid journal"), "{said}");
    fs::remove_file(out.join(".swap.json")).unwrap();
    let (code, said) = run(&["info", text(&out)]);
    assert!(code == 1 && said.contains("may be of two sets") && said.contains("--force"), "{said}");
}

#[test]
fn a_set_whose_writing_was_interrupted_is_told() {
    let tmp = tempfile::tempdir().unwrap();
    two_sets(tmp.path(), ["3", "3"]);
    let old = tmp.path().join("old");
    fs::write(old.join(".train.plan"), "new plan stamp\n").unwrap();
    let (code, said) = run(&["info", text(&old)]);
    assert!(code == 0 && said.contains("writing the set 'train' has not ended"), "{said}");
}

#[test]
fn labels_of_a_run_killed_before_its_first_set_bind_nobody() {
    let tmp = tempfile::tempdir().unwrap();
    let [src, out] = ["src", "out"].map(|n| tmp.path().join(n));
    pictures(&src, &[2, 2]);
    fs::create_dir(&out).unwrap();
    let killed = r#"{"version":1,"sets":{},"classes":["old"],"label_offset":3}"#;
    fs::write(out.join("manifest.json"), killed).unwrap();
    fs::write(out.join("labels.txt"), "old\n").unwrap();
    let output = tfr().args(["convert", text(&src), text(&out)]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_to_string(out.join("labels.txt")).unwrap(), "class-0\nclass-1\n");
    // Those that somebody put there do.
    let other = tmp.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("labels.txt"), "old\n").unwrap();
    let output = tfr().args(["convert", text(&src), text(&other)]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// An archive may bring a marker of any length: it is named, and not read.
#[test]
fn a_marker_without_end_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (src, out) = (dir.path().join("src"), dir.path().join("out"));
    pictures(&src, &[2]);
    tfr().args(["convert", text(&src), text(&out)]).assert().success();
    let marker = fs::File::create(out.join(".train.plan")).unwrap();
    marker.set_len((256 << 20) + 1).unwrap();
    for verb in [&["info", text(&out)][..], &["convert", text(&src), text(&out), "--resume"]] {
        let (code, said) = tfr_json(verb);
        let message = said["error"]["message"].as_str().unwrap();
        assert!(code == 1 && message.contains(".train.plan") && message.contains("longer than"), "{verb:?}: {said}");
    }
}
