//! Everything that asks the operating system in its own words: maps, reads at an offset, folders to disk, kinds of
//! file system.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use memmap2::Mmap;

/// Maps a file, to be read from front to back.
pub(crate) fn map_file(path: &Path) -> io::Result<Bytes> {
    map(&File::open(path)?)
}

/// Maps an open file, to be read from front to back.
pub(crate) fn map(file: &File) -> io::Result<Bytes> {
    // SAFETY: the map is only read. A file that another process cuts short under it raises SIGBUS, and one that is
    // rewritten changes under us; both are stated in the docs of `Shard::open`, and `Io::Read` avoids them. No
    // reference into the map is handed out as anything but bytes, which are valid whatever they are.
    let map = unsafe { Mmap::map(file)? };
    #[cfg(unix)]
    {
        // A hint; a kernel that does not take it reads all the same.
        let _ = map.advise(memmap2::Advice::Sequential);
    }
    Ok(Bytes::from_owner(map))
}

/// Reads at an offset until `buf` is full or the file ends; the number of bytes read. Moves no cursor.
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match read_once(file, &mut buf[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

#[cfg(unix)]
fn read_once(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

#[cfg(windows)]
fn read_once(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}

/// Brings a folder's entries to disk, so that a rename in it survives a crash.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// Whether `path` lies on a network or FUSE file system, where a map is slow or unsafe. `false` where it is not known.
pub(crate) fn is_remote(path: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        // Magic numbers from the kernel's linux/magic.h and the file systems' own sources.
        const REMOTE: [i64; 8] = [
            0x6969,      // NFS
            0x6573_5546, // FUSE
            0x517b,      // SMB
            0xff53_4d42, // CIFS
            0xfe53_4d42, // SMB2
            0x00c3_6400, // Ceph
            0x0bd0_0bd0, // Lustre
            0x0102_1997, // 9P
        ];
        // The field is narrower than i64 on 32-bit platforms.
        #[allow(clippy::useless_conversion)]
        rustix::fs::statfs(path).is_ok_and(|s| REMOTE.contains(&i64::from(s.f_type)))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        false
    }
}

/// What a file is that is neither ordinary nor a folder, in words.
pub(crate) fn special_file(kind: &std::fs::FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a named pipe (FIFO)";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    let _ = kind;
    "something else"
}

/// Opens a folder for [`try_lock`]; `None` on systems that open no folders.
pub(crate) fn open_dir(dir: &Path) -> io::Result<Option<File>> {
    #[cfg(unix)]
    return File::open(dir).map(Some);
    #[cfg(not(unix))]
    {
        let _ = dir;
        Ok(None)
    }
}

/// Takes an exclusive lock on an open file; `false` where another process or handle holds it.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use rustix::fs::{FlockOperation, flock};
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            // A file system without locks: go on without.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOLCK) => Ok(true),
            Err(e) => Err(e.into()),
        }
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        Ok(true)
    }
}

/// What an entry of a folder is, in words.
pub(crate) fn kind_of(kind: &std::fs::FileType) -> &'static str {
    match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_file() => "a file",
        () if kind.is_symlink() => "a link",
        () => special_file(kind),
    }
}

/// Where programs keep what they can make again, for the user who runs them; `None` where there is no such folder.
pub(crate) fn user_cache_dir() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || folder("HOME");
    if cfg!(windows) {
        return folder("LOCALAPPDATA");
    }
    folder("XDG_CACHE_HOME")
        .or_else(|| home().map(|home| home.join(if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" })))
}
