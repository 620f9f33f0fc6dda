//! What `--help` says beside the flags: examples, and paragraphs that fill the terminal's width.

use clap::{Command, CommandFactory};

use super::Cli;

/// Help is no wider than this, however wide the terminal is.
const WIDTH: usize = 100;

/// Examples of the verbs whose own help has none.
const EXAMPLES: [(&str, &str); 13] = [
    (
        "info",
        "  tfr info shards
  tfr info 'shards/train-*' --full
  tfr info train@8 --json
  gsutil cat gs://bucket/train-00000-of-00008.tfrecord | tfr info -",
    ),
    (
        "cat",
        "  tfr cat shards -n 5
  tfr cat shards --where 'label == 3' --feature image/filename
  tfr cat train.tfrecord --skip 100 -n 1 --feature image/encoded --raw > image.jpg",
    ),
    (
        "head",
        "  tfr head shards
  tfr head shards -n 3 --json",
    ),
    (
        "stats",
        "  tfr stats shards
  tfr stats shards --set train --top 20 --json
  tfr stats 'shards/train-*' --compare 'shards/val-*'",
    ),
    (
        "schema",
        "  tfr schema shards -o schema.json
  tfr validate new-shards --schema schema.json
  tfr schema shards --format python",
    ),
    (
        "validate",
        "  tfr validate shards
  tfr validate shards --decode --duplicates
  tfr validate shards --schema schema.json
  tfr validate shards --json > findings.json",
    ),
    (
        "index",
        "  tfr index shards
  tfr index 'shards/train-*'",
    ),
    (
        "stream",
        "  tfr stream shards --set train
  tfr stream shards --set train --pipeline pipeline.toml --batch 64 --epochs 2
  tfr stream shards --set val --mode eval --digest
  tfr stream shards --set train --where 'label < 10' --steps 100 --json",
    ),
    (
        "apply",
        "  tfr apply cat.jpg -o cat.png
  tfr apply *.jpg --pipeline pipeline.toml -o batch.npy
  tfr apply cat.jpg --mode train --seed 7 --show-draws --json",
    ),
    (
        "preview",
        "  tfr preview shards --set train -o sheet.png
  tfr preview shards --set train --pipeline pipeline.toml -n 8 -o sheet.png
  tfr preview shards --set train --op random_brightness -o sheet.png",
    ),
    (
        "report",
        "  tfr report shards -o report.html
  tfr report shards --decode --samples 8 -o report.html",
    ),
    (
        "preset",
        "  tfr preset
  tfr preset basic > pipeline.toml",
    ),
    (
        "demo",
        "  tfr demo
  tfr demo /tmp/demo",
    ),
];

/// The command line as clap parses and explains it.
pub(super) fn command() -> Command {
    let mut tfr = Cli::command().max_term_width(WIDTH);
    let verbs: Vec<String> = tfr.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    for verb in verbs {
        tfr = tfr.mut_subcommand(verb, |verb| {
            let own = verb.get_after_help().map(|text| flowing(&text.to_string()));
            let has_examples = own.as_ref().is_some_and(|text| text.contains("Examples:"));
            let examples = EXAMPLES.iter().find(|(name, _)| *name == verb.get_name() && !has_examples);
            let examples = examples.map(|(_, lines)| format!("Examples:\n{lines}"));
            let parts: Vec<String> = own.into_iter().chain(examples).collect();
            verb.after_help(parts.join("\n\n"))
        });
    }
    tfr
}

/// The text with the lines of a paragraph joined: it is broken where the terminal ends, and nowhere else. Lines that are
/// indented, and those before them that end in a colon, stay.
fn flowing(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let goes_on = !(out.is_empty() || out.ends_with(['\n', ':']) || line.is_empty() || line.starts_with(' '));
        let last_is_indented = out.lines().last().is_some_and(|last| last.starts_with(' '));
        match goes_on && !last_is_indented {
            true => out.push(' '),
            false if out.is_empty() => {}
            false => out.push('\n'),
        }
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    /// The words of a command line as a shell would give them, up to a pipe, a redirection, `&&` or a remark.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (i, part) in line.split('\'').enumerate() {
            match i % 2 {
                1 => words.push(part.to_owned()),
                _ => {
                    for word in part.split_whitespace() {
                        if matches!(word, "|" | ">" | ">>" | "<" | "&&") || word.starts_with('(') {
                            return words;
                        }
                        words.push(word.to_owned());
                    }
                }
            }
        }
        words
    }

    #[test]
    fn every_verb_has_examples_and_each_is_a_right_use() {
        for verb in command().get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{}: {help}", verb.get_name()));
            let lines: Vec<&str> = examples.lines().take_while(|line| line.starts_with(' ')).map(str::trim).collect();
            assert!(lines.len() >= 2, "{}", verb.get_name());
            for line in lines {
                for part in
                    line.split(" && ").flat_map(|part| part.split(" | ")).filter(|part| part.starts_with("tfr "))
                {
                    let parsed = command().try_get_matches_from(words(part));
                    let parsed = parsed.and_then(|found| Cli::from_arg_matches(&found));
                    assert!(parsed.is_ok(), "{part}: {}", parsed.err().unwrap());
                }
                assert!(line.contains("tfr ") && line.len() <= 96, "{line}");
            }
        }
    }

    #[test]
    fn paragraphs_flow_and_examples_stay() {
        let text = "One\ntwo.\nThree.\n\nExamples:\n  tfr a\n  tfr b\nEnd";
        assert_eq!(flowing(text), "One two. Three.\n\nExamples:\n  tfr a\n  tfr b\nEnd");
        // No verb is left with a paragraph broken by hand.
        for verb in command().get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<&str> = help.lines().collect();
            let broken =
                |pair: &&[&str]| pair.iter().all(|l| !l.is_empty() && !l.starts_with(' ')) && !pair[0].ends_with(':');
            assert_eq!(lines.windows(2).find(broken), None, "{}", verb.get_name());
        }
    }
}
