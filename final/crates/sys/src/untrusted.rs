//! Reading a file that a container controls: its name, what the name leads to, and what lies there.
//!
//! A container can put anything where hull expects `/etc/passwd`: a symlink to `/proc/kmsg`, which never ends and whose
//! contents only the host's root may see, a FIFO that nobody writes to, a file of a FUSE daemon of its own that never
//! answers. Nothing else in hull opens a container's file to read it for hull's own use.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc::SIGKILL;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, StatxFlags};

use crate::process::{self, Fork};
use crate::{fs, wait};

/// Magic numbers of file systems whose files the kernel generates: linux/magic.h.
const KERNEL_FILE_SYSTEMS: &[u32] = &[
    0x0000_9fa0, // proc
    0x6265_6572, // sysfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x6265_6570, // configfs
    0x5a3c_69f0, // apparmorfs
    0xf97c_ff8c, // selinuxfs
    0x4341_5d53, // smackfs
    0xcafe_4a11, // bpf
    0x6165_676c, // pstore
    0xde5e_81e4, // efivarfs
    0x4249_4e4d, // binfmt_misc
    0x6573_5543, // fusectl
    0x6e73_6673, // nsfs
    0x5049_4446, // pidfs
    0x1980_0202, // mqueue
    0x0000_1cd1, // devpts
    0x0765_5821, // resctrl
    0x6759_6969, // rpc_pipefs
    0x6e66_7364, // nfsd
    0xabba_1974, // xenfs
    0x6c6f_6f70, // binderfs
    0x0000_9fa2, // usbdevfs
];

/// The first `most` bytes of the regular file at `path` as seen from inside `root`. Symlinks and `..` cannot leave the
/// root. What is not a regular file, or lies on a file system of the kernel's, is refused before it is opened.
///
/// A network file system or a FUSE daemon can make this block. So it is for a process that is as confined as the
/// container, and for roots that no container controls. Others use [`read_within`].
pub fn read(root: impl AsFd, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_through(root.as_fd(), path, most, ResolveFlags::empty())
}

/// Like [`read`], for a file on the same mount as `root`, which must be the file system `device`: one that hull mounted
/// from the host's layers, so that nothing inside can make this block. `EXDEV` if it is another one.
pub fn read_on_device(root: impl AsFd, device: u64, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Uses what the kernel has cached, so that a FUSE daemon that serves the container's root is not asked
    // (AT_STATX_DONT_SYNC).
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let stat = rustix::fs::statx(&root, c"", flags, StatxFlags::empty())?;
    if rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor) != device {
        return Err(io::Error::from_raw_os_error(nix::libc::EXDEV));
    }
    read_through(root.as_fd(), path, most, ResolveFlags::NO_XDEV)
}

/// Like [`read`], for each of `paths`, in a child process that is abandoned after `limit` with the error `TimedOut`. So
/// nothing that a container controls can block the caller, which must have one thread.
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
            let told = paths.iter().try_for_each(|path| {
                let (error, bytes) = match read(&root, path, most) {
                    Ok(bytes) => (0, bytes),
                    Err(error) => (error.raw_os_error().unwrap_or(nix::libc::EIO), Vec::new()),
                };
                let length = bytes.len() as u64;
                writer.write_all(&[&error.to_le_bytes()[..], &length.to_le_bytes(), &bytes].concat())
            });
            process::exit_now(i32::from(told.is_err()))
        }
        Fork::Parent { pid } => {
            drop(writer);
            let child = process::pidfd_open(pid)?;
            let answer = receive(&mut reader, limit);
            // A child that waits for a FUSE daemon ends only when that answers or dies, so it is not reaped here.
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

/// All that the child writes until it closes the pipe.
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

/// The next file of an answer: an errno or 0, its length, its bytes.
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
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || is_kernels(&found)? {
        return Err(io::Error::from_raw_os_error(nix::libc::EINVAL));
    }
    let file = reopen(&found, find)?;
    if !is_same(&stat, &rustix::fs::fstat(&file)?) {
        return Err(io::Error::from_raw_os_error(nix::libc::ESTALE));
    }
    // Files that the kernel generates mostly have a size of 0. No more than the size is read, so such a file on a file
    // system that is missing above yields nothing.
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    let mut bytes = Vec::new();
    file.take(size.min(most)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Non-blocking, because a lease that somebody inside holds on the file makes open(2) wait (fcntl(2), `F_SETLEASE`).
///
/// Where no /proc is mounted, as in a container, the name is looked up again; the caller compares what was opened.
fn reopen(found: &OwnedFd, find: impl Fn(OFlags) -> nix::Result<OwnedFd>) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match rustix::fs::open(fs::fd_path(found), flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => Ok(File::from(find(flags)?)),
        opened => Ok(File::from(opened?)),
    }
}

/// True for a file on one of the kernel's own file systems, such as proc or sysfs. Its content is generated while it is
/// read, may never end, and can tell about the host.
pub fn is_kernels(file: &OwnedFd) -> io::Result<bool> {
    let magic = rustix::fs::fstatfs(file)?.f_type as u32;
    Ok(KERNEL_FILE_SYSTEMS.contains(&magic))
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
    fn only_regular_files_that_are_data_are_read() {
        let directory = Directory::new("regular");
        let root = &directory.0;
        std::fs::write(root.join("data"), "some").unwrap();
        std::os::unix::fs::symlink("/data", root.join("link")).unwrap();
        nix::unistd::mkfifo(&root.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read_at(root, "data").unwrap(), b"some");
        assert_eq!(read_at(root, "/../link").unwrap(), b"some");
        assert_eq!(read_at(root, "fifo"), Err(Some(nix::libc::EINVAL)));
        assert_eq!(read_at(root, "absent"), Err(Some(nix::libc::ENOENT)));
        for kernels in ["proc/version", "proc/kmsg", "sys/kernel/notes"] {
            assert_eq!(read_at(Path::new("/"), kernels), Err(Some(nix::libc::EINVAL)), "{kernels}");
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
    fn a_childs_answer_is_taken_apart_whole_or_not_at_all() {
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
