//! File system calls relative to a descriptor, which symlinks and renames in a hostile tree cannot redirect.

pub mod magic;

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags, XattrFlags};

/// openat2(2), Linux 5.6. It is retried on `EAGAIN`, which means that a rename raced with a `..` in the path.
pub fn openat2(
    dir: impl AsFd,
    path: impl rustix::path::Arg + Copy,
    flags: OFlags,
    mode: Mode,
    resolve: ResolveFlags,
) -> nix::Result<OwnedFd> {
    loop {
        match rustix::fs::openat2(&dir, path, flags | OFlags::CLOEXEC, mode, resolve) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            result => return result.map_err(errno),
        }
    }
}

/// Opens `path` as a process with the root directory `root` would: symlinks and `..` cannot leave the root.
pub fn open_in_root(
    root: impl AsFd,
    path: impl rustix::path::Arg + Copy,
    flags: OFlags,
) -> nix::Result<OwnedFd> {
    openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

/// Opens the directory `name` in `dir`. Fails with `EXDEV` if something is mounted on it, and with `ELOOP` or `ENOTDIR` if
/// it is a symlink.
pub fn open_subdirectory(dir: impl AsFd, name: &CStr, flags: OFlags) -> nix::Result<OwnedFd> {
    let flags = flags | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    match openat2(&dir, name, flags, Mode::empty(), resolve) {
        // The seccomp policy of an outer container may refuse openat2(2). Then statx(2) tells (Linux 5.8).
        Err(Errno::ENOSYS) => {
            let child = rustix::fs::openat(&dir, name, flags, Mode::empty()).map_err(errno)?;
            let stat =
                rustix::fs::statx(&child, c"", AtFlags::EMPTY_PATH, StatxFlags::TYPE).map_err(errno)?;
            let mounted = stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
            if mounted { Err(Errno::EXDEV) } else { Ok(child) }
        }
        result => result,
    }
}

/// True for the null device (character device 1:3), which discards what is written to it.
pub fn is_null_device(file: impl AsFd) -> nix::Result<bool> {
    let stat = rustix::fs::fstat(file).map_err(errno)?;
    let number = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    Ok(FileType::from_raw_mode(stat.st_mode).is_char_device() && number == (1, 3))
}

/// `/proc/self/fd/N`, for calls that take only a path.
pub fn fd_path(fd: impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

/// Reads a text file in /proc or /sys. Such a file has no size, so std would start with a buffer of 32 bytes. The kernel
/// returns at most a page in each read(2) (seq_file), so the buffer starts with that.
pub fn read_kernel_text(path: impl AsRef<Path>) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut text = vec![0; 4096];
    let mut length = 0;
    loop {
        match file.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if length == text.len() {
            text.resize(2 * length, 0);
        }
    }
    text.truncate(length);
    String::from_utf8(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The names and values of an open file's extended attributes (xattr(7)). Empty if the file system has none.
pub fn xattrs(file: impl AsFd) -> nix::Result<Vec<(CString, Vec<u8>)>> {
    read_xattrs(
        |buffer| rustix::fs::flistxattr(&file, buffer),
        |name, buffer| rustix::fs::fgetxattr(&file, name, buffer),
    )
}

/// [`xattrs`] of a file that must not be opened: a symlink itself, a device, a FIFO.
pub fn xattrs_at(path: &Path) -> nix::Result<Vec<(CString, Vec<u8>)>> {
    read_xattrs(
        |buffer| rustix::fs::llistxattr(path, buffer),
        |name, buffer| rustix::fs::lgetxattr(path, name, buffer),
    )
}

/// Sets an extended attribute of an open file.
pub fn set_xattr(file: impl AsFd, name: &CStr, value: &[u8]) -> nix::Result<()> {
    rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()).map_err(errno)
}

/// Sets an extended attribute of the file at `path`, without following a symlink.
pub fn set_xattr_at(path: &Path, name: &CStr, value: &[u8]) -> nix::Result<()> {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).map_err(errno)
}

fn read_xattrs(
    list: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
    get: impl Fn(&CStr, &mut [u8]) -> rustix::io::Result<usize>,
) -> nix::Result<Vec<(CString, Vec<u8>)>> {
    let names = match grow(list) {
        Err(Errno::ENOTSUP) => return Ok(Vec::new()),
        names => names?,
    };
    let mut found = Vec::new();
    for name in names.split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        match grow(|buffer| get(name, buffer)) {
            Ok(value) => found.push((name.to_owned(), value)),
            // Removed between the two calls.
            Err(Errno::ENODATA) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Repeats the call with a larger buffer while the kernel says that the buffer is too small.
fn grow(call: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> nix::Result<Vec<u8>> {
    let mut buffer = vec![0; 256];
    loop {
        match call(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(rustix::io::Errno::RANGE) if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 4, 0),
            Err(error) => return Err(errno(error)),
        }
    }
}

/// Gives an open file without a name (open(2), `O_TMPFILE`) a name. linkat(2) goes through /proc, because `AT_EMPTY_PATH`
/// would take a capability. `path` begins at `directory`, which has to be on the mount through which the file was opened.
pub fn link_open_file(file: &File, directory: impl AsFd, path: &Path) -> nix::Result<()> {
    let own = fd_path(file);
    rustix::fs::linkat(rustix::fs::CWD, own, directory, path, rustix::fs::AtFlags::SYMLINK_FOLLOW)
        .map_err(errno)
}

/// Up to this size, in bytes, one read and one write cost less than copy_file_range(2).
const SMALL: usize = 64 * 1024;

/// Copies the whole content of `from` into the empty file `to`. The files share blocks if the file system supports it
/// (ioctl_ficlone(2)). Otherwise the kernel copies the data between the holes.
pub fn copy_content(from: &mut File, to: &mut File) -> io::Result<()> {
    let metadata = from.metadata()?;
    let length = metadata.len();
    // stat(2): blocks are of 512 bytes.
    let has_holes = metadata.blocks() * 512 < length;
    if !has_holes && length <= SMALL as u64 {
        return copy_small(from, to, length as usize);
    }
    if rustix::fs::ioctl_ficlone(&*to, &*from).is_ok() {
        return Ok(());
    }
    if has_holes {
        to.set_len(length)?;
    }
    let mut offset = 0;
    while offset < length {
        let (start, end) = match has_holes {
            true => match next_data(from, offset, length)? {
                Some(range) => range,
                None => break,
            },
            false => (0, length),
        };
        from.seek(SeekFrom::Start(start))?;
        to.seek(SeekFrom::Start(start))?;
        // std uses copy_file_range(2) and falls back to a buffer by itself.
        io::copy(&mut io::Read::take(&mut *from, end - start), to)?;
        offset = end;
    }
    Ok(())
}

fn copy_small(from: &File, to: &File, length: usize) -> io::Result<()> {
    let mut buffer = [0; SMALL];
    let mut done = 0;
    while done < length {
        match from.read_at(&mut buffer[done..length], done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    to.write_all_at(&buffer[..done], 0)
}

/// The next range of `file` from `offset` on that is not a hole (lseek(2), `SEEK_DATA` and `SEEK_HOLE`).
fn next_data(file: &File, offset: u64, length: u64) -> io::Result<Option<(u64, u64)>> {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(offset)) {
        // The file may have grown since its length was read.
        Ok(start) if start >= length => Ok(None),
        Ok(start) => {
            let end = rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(start))?;
            Ok(Some((start, end.min(length))))
        }
        Err(rustix::io::Errno::NXIO) => Ok(None),
        // The file system does not report holes, so everything counts as data.
        Err(rustix::io::Errno::INVAL) => Ok(Some((offset, length))),
        Err(error) => Err(error.into()),
    }
}

/// This crate's functions return nix's error type. Both are the same number.
fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_longer_than_a_page_is_read_to_its_end() {
        let this = concat!(env!("CARGO_MANIFEST_DIR"), "/src/fs.rs");
        assert!(include_str!("fs.rs").len() > 2 * 4096);
        assert_eq!(super::read_kernel_text(this).unwrap(), include_str!("fs.rs"));
        assert!(super::read_kernel_text("/proc/self/status").unwrap().ends_with('\n'));
    }
}
