//! The library's log, on stderr.

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::args::GlobalArgs;
use super::output::say;

struct Logger;

impl Log for Logger {
    /// What other crates log is for those who work on them.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tfrkit")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match record.level() {
            Level::Error => say(format_args!("error: {}", record.args())),
            Level::Warn => say(format_args!("warning: {}", record.args())),
            _ => say(format_args!("note: {}", record.args())),
        }
    }

    fn flush(&self) {}
}

/// Sends the log to stderr: warnings, with `-v` everything, with `--quiet` errors only.
pub(super) fn install(global: &GlobalArgs) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::Error,
        (_, true) => LevelFilter::Debug,
        _ => LevelFilter::Warn,
    };
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(level);
    }
}
