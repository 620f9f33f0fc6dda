//! Work on several threads over what comes in order, whose results are taken in that order.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::error::{Error, Result};
use crate::inspect::work::lock;

/// Takes work in order, and gives its results in order.
pub(super) struct Lanes<'a, T, R> {
    jobs: Sender<(u64, T)>,
    done: Receiver<(u64, Result<R>)>,
    /// Results that came before their turn.
    early: BTreeMap<u64, Result<R>>,
    sent: u64,
    taken: u64,
    /// So many pieces are under way or wait for their turn.
    most: u64,
    /// Whether a result was an error: what comes behind it is not taken.
    failed: bool,
    take: &'a mut dyn FnMut(R) -> Result<()>,
}

/// Gives `feed` a way to hand in pieces of work; `work` is done on each by one of `threads` threads, `take` gets the
/// results in order. Ends with the first error in the order of the pieces, those of `feed` being behind all handed in.
pub(super) fn in_lanes<T: Send, R: Send>(
    threads: usize,
    work: impl Fn(T) -> Result<R> + Sync,
    take: &mut dyn FnMut(R) -> Result<()>,
    feed: impl FnOnce(&mut Lanes<'_, T, R>) -> Result<()>,
) -> Result<()> {
    let (jobs, waiting) = channel::<(u64, T)>();
    let (results, done) = channel();
    let waiting = Mutex::new(waiting);
    std::thread::scope(|scope| {
        for i in 0..threads.max(1) {
            let (results, waiting, work) = (results.clone(), &waiting, &work);
            let lane = move || {
                loop {
                    let next = lock(waiting).recv();
                    let Ok((number, piece)) = next else { return };
                    let result = catch_unwind(AssertUnwindSafe(|| work(piece)));
                    let result = result.unwrap_or_else(|panic| Err(Error::panicked(&*panic)));
                    if results.send((number, result)).is_err() {
                        return;
                    }
                }
            };
            let spawned = std::thread::Builder::new().name(format!("tfrkit-{i}")).spawn_scoped(scope, lane);
            // Without another thread, those that there are do all of it.
            if let (Err(e), 0) = (spawned, i) {
                return Err(e.into());
            }
        }
        drop(results);
        let most = threads.max(1) as u64 + 1;
        let mut lanes = Lanes { jobs, done, early: BTreeMap::new(), sent: 0, taken: 0, most, failed: false, take };
        let fed = feed(&mut lanes);
        // Their results come before the error of what feeds.
        lanes.most = 0;
        lanes.drain().and(fed)
    })
}

impl<T, R> Lanes<'_, T, R> {
    /// Hands in the next piece; waits while too many are under way. An error is that of an earlier piece.
    pub(super) fn push(&mut self, piece: T) -> Result<()> {
        // A worker outlives all that is handed in: it ends when nothing can come any more.
        let _ = self.jobs.send((self.sent, piece));
        self.sent += 1;
        self.drain()
    }

    fn drain(&mut self) -> Result<()> {
        while !self.failed && self.sent - self.taken > self.most {
            let Ok((number, result)) = self.done.recv() else { break };
            self.early.insert(number, result);
            while let Some(result) = self.early.remove(&self.taken) {
                self.taken += 1;
                let taken = result.and_then(&mut *self.take);
                self.failed = taken.is_err();
                taken?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(threads: usize, fails: &'static [u64]) -> (Vec<u64>, Result<()>) {
        let mut taken = Vec::new();
        let work = |n: u64| match n {
            7 if fails.contains(&7) => panic!("seven"),
            n if fails.contains(&n) => Err(Error::usage(n.to_string())),
            n => Ok(n * 2),
        };
        let mut take = |n| {
            taken.push(n);
            Ok(())
        };
        let result = in_lanes(threads, work, &mut take, |lanes| {
            (0..50).try_for_each(|n| lanes.push(n))?;
            Err(Error::usage("the end"))
        });
        (taken, result)
    }

    #[test]
    fn results_and_errors_come_in_order_on_any_number_of_threads() {
        for threads in [1, 2, 7] {
            let (taken, result) = run(threads, &[]);
            assert_eq!(taken, (0..50).map(|n| n * 2).collect::<Vec<_>>());
            assert_eq!(result.unwrap_err().to_string(), "the end");
            let (taken, result) = run(threads, &[33, 12]);
            assert_eq!((taken.len(), result.unwrap_err().to_string()), (12, "12".to_owned()));
            let (_, result) = run(threads, &[7]);
            assert_eq!(result.unwrap_err().to_string(), "a worker panicked: seven");
        }
    }
}
