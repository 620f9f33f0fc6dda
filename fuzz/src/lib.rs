//! What the targets share: choices made by the input itself, a reader that trickles, scripts of damaged shards, a count
//! of memory.

pub mod jpeg;
#[path = "../../tests/common/jpegs.rs"]
mod jpegs;
pub mod memory;
pub mod message;
pub mod shard;

use std::io::{self, Read};
use std::path::PathBuf;

/// Numbers that depend on the input alone, so that an input is a whole case: a plain file can be one.
pub struct Noise(u64);

impl Noise {
    pub fn of(data: &[u8]) -> Self {
        // FNV-1a; its state is never 0 here but for one input in 2^64.
        let hash = data.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Noise(hash | 1)
    }

    pub fn seeded(seed: u32) -> Self {
        Noise((u64::from(seed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize
    }

    /// A number below `n`, or 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.next() % n.max(1)
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Gives `step` bytes at a time at most, and an interruption before each.
pub struct Trickle<'a> {
    pub data: &'a [u8],
    pub step: usize,
    pub interrupted: bool,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let n = self.data.len().min(buf.len()).min(self.step);
        buf[..n].copy_from_slice(&self.data[..n]);
        self.data = &self.data[n..];
        Ok(n)
    }
}

/// An input read byte by byte by a script; zeros when it is used up.
pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    pub fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let n = n.min(self.0.len());
        self.0.split_off(..n).unwrap_or_default()
    }
}

/// A directory in memory for what is only read from files, emptied for each input.
pub fn scratch() -> PathBuf {
    let root = ["/dev/shm", "/tmp"].into_iter().find(|dir| std::path::Path::new(dir).is_dir()).unwrap_or(".");
    let dir = PathBuf::from(root).join(format!("tfrkit-fuzz-{}", std::process::id()));
    // Not there the first time.
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory for scratch files");
    dir
}
