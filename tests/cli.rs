//! The command as a whole: pipes, odd arguments, what every verb has in common.

mod common;

use std::fs;
use std::io::Read;
use std::process::Stdio;

use common::{pictures, text, tfr, tfr_json};
use serde_json::Value;

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[400]);
    tfr().args(["convert", text(&src), text(&out)]).assert().success();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tfr"))
        .args(["cat", text(&out)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 100]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[cfg(unix)]
#[test]
fn odd_arguments_and_a_closed_stderr_are_no_panic() {
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"bad\xff.tfrecord");
    assert_eq!(tfr().arg("info").arg(odd).arg("--json").output().unwrap().status.code(), Some(2));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_tfr"))
        .args(["info", "no/such"])
        .stderr(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn every_verb_reads_a_shard_and_prints_one_object() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[9]);
    tfr().args(["convert", text(&src), text(&out), "--shards", "2"]).assert().success();
    for verb in ["info", "validate", "index"] {
        let (code, json) = tfr_json(&[verb, text(&out)]);
        assert_eq!((code, json["records"].as_u64()), (0, Some(9)), "{verb}");
    }
    let shard = fs::read(out.join("train-00000-of-00002.tfrecord")).unwrap();
    for verb in ["info", "validate"] {
        let output = tfr().args([verb, "-", "--json"]).write_stdin(shard.clone()).output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["records"], 5, "{verb}");
    }
    let lines = tfr().args(["cat", "-", "--skip", "1", "-n", "3"]).write_stdin(shard).output().unwrap().stdout;
    assert_eq!(String::from_utf8(lines).unwrap().lines().count(), 3);
    let first = tfr().args(["cat", text(&out), "-n", "1", "--raw", "--feature", "image/encoded"]).output().unwrap();
    assert!(first.stdout.starts_with(&[0xff, 0xd8, 0xff]));
    // Of the records that fulfil the filter, not of all.
    let filter = "label == 0 && image/filename >= 'class-0/0004.jpg'";
    let shown = tfr().args(["cat", text(&out), "--where", filter, "--skip", "3"]).output().unwrap().stdout;
    let shown = String::from_utf8(shown).unwrap();
    assert!(
        (4..9).filter(|i| shown.contains(&format!("class-0/000{i}.jpg"))).count() == 2 && shown.lines().count() == 2
    );
    let (code, json) = tfr_json(&["cat", text(&out), "--where", "label = 1"]);
    assert!(code == 2 && json["error"]["message"].as_str().unwrap().contains("column 7"), "{json}");
    // Damage: exit code 1, and the findings in JSON.
    let path = out.join("train-00001-of-00002.tfrecord");
    let mut data = fs::read(&path).unwrap();
    data[30] ^= 1;
    fs::write(&path, data).unwrap();
    let (code, json) = tfr_json(&["validate", text(&out)]);
    assert_eq!((code, json["findings_total"].as_u64()), (1, Some(1)));
    assert_eq!(json["findings"][0]["kind"], "data_crc");
}

#[test]
fn head_shows_ten_records_and_pipes_get_a_line_each() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    let mut writer = tfrkit::record::Writer::new(fs::File::create(&path).unwrap());
    for i in 0..12 {
        writer.write(&tfrkit::example::ExampleBuilder::new().int64("n", i).encode()).unwrap();
    }
    writer.finish().unwrap();
    let lines = |args: &[&str]| {
        let output = tfr().args(args).arg(text(&path)).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!((lines(&["cat"]).len(), lines(&["head"]).len(), lines(&["head", "-n", "3"]).len()), (12, 10, 3));
    let last = lines(&["head", "--skip", "11"]);
    assert_eq!(serde_json::from_str::<Value>(&last[0]).unwrap()["features"]["n"]["int64"][0], 11);
}

/// The verbs that help lists.
fn verbs() -> Vec<String> {
    let help = String::from_utf8(tfr().arg("--help").output().unwrap().stdout).unwrap();
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = verbs.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|v| *v != "help").map(str::to_owned).collect()
}

#[test]
fn every_shell_completes_every_verb() {
    let verbs = verbs();
    assert!(verbs.len() >= 15 && verbs.contains(&"completions".to_owned()), "{verbs:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = tfr().args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        let words: std::collections::BTreeSet<&str> =
            script.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
        for verb in &verbs {
            assert!(words.contains(verb.as_str()), "{shell}: {verb}");
        }
        assert!(script.contains("min-size"), "{shell}: flags");
    }
    assert_eq!(tfr().args(["completions", "csh"]).output().unwrap().status.code(), Some(2));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let command =
        std::process::Command::new(env!("CARGO_BIN_EXE_tfr")).args(["completions", "bash"]).stdout(writer).status();
    assert_eq!(command.unwrap().code(), Some(0), "a closed pipe is success");
}

#[test]
fn every_verb_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    let man = dir.path().join("share/man1");
    let (code, report) = tfr_json(&["man", text(&man)]);
    let mut expected: Vec<String> = verbs().iter().map(|verb| format!("tfr-{verb}.1")).collect();
    expected.push("tfr.1".to_owned());
    expected.sort();
    assert_eq!((code, common::names(&man)), (0, expected.clone()));
    assert_eq!(report["pages"].as_array().unwrap().len(), expected.len());
    let page = fs::read_to_string(man.join("tfr-convert.1")).unwrap();
    assert!(page.contains(".TH tfr-convert 1") && page.contains("min\\-size") && page.contains("threads"), "{page}");
    assert!(fs::read_to_string(man.join("tfr.1")).unwrap().contains("tfr\\-convert(1)"));
    // Again, over what is there; and where nothing can be.
    assert_eq!(tfr_json(&["man", text(&man)]).0, 0);
    fs::write(dir.path().join("file"), "x").unwrap();
    assert_eq!(tfr_json(&["man", text(&dir.path().join("file"))]).0, 2);
}

#[test]
fn verbose_says_what_is_decided_and_quiet_and_plain_do_not() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[3]);
    tfr().args(["convert", text(&src), text(&out), "--shards", "2", "--compression", "gzip"]).assert().success();
    let said = |args: &[&str]| {
        String::from_utf8(tfr().args(["validate", text(&out)]).args(args).output().unwrap().stderr).unwrap()
    };
    let verbose = said(&["-v", "--threads", "1"]);
    for part in ["note: set 'train': 2 files", "threads: 1", "train-00001-of-00002.tfrecord.gz: gzip", "note: took "] {
        assert!(verbose.contains(part), "{part}: {verbose}");
    }
    assert_eq!((said(&[]), said(&["--quiet"])), (String::new(), String::new()));
}

#[test]
fn help_fits_the_terminal_and_is_broken_once() {
    for verb in verbs() {
        let help = String::from_utf8(tfr().args([&verb, "--help"]).output().unwrap().stdout).unwrap();
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{verb}: {help}"));
        assert!(examples.lines().filter(|line| line.starts_with("  tfr ")).count() >= 2, "{verb}: {examples}");
        let wide = help.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{verb}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_is_not_read_as_a_shard() {
    for verb in ["info", "cat", "validate", "stats", "schema"] {
        // The near end of a new pseudo-terminal is one too, and needs no other process.
        let terminal = fs::File::options().read(true).write(true).open("/dev/ptmx").unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tfr")).args([verb, "-"]).stdin(terminal).output();
        let output = output.unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{verb}: {told}");
        assert!(told.contains("standard input is a terminal") && told.contains("pipe a shard"), "{verb}: {told}");
    }
}
