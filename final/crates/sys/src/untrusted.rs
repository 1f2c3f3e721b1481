//! Reading a file that a container controls.
//!
//! A container can put any file where hull expects, say, `/etc/passwd`: a symlink to `/proc/kmsg`, which never ends and
//! whose contents only the host's root may see; a FIFO that nobody writes to; a file of a FUSE daemon that never answers.
//! hull reads files of containers for its own use only through this module.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc::SIGKILL;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, StatxFlags};

use crate::fs::magic;
use crate::process::{self, Fork};
use crate::{fs, wait};

/// Reads the first `most` bytes of the regular file at `path`, as seen from inside `root`. Symlinks and `..` cannot leave the
/// root. A file that is not regular, or is on a file system such as procfs, is refused before it is opened.
///
/// A network file system or a FUSE daemon can make this block. Use it in a process that is confined like the container, or
/// for roots that no container controls, and [`read_within`] otherwise.
pub fn read(root: impl AsFd, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_through(root.as_fd(), path, most, ResolveFlags::empty())
}

/// Like [`read`], for a file on the same mount as `root`, which must be the file system `device`. hull has mounted that file
/// system from the host's layers, so the container cannot make this block. Fails with `EXDEV` for another file system.
pub fn read_on_device(root: impl AsFd, device: u64, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // With AT_STATX_DONT_SYNC the kernel answers from its cache, and does not ask a FUSE daemon that serves the root.
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let stat = rustix::fs::statx(&root, c"", flags, StatxFlags::empty())?;
    if rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor) != device {
        return Err(io::Error::from_raw_os_error(nix::libc::EXDEV));
    }
    read_through(root.as_fd(), path, most, ResolveFlags::NO_XDEV)
}

/// Like [`read`], for each of `paths`, in a child process. After `limit` the child is abandoned and the result is the error
/// `TimedOut`, so the container cannot block the caller. The caller must have only one thread.
pub fn read_within(
    root: impl AsFd,
    paths: &[&Path],
    most: u64,
    limit: Duration,
) -> io::Result<Vec<io::Result<Vec<u8>>>> {
    let (mut reader, mut writer) = io::pipe()?;
    match process::fork()? {
        Fork::Child => {
            drop(reader);
            let sent = paths.iter().try_for_each(|path| {
                let (error, bytes) = match read(&root, path, most) {
                    Ok(bytes) => (0, bytes),
                    Err(error) => (error.raw_os_error().unwrap_or(nix::libc::EIO), Vec::new()),
                };
                let length = bytes.len() as u64;
                writer.write_all(&[&error.to_le_bytes()[..], &length.to_le_bytes(), &bytes].concat())
            });
            process::exit_now(i32::from(sent.is_err()))
        }
        Fork::Parent { pid } => {
            drop(writer);
            let child = process::pidfd_open(pid)?;
            let answer = receive(&mut reader, limit);
            // A child that waits for a FUSE daemon ends only when the daemon answers or dies, so after a timeout it is not
            // reaped.
            process::pidfd_send_signal(child.as_fd(), SIGKILL)?;
            if !matches!(&answer, Err(error) if error.kind() == io::ErrorKind::TimedOut) {
                process::reap(child.as_fd())?;
            }
            let answer = answer?;
            let files = paths.iter().scan(&answer[..], |rest, _| take_file(rest));
            let files: Vec<_> = files.collect();
            match files.len() == paths.len() {
                true => Ok(files),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

/// Reads until the child closes the pipe.
fn receive(reader: &mut io::PipeReader, limit: Duration) -> io::Result<Vec<u8>> {
    let end = Instant::now() + limit;
    let mut answer = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if !wait::until_readable(&*reader, Some(left))? {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the container's file system does not answer",
            ));
        }
        match reader.read(&mut piece)? {
            0 => return Ok(answer),
            length => answer.extend_from_slice(&piece[..length]),
        }
    }
}

/// Takes the next file from an answer: an errno or 0, the length, the bytes.
fn take_file(answer: &mut &[u8]) -> Option<io::Result<Vec<u8>>> {
    let (error, rest) = answer.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (bytes, rest) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
    *answer = rest;
    Some(match i32::from_le_bytes(*error) {
        0 => Ok(bytes.to_vec()),
        error => Err(io::Error::from_raw_os_error(error)),
    })
}

fn read_through(root: BorrowedFd<'_>, path: &Path, most: u64, resolve: ResolveFlags) -> io::Result<Vec<u8>> {
    let resolve = resolve | ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let find = |flags| fs::openat2(root, path, flags, Mode::empty(), resolve);
    let found = find(OFlags::PATH)?;
    let stat = rustix::fs::fstat(&found)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || magic::is_generated(&found)? {
        return Err(io::Error::from_raw_os_error(nix::libc::EINVAL));
    }
    let file = reopen(&found, find)?;
    if !is_same(&stat, &rustix::fs::fstat(&file)?) {
        return Err(io::Error::from_raw_os_error(nix::libc::ESTALE));
    }
    // Most files that the kernel generates have a size of 0. At most that size is read, so a generated file on a file system
    // that is missing in the list yields nothing.
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    let mut bytes = Vec::new();
    file.take(size.min(most)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens the file for reading. Non-blocking, because open(2) waits if a process in the container holds a lease on the file
/// (fcntl(2), `F_SETLEASE`).
///
/// Without a mounted /proc, as in a container, the name is looked up again, and the caller compares the files.
fn reopen(found: &OwnedFd, find: impl Fn(OFlags) -> nix::Result<OwnedFd>) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match rustix::fs::open(fs::fd_path(found), flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => Ok(File::from(find(flags)?)),
        opened => Ok(File::from(opened?)),
    }
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A directory of the test's own, removed at its end.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("hull-sys-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn read_at(root: &Path, path: &str) -> Result<Vec<u8>, Option<i32>> {
        let root = File::open(root).unwrap();
        read(&root, Path::new(path), 4096).map_err(|error| error.raw_os_error())
    }

    #[test]
    fn only_regular_files_with_stored_content_are_read() {
        let directory = Directory::new("regular");
        let root = &directory.0;
        std::fs::write(root.join("data"), "some").unwrap();
        std::os::unix::fs::symlink("/data", root.join("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(read_at(root, "data").unwrap(), b"some");
        assert_eq!(read_at(root, "/../link").unwrap(), b"some");
        assert_eq!(read_at(root, "fifo"), Err(Some(nix::libc::EINVAL)));
        assert_eq!(read_at(root, "absent"), Err(Some(nix::libc::ENOENT)));
        for generated in ["proc/version", "proc/kmsg", "sys/kernel/notes"] {
            assert_eq!(read_at(Path::new("/"), generated), Err(Some(nix::libc::EINVAL)), "{generated}");
        }
    }

    #[test]
    fn no_more_than_asked_is_read_and_only_on_the_device_that_is_named() {
        let directory = Directory::new("bounded");
        std::fs::write(directory.0.join("long"), [b'x'; 100]).unwrap();
        let root = File::open(&directory.0).unwrap();
        let device = rustix::fs::fstat(&root).unwrap().st_dev;
        let path = Path::new("long");
        assert_eq!(read(&root, path, 10).unwrap().len(), 10);
        assert_eq!(read_on_device(&root, device, path, 10).unwrap().len(), 10);
        assert!(read_on_device(&root, device + 1, path, 10).is_err());
    }

    #[test]
    fn an_incomplete_answer_of_the_child_is_refused() {
        let file = |error: i32, bytes: &[u8]| {
            [&error.to_le_bytes()[..], &(bytes.len() as u64).to_le_bytes(), bytes].concat()
        };
        let answer = [file(0, b"one"), file(nix::libc::ENOENT, b"")].concat();
        let mut rest = &answer[..];
        assert_eq!(take_file(&mut rest).unwrap().unwrap(), b"one");
        assert!(take_file(&mut rest).unwrap().is_err() && rest.is_empty());
        assert!(take_file(&mut &answer[..13]).is_none());
    }
}
