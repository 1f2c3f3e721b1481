//! Small files that are always whole: each is written under a temporary name and then renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, IoContext, Result};

/// The beginning of a temporary name; the pid of the writer follows.
const TEMPORARY: &str = ".tmp-";

/// Replaces `path` by `content`. A reader sees either the old file or the new one, and a killed writer leaves the old
/// one.
///
/// Nothing is flushed to the disk, because that takes milliseconds and matters only after a power failure.
pub fn write_atomic(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    write_atomic_in_parts(path, &[content], mode)
}

/// [`write_atomic`] of parts that follow each other.
pub fn write_atomic_in_parts(path: &Path, parts: &[&[u8]], mode: u32) -> Result<()> {
    replace(path, parts, mode).context(|| format!("write {}", path.display()))
}

/// [`write_atomic`] of a value as JSON. It is indented because people read these files, and has mode 0600 because other
/// users must not.
pub fn write_json_atomic<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    write_atomic(path, &to_json(path, value)?, 0o600)
}

/// Reads a JSON file. Returns `None` if there is none. An error names the file if its content is not what it should be.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    parse_json(path, read(path))
}

/// [`read_json`] of a file in an open directory, which spares the kernel the way to it. `path` is for errors.
pub fn read_json_in<T: DeserializeOwned>(directory: impl AsFd, name: &str, path: &Path) -> Result<Option<T>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(directory, name, flags, Mode::empty()).map_err(io::Error::from);
    parse_json(path, opened.and_then(|file| read_whole(File::from(file))))
}

fn parse_json<T: DeserializeOwned>(path: &Path, read: io::Result<Vec<u8>>) -> Result<Option<T>> {
    match read {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| Error::Damaged { path: path.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context(|| format!("read {}", path.display())),
    }
}

/// Opens a file for reading without ever blocking. A FIFO that has the file's name reads as empty. Otherwise open(2)
/// would wait for a writer, and one FIFO would block every command that lists all objects.
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// Reads a whole file, a small one with one read(2). `std::fs::read` asks for the size first and reads once more to see
/// the end, which shows when a listing reads some hundred files.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_whole(open(path)?)
}

fn read_whole(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 8192];
    let length = file.read(&mut bytes)?;
    bytes.truncate(length);
    if length == 8192 {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Creates `path` with `value` as its content. Returns `false` if the name exists. The name never appears without its
/// content.
pub fn create_json<T: Serialize>(path: &Path, value: &T) -> Result<bool> {
    let bytes = to_json(path, value)?;
    let context = || format!("create {}", path.display());
    // link(2) fails if the name exists; rename(2) would replace the file.
    let linked = match write_nameless(path, &bytes).context(context)? {
        Some(file) => hull_sys::fs::link_open_file(&file, CWD, path).map_err(io::Error::from),
        None => {
            let temporary = write_beside(path, &[&bytes], 0o600).context(context)?;
            let linked = fs::hard_link(&temporary, path);
            let _ = fs::remove_file(&temporary);
            linked
        }
    };
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).context(context),
    }
}

/// Writes a file without a name. Returns `None` if the file system does not support that.
fn write_nameless(path: &Path, content: &[u8]) -> io::Result<Option<File>> {
    let Some(mut file) = nameless(CWD, path.parent().unwrap_or(Path::new("/")), 0o600)? else {
        return Ok(None);
    };
    file.write_all(content)?;
    Ok(Some(file))
}

/// Opens a new file without a name in a directory. A killed writer leaves nothing of it. Returns `None` if the file
/// system does not support that (open(2), `O_TMPFILE`).
pub fn nameless(at: impl AsFd, directory: &Path, mode: u32) -> io::Result<Option<File>> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(at, directory, flags, Mode::from_raw_mode(mode)) {
        Ok(file) => Ok(Some(File::from(file))),
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes the temporary files of killed writers from a directory.
pub fn collect(dir: &Path) -> Result<()> {
    for name in crate::directory::names_in(dir)? {
        let writer = name.strip_prefix(TEMPORARY).and_then(|tag| tag.split_once('-')?.0.parse::<u32>().ok());
        if writer.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            remove(&dir.join(name))?;
        }
    }
    Ok(())
}

/// Removes a file. A missing file is not an error.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn to_json<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| Error::Damaged { path: path.to_owned(), source })?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn replace(path: &Path, parts: &[&[u8]], mode: u32) -> io::Result<()> {
    let temporary = write_beside(path, parts, mode)?;
    fs::rename(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Writes a temporary file next to `path` and returns its path. Its name does not contain that of `path`, which may be
/// as long as a file name can be.
fn write_beside(path: &Path, parts: &[&[u8]], mode: u32) -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_file_name(format!("{TEMPORARY}{}-{count}", std::process::id()));
    let create = || OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary);
    let mut file = match create() {
        // An earlier process with the same pid left it behind. No living process uses the name.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(&temporary)?;
            create()?
        }
        created => created?,
    };
    let written = parts.iter().try_for_each(|part| file.write_all(part));
    written.inspect_err(|_| drop(fs::remove_file(&temporary)))?;
    Ok(temporary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_no_temporary_behind() {
        let scratch = Scratch::new();
        let path = scratch.path().join("record.json");
        write_json_atomic(&path, &vec![1, 2]).unwrap();
        write_json_atomic(&path, &vec![3]).unwrap();
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), Some(vec![3]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_an_earlier_process_with_our_pid_left_is_not_in_the_way() {
        let scratch = Scratch::new();
        for count in 0..1000 {
            let left = format!("{TEMPORARY}{}-{count}", std::process::id());
            fs::write(scratch.path().join(left), "half").unwrap();
        }
        let path = scratch.path().join("record.json");
        write_json_atomic(&path, &1).unwrap();
        assert_eq!(read_json::<u8>(&path).unwrap(), Some(1));
    }

    #[test]
    fn a_missing_file_is_none_and_a_damaged_one_is_named() {
        let scratch = Scratch::new();
        let path = scratch.path().join("record.json");
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), None);
        fs::write(&path, "{").unwrap();
        let error = read_json::<Vec<u8>>(&path).unwrap_err().to_string();
        assert!(error.contains("record.json is damaged"), "{error}");
    }

    #[test]
    fn a_fifo_in_the_place_of_a_file_keeps_no_reader_waiting() {
        let scratch = Scratch::new();
        let path = scratch.path().join("record.json");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let error = read_json::<Vec<u8>>(&path).unwrap_err().to_string();
        assert!(error.contains("record.json is damaged"), "{error}");
    }

    #[test]
    fn only_one_of_two_creators_gets_the_name() {
        let scratch = Scratch::new();
        let path = scratch.path().join("x".repeat(255));
        assert!(create_json(&path, &1).unwrap());
        assert!(!create_json(&path, &2).unwrap());
        assert_eq!(read_json::<u8>(&path).unwrap(), Some(1));
    }

    #[test]
    fn what_a_killed_writer_left_is_collected_and_nothing_else() {
        let scratch = Scratch::new();
        let path = |name: &str| scratch.path().join(name);
        let own = format!(".tmp-{}-7", std::process::id());
        // Pids end below 2^22 (proc(5), pid_max).
        for name in [".tmp-4194305-0", own.as_str(), "record.json"] {
            fs::write(path(name), "").unwrap();
        }
        collect(scratch.path()).unwrap();
        assert!(!path(".tmp-4194305-0").exists() && path(&own).exists() && path("record.json").exists());
    }

    #[test]
    fn a_failed_write_leaves_the_directory_as_it_was() {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path().join("target")).unwrap();
        assert!(write_atomic(&scratch.path().join("target"), b"x", 0o600).is_err());
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    }
}
