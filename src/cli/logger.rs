//! The library's log, on stderr.

use log::{LevelFilter, Log, Metadata, Record};

use super::args::GlobalArgs;
use super::output::say;

struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        say(format_args!("{}: {}", record.level().as_str().to_ascii_lowercase(), record.args()));
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
