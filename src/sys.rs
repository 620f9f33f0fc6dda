//! Everything that asks the operating system in its own words: maps, reads at an offset, folders to disk, kinds of
//! file system.

use std::ffi::OsStr;
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

/// An open folder. What lies in it is reached through it, not by a path whose parts somebody may change meanwhile.
#[derive(Debug)]
pub(crate) struct Dir {
    #[cfg(unix)]
    file: File,
    #[cfg(not(unix))]
    path: std::path::PathBuf,
}

#[cfg(unix)]
impl Dir {
    /// Opens the folder at a path.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Dir { file: File::options().read(true).open(path)? })
    }

    /// A folder in this one, made where it is missing. A link is not followed: that, as a file in its place, is
    /// [`io::ErrorKind::NotADirectory`].
    pub(crate) fn folder(&self, name: &OsStr) -> io::Result<Self> {
        use rustix::fs::{Mode, OFlags, mkdirat, openat};
        use rustix::io::Errno;
        let open = || openat(&self.file, name, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let opened = match open() {
            Err(Errno::NOENT) => {
                match mkdirat(&self.file, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(e) => return Err(e.into()),
                }
                open()
            }
            opened => opened,
        };
        match opened {
            Ok(file) => Ok(Dir { file: file.into() }),
            Err(Errno::LOOP | Errno::NOTDIR | Errno::MLINK) => Err(io::ErrorKind::NotADirectory.into()),
            Err(e) => Err(e.into()),
        }
    }

    /// Makes a file that was not there.
    pub(crate) fn create(&self, name: &OsStr) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags, openat};
        let how = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.file, name, how, Mode::from_raw_mode(0o666))?.into())
    }

    /// Opens an ordinary file to be read; no link.
    pub(crate) fn read(&self, name: &OsStr) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags, openat};
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(&self.file, name, how, Mode::empty())?.into())
    }

    /// Gives a file of this folder another name, which `replace` takes from the file that has it.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr, replace: bool) -> io::Result<()> {
        use rustix::fs::{AtFlags, linkat, renameat};
        if replace {
            return Ok(renameat(&self.file, from, &self.file, to)?);
        }
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{RenameFlags, renameat_with};
            use rustix::io::Errno;
            match renameat_with(&self.file, from, &self.file, to, RenameFlags::NOREPLACE) {
                // A file system or kernel that cannot do it in one step.
                Err(Errno::INVAL | Errno::NOSYS) => {}
                done => return Ok(done?),
            }
        }
        linkat(&self.file, from, &self.file, to, AtFlags::empty())?;
        self.remove(from)
    }

    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.file, name, rustix::fs::AtFlags::empty())?)
    }

    /// The names in it.
    pub(crate) fn names(&self) -> io::Result<Vec<std::ffi::OsString>> {
        use std::os::unix::ffi::OsStrExt as _;
        let entries = rustix::fs::Dir::read_from(&self.file)?;
        entries.map(|entry| Ok(OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned())).collect()
    }

    /// Brings to disk what was written in it and below: all of its file system, in one step, where there is one.
    pub(crate) fn sync_below(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&self.file)?;
        self.file.sync_all()
    }
}

#[cfg(not(unix))]
impl Dir {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|_| Dir { path: path.to_owned() })
    }

    pub(crate) fn folder(&self, name: &OsStr) -> io::Result<Self> {
        let path = self.path.join(name);
        match std::fs::create_dir(&path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        match std::fs::symlink_metadata(&path)?.is_dir() {
            true => Ok(Dir { path }),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(crate) fn create(&self, name: &OsStr) -> io::Result<File> {
        File::options().read(true).write(true).create_new(true).open(self.path.join(name))
    }

    pub(crate) fn read(&self, name: &OsStr) -> io::Result<File> {
        File::open(self.path.join(name))
    }

    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr, replace: bool) -> io::Result<()> {
        let (from, to) = (self.path.join(from), self.path.join(to));
        if replace {
            return std::fs::rename(from, to);
        }
        std::fs::hard_link(&from, to)?;
        std::fs::remove_file(from)
    }

    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    pub(crate) fn names(&self) -> io::Result<Vec<std::ffi::OsString>> {
        std::fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    pub(crate) fn sync_below(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Locks a file that was made just now, as long as it is open: a sign that it is being written. `false` where somebody has
/// taken it for one that a killed process left, and removed it.
pub(crate) fn claim(file: &File) -> io::Result<bool> {
    if !try_lock(file)? {
        return Ok(false);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Ok(file.metadata()?.nlink() > 0)
    }
    #[cfg(not(unix))]
    Ok(true)
}

/// Whether no living process has [claimed](claim) the file. It is locked then, as long as it is open. `false` where that
/// cannot be told.
pub(crate) fn is_abandoned(file: &File) -> bool {
    #[cfg(unix)]
    {
        use rustix::fs::{FlockOperation, flock};
        flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        false
    }
}
