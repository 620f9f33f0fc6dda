//! Progress on the terminal: seen only where a job takes its time, and gone when it ends.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tfrkit::Job;

use super::output::Output;

/// A job that is done sooner shows no bar: a flash tells nobody anything.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that comes late. In no colours, so that `NO_COLOR` asks nothing of it.
pub(super) struct Progress {
    bar: ProgressBar,
    begin: Instant,
    /// Whether it may be seen, and is not yet.
    waits: AtomicBool,
    target: fn() -> ProgressDrawTarget,
}

impl Progress {
    /// A bar of `length` steps, if there is an end, in indicatif's `template`; seen where `is_watched` says so.
    pub(super) fn new(is_watched: bool, length: Option<u64>, template: &str, message: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::hidden());
        // A template that is wrong leaves the default style.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(message);
        let waits = AtomicBool::new(is_watched && io::stderr().is_terminal());
        Progress { bar, begin: Instant::now(), waits, target: ProgressDrawTarget::stderr }
    }

    /// Shows what was done of how much; `None` where the length is as before.
    pub(super) fn set(&self, done: u64, total: Option<u64>) {
        self.look();
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }

    pub(super) fn set_message(&self, message: String) {
        self.bar.set_message(message);
    }

    fn look(&self) {
        if self.waits.load(Ordering::Relaxed)
            && self.begin.elapsed() >= PATIENCE
            && self.waits.swap(false, Ordering::Relaxed)
        {
            self.bar.set_draw_target((self.target)());
            self.bar.tick();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Runs a job with a bar over its bytes.
pub(super) fn with_bar<T>(output: &Output, what: &'static str, job: Job<'_>, f: impl FnOnce(&Job<'_>) -> T) -> T {
    let template = "{msg} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    let bar = Progress::new(!output.is_quiet(), Some(0), template, what);
    let progress = |done, total| bar.set(done, Some(total));
    f(&Job { on_progress: Some(&progress), ..job })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use indicatif::TermLike;

    use super::*;

    static SEEN: Mutex<String> = Mutex::new(String::new());

    #[derive(Debug)]
    struct Screen;

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            SEEN.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            SEEN.lock().unwrap().clear();
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_bar_is_seen_late_in_no_colours_and_cleared_at_the_end() {
        let seen = || SEEN.lock().unwrap().clone();
        let mut bar = Progress::new(true, Some(0), "{msg} {pos} of {len}", "reading");
        (bar.waits, bar.target) = (AtomicBool::new(true), || ProgressDrawTarget::term_like(Box::new(Screen)));
        bar.set(1, Some(10));
        assert_eq!(seen(), "", "the job may be done at once");
        bar.begin -= PATIENCE;
        bar.set(5, None);
        assert!(seen().contains("reading") && !seen().contains('\u{1b}'), "{:?}", seen());
        drop(bar);
        assert_eq!(seen().trim(), "");
    }
}
