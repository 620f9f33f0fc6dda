//! What a stream does at this moment, on the terminal.

use std::time::{Duration, Instant};

use tfrkit::pipeline::{Counters, Loader, Stage};

use super::output::{Output, human_bytes};
use super::progress::Progress;

/// A reading stands for so long.
const READING: Duration = Duration::from_millis(500);

/// The live counters: nothing where nobody watches.
pub(super) struct Live {
    bar: Option<Progress>,
    /// When what was read last, at how many images.
    at: Instant,
    images: u64,
    counters: Counters,
}

impl Live {
    /// Begins; of so many batches, if there is an end.
    pub(super) fn new(output: &Output, batches: Option<u64>) -> Self {
        let bar = output.is_watched().then(|| {
            let template = match batches {
                Some(_) => "[{bar:30}] {pos} of {len} batches, {eta} left\n{msg}",
                None => "{pos} batches\n{msg}",
            };
            Progress::new(true, batches, template, "the first batch is being made")
        });
        Live { bar, at: Instant::now(), images: 0, counters: Counters::default() }
    }

    /// Shows where the stream stands after so many batches and images.
    pub(super) fn show(&mut self, loader: &Loader, batches: u64, images: u64) {
        let Some(bar) = &self.bar else { return };
        let time = self.at.elapsed();
        if time >= READING && batches > 0 {
            let counters = loader.counters();
            let now = counters.since(&self.counters);
            bar.set_message(reading(&now, images.saturating_sub(self.images), time.as_secs_f64()));
            (self.at, self.images, self.counters) = (Instant::now(), images, counters);
        }
        bar.set(batches, None);
    }
}

/// What has happened in so many seconds.
fn reading(now: &Counters, images: u64, seconds: f64) -> String {
    let rate = |n: f64| n / seconds.max(1e-9);
    format!(
        "{:.0} images/s, {}/s\n{}\nqueue: {} of {} batches ready\n{}",
        rate(images as f64),
        human_bytes(rate(now.bytes as f64) as u64),
        workers(now),
        now.queue,
        now.in_flight,
        consumer(now, seconds),
    )
}

/// How busy the workers were, and with what.
pub(super) fn workers(counters: &Counters) -> String {
    let (busy, all) = (counters.busy().max(1e-9), counters.busy() + counters.wait);
    let work = Stage::ALL.into_iter().filter(|stage| *stage != Stage::Wait);
    let shares: Vec<String> =
        work.map(|stage| format!("{} {:.0} %", stage.name(), 100.0 * counters.of(stage) / busy)).collect();
    let busy = 100.0 * counters.busy() / all.max(1e-9);
    format!("workers: {} threads, {busy:.0} % busy: {}", counters.workers, shares.join(", "))
}

/// How long the consumer waited, and what for.
pub(super) fn consumer(counters: &Counters, seconds: f64) -> String {
    let wait = (100.0 * counters.consumer_wait / seconds.max(1e-9)).min(100.0);
    format!("consumer: waited {wait:.0} % of its time; {} limits", limit(counters, seconds).unwrap_or("nothing yet"))
}

/// What limits: the consumer, where the workers waited a greater share of their time for it than it for them; else their
/// greatest stage.
pub(super) fn limit(counters: &Counters, seconds: f64) -> Option<&'static str> {
    let workers_wait = counters.wait / (counters.busy() + counters.wait).max(1e-9);
    match counters.consumer_wait / seconds.max(1e-9) < workers_wait {
        true => Some("the consumer"),
        false => counters.limiting().map(Stage::name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_limits_is_the_side_that_waits_less() {
        let starved =
            Counters { workers: 2, decode: 15.0, ops: 4.0, wait: 1.0, consumer_wait: 9.0, ..Default::default() };
        assert_eq!(limit(&starved, 10.0), Some("decode"));
        assert_eq!(workers(&starved), "workers: 2 threads, 95 % busy: read 0 %, decode 79 %, resize 0 %, ops 21 %");
        assert_eq!(consumer(&starved, 10.0), "consumer: waited 90 % of its time; decode limits");
        let full = Counters { wait: 12.0, consumer_wait: 0.5, ..starved };
        assert_eq!(limit(&full, 10.0), Some("the consumer"));
        assert_eq!(limit(&Counters::default(), 0.0), None);
    }

    #[test]
    fn a_reading_tells_rates_and_the_queue() {
        let now = Counters { workers: 1, decode: 0.5, bytes: 3 << 20, queue: 1, in_flight: 3, ..Default::default() };
        let lines = reading(&now, 1000, 0.5);
        assert_eq!(lines.lines().next(), Some("2000 images/s, 6.0 MiB/s"));
        assert_eq!(lines.lines().nth(2), Some("queue: 1 of 3 batches ready"));
    }
}
