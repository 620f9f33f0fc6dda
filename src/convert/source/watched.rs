//! Reading what may be long: until the job is to stop, and not beyond a limit.

use std::io::{self, Read};

use crate::job::Job;

/// A reader that ends with an error once the job is to stop, or once it has given as many bytes as it may. The caller
/// asks [`Job::check`] and [`is_used_up`](Self::is_used_up) which it was.
pub(super) struct Watched<'a, R> {
    inner: R,
    job: &'a Job<'a>,
    left: u64,
}

impl<'a, R: Read> Watched<'a, R> {
    pub(super) fn new(inner: R, job: &'a Job<'a>) -> Self {
        Watched { inner, job, left: u64::MAX }
    }

    /// From here on it gives so many bytes at most.
    pub(super) fn allow(&mut self, bytes: u64) {
        self.left = bytes;
    }

    /// Whether it has given all that it may.
    pub(super) fn is_used_up(&self) -> bool {
        self.left == 0
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Not the kind `Interrupted`, after which readers try again.
        self.job.check().map_err(io::Error::other)?;
        if self.is_used_up() {
            return Err(io::Error::other("it is too long"));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn it_ends_where_it_may_read_no_more_or_is_to_stop() {
        let stop = AtomicBool::new(false);
        let job = Job { stop: Some(&stop), ..Job::default() };
        let mut reader = Watched::new(&[7; 100][..], &job);
        reader.allow(60);
        let mut bytes = [0; 64];
        assert_eq!(reader.read(&mut bytes).unwrap(), 60);
        assert!(reader.is_used_up() && reader.read(&mut bytes).is_err());
        reader.allow(100);
        assert_eq!(reader.read(&mut bytes).unwrap(), 40);
        assert_eq!(reader.read(&mut bytes).unwrap(), 0);
        stop.store(true, Ordering::Relaxed);
        assert!(!reader.is_used_up() && reader.read_to_end(&mut Vec::new()).is_err());
    }
}
