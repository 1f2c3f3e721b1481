//! LXD's `file`: `push`, `pull` and `delete`.
//!
//! Owners are the ids that the container sees. A pushed file keeps the numbers of its owner, so a file of the host's
//! root belongs to the container's root afterwards. A pulled file belongs to the caller, as with `cp`.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hull_storage::tree::Replace;
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec};

use super::entry::{Content, Entry, Kind, Sink};
use super::extractor::{Extractor, Owner, Privileges, Rules};
use super::path::{Found, Split};
use super::view::{Destination, Source, View, kind};
use super::{CopyOptions, CopyTarget, copy_out, invalid, tree};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};

/// The source of a push.
pub enum PushSource<'a> {
    Host(&'a Path),
    /// An open file or pipe. The pushed file gets its owner and mode.
    Stream(&'a File),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushOptions {
    /// `-r`: directories with all that is in them.
    pub recursive: bool,
    /// `-p`: make the directories that are missing.
    pub create_parents: bool,
    /// The mode, owner and group, instead of those of the source.
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Pushes only the content. The file exists, and keeps its owner, mode and attributes.
    pub content_only: bool,
}

/// The target of a pull.
pub enum PullTarget<'a> {
    Host(&'a Path),
    /// The content of the files, one after the other.
    Stream(&'a mut dyn io::Write),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PullOptions {
    /// `-r`: directories with all that is in them.
    pub recursive: bool,
    /// `-p`: make the directories that are missing.
    pub create_parents: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// `-r`: directories with all that is in them.
    pub recursive: bool,
    /// `-f`: like `-r`, and a missing file is no error.
    pub force: bool,
}

/// The most that is read of a file that the kernel generates. Such a file may have no end.
const MOST_GENERATED: u64 = 64 << 20;

impl Engine {
    /// Copies files into a container.
    ///
    /// For a stopped container the calling process enters a new mount namespace and stays in it, so it should end
    /// afterwards. This is true of all functions in this file.
    pub fn push_files(
        &self,
        sources: &[PushSource<'_>],
        name: &str,
        path: &Path,
        options: PushOptions,
    ) -> Result<()> {
        let of_one_file = [options.mode, options.uid, options.gid];
        if options.recursive && of_one_file.iter().any(Option::is_some) {
            let text = "mode, uid and gid are given for single files only: with -r the files keep those that they have";
            return Err(Error::Unsupported(text.into()));
        }
        self.in_container(name, path, Some("extract-to-dir"), |view, path| {
            view.as_creator(|| push(view, sources, path, options))
        })
    }

    /// Copies files out of a container.
    pub fn pull_files(
        &self,
        name: &str,
        paths: &[PathBuf],
        mut to: PullTarget<'_>,
        options: PullOptions,
    ) -> Result<()> {
        let first = paths.first().map_or(Path::new(""), PathBuf::as_path);
        self.in_container(name, first, Some("archive-path"), |view, _| {
            paths.iter().try_for_each(|path| match &mut to {
                PullTarget::Host(to) => pull(view, path, to, paths.len() > 1, options),
                PullTarget::Stream(to) => stream(view, path, &mut **to),
            })
        })
    }

    /// Removes files of a container.
    pub fn delete_files(&self, name: &str, paths: &[PathBuf], options: DeleteOptions) -> Result<()> {
        let first = paths.first().map_or(Path::new(""), PathBuf::as_path);
        self.in_container(name, first, Some("delete-path"), |view, _| {
            view.as_creator(|| paths.iter().try_for_each(|path| delete(view, path, options)))
        })
    }
}

fn push(view: &View, sources: &[PushSource<'_>], path: &Path, options: PushOptions) -> Result<()> {
    let split = Split::of(path);
    let into_directory = sources.len() > 1 || split.asserts_directory || options.recursive;
    if options.create_parents {
        let directory = if into_directory { path } else { &split.parent };
        view.make_directories(directory, (options.uid.unwrap_or(0), options.gid.unwrap_or(0)))?;
    }
    for source in sources {
        let no_directory =
            || invalid(&format!("destination {}", view.shown(path)), "no such directory: -p makes it");
        let at = match view.destination(path) {
            Err(error) if is_missing(&error) => return Err(no_directory()),
            at => at?,
        };
        if into_directory && at.found != Found::Directory {
            return Err(no_directory());
        }
        match source {
            PushSource::Host(from) if options.recursive => push_tree(view, from, at)?,
            PushSource::Host(from) => {
                let file = open_here(from)?;
                push_file(view, &file, Split::of(from).name.as_deref(), at, options)
                    .map_err(|error| named(error, from))?;
            }
            PushSource::Stream(file) => push_file(view, file, None, at, options)?,
        }
    }
    Ok(())
}

/// Opens a source on the host. Opening a named pipe waits for a writer, as in any other program.
fn open_here(path: &Path) -> Result<File> {
    let context = || format!("open {}", path.display());
    let file = File::open(path).context(context)?;
    match file.metadata().context(context)?.is_dir() {
        true => {
            Err(invalid(&format!("source {}", path.display()), "it is a directory: -r copies directories"))
        }
        false => Ok(file),
    }
}

fn named(error: Error, path: &Path) -> Error {
    match error {
        Error::Io { action, source } => {
            Error::Io { action: format!("push {}: {action}", path.display()), source }
        }
        error => error,
    }
}

fn push_file(
    view: &View,
    file: &File,
    name: Option<&std::ffi::OsStr>,
    at: Destination,
    options: PushOptions,
) -> Result<()> {
    let name = match at.found {
        Found::Directory => name,
        Found::File | Found::Nothing => at.split.name.as_deref(),
    };
    let name = name.ok_or_else(|| {
        invalid(&format!("destination {}", at.shown), "it is a directory, and what is pushed has no name")
    })?;
    let found = file.metadata().context(|| "look at what is pushed".into())?;
    if at.found == Found::File && view.is_running && overwrite(&at, name, file)? {
        return Ok(());
    }
    let is_file = found.is_file();
    let of_source = Entry {
        path: name.into(),
        kind: Kind::File { size: found.len() },
        uid: options.uid.unwrap_or(found.uid()),
        gid: options.gid.unwrap_or(found.gid()),
        mode: options.mode.unwrap_or(found.mode() & 0o777),
        modified: if is_file { modified(&found) } else { now() },
        attributes: vec![],
    };
    let entry = match options.content_only {
        true => Entry { modified: now(), kind: of_source.kind, ..present(view, &at, name)? },
        false => of_source,
    };
    let rules = Rules {
        owner: Owner::Keep,
        privileges: Privileges::WithAcls,
        existing_directories: false,
        through_symlinks: false,
        replaces: Replace::Files,
    };
    let mut extractor = Extractor::new(at.directory, &at.shown, rules)?.with_ids(view.ids.clone());
    let mut from = file;
    // The size of a file in /proc, of a pipe and of a device is 0 and says nothing about its content.
    match is_file && found.len() > 0 && !found.file_type().is_char_device() {
        true => {
            let mut copy = file.try_clone().context(|| "duplicate a descriptor".into())?;
            extractor.put(&entry, Content::File(&mut copy))
        }
        false => extractor.put_stream(&entry, &mut from),
    }
}

/// Writes into a file that is a mount point, such as /etc/hosts, because the kernel does not let it be replaced. Its
/// owner and mode stay. Returns false for any other file.
fn overwrite(at: &Destination, name: &std::ffi::OsStr, mut from: &File) -> Result<bool> {
    let context = || format!("write {}", at.shown);
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = rustix::fs::openat(&at.directory, name, flags, Mode::empty()).context(context)?;
    let stat = rustix::fs::fstat(&held).context(context)?;
    if kind(&stat) != FileType::RegularFile || !tree::is_mount_point(&held) {
        return Ok(false);
    }
    // Opened by the link of the descriptor in /proc: the name may lead to another file by now.
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::CLOEXEC;
    let opened = rustix::fs::open(hull_sys::fs::fd_path(&held), flags, Mode::empty()).context(context)?;
    io::copy(&mut from, &mut File::from(opened)).context(context)?;
    Ok(true)
}

/// The metadata of the existing file, as the entry that replaces it.
fn present(view: &View, at: &Destination, name: &std::ffi::OsStr) -> Result<Entry> {
    let context = || format!("look at {}", at.shown);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&at.directory, name, flags, Mode::empty()).context(context)?;
    let stat = rustix::fs::fstat(&file).context(context)?;
    let (uid, gid) = view.ids.inside(stat.st_uid, stat.st_gid);
    Ok(Entry {
        path: name.into(),
        kind: Kind::File { size: 0 },
        uid,
        gid,
        mode: stat.st_mode & 0o7777,
        modified: now(),
        attributes: view.ids.attributes_inside(hull_sys::fs::xattrs(&file).context(context)?),
    })
}

/// Pushes a directory with all that is in it. Set-ID bits are dropped, as in LXD: the owner of the source did not grant
/// them to the container's users.
fn push_tree(view: &View, from: &Path, at: Destination) -> Result<()> {
    let source = View::host()?.source(from, false)?;
    let name = match &source.split.name {
        Some(name) if !source.split.contents => PathBuf::from(name),
        _ => PathBuf::new(),
    };
    let rules = Rules {
        owner: Owner::Keep,
        privileges: Privileges::Dropped,
        existing_directories: false,
        through_symlinks: false,
        replaces: Replace::Files,
    };
    let mut extractor = Extractor::new(at.directory, &at.shown, rules)?.with_ids(view.ids.clone());
    tree::send(&source, &name, tree::Scope::Everything, &mut extractor)?;
    extractor.finish()
}

fn pull(view: &View, path: &Path, to: &Path, several: bool, options: PullOptions) -> Result<()> {
    if !options.recursive
        && let Some(file) = view.generated(path)?
    {
        return pull_generated(view, path, &file, (to, several, options));
    }
    let source = pulled(view, path, !options.recursive)?;
    if source.is_directory && !options.recursive {
        return Err(invalid(&format!("source {}", source.shown), "it is a directory: -r copies directories"));
    }
    let split = Split::of(to);
    if several || split.asserts_directory || source.is_directory {
        make_here(to)?;
    } else if options.create_parents {
        make_here(&split.parent)?;
    }
    let follow_link = !options.recursive;
    copy_out(view, path, CopyTarget::Host(to), CopyOptions { archive: false, follow_link })
}

/// Pulls a file that the kernel generates while it is read. The copy has its content at this moment.
fn pull_generated(
    view: &View,
    path: &Path,
    file: &File,
    (to, several, options): (&Path, bool, PullOptions),
) -> Result<()> {
    let stat = rustix::fs::fstat(file).context(|| format!("look at {}", view.shown(path)))?;
    let content = read_generated(file, &view.shown(path))?;
    let split = Split::of(to);
    if several || split.asserts_directory {
        make_here(to)?;
    } else if options.create_parents {
        make_here(&split.parent)?;
    }
    let at = View::host()?.destination(to)?;
    let name = if at.found == Found::Directory { Split::of(path).name } else { at.split.name };
    let name = name.ok_or_else(|| invalid(&format!("destination {}", at.shown), "it has no name"))?;
    let entry = Entry {
        path: name.into(),
        kind: Kind::File { size: content.len() as u64 },
        uid: 0,
        gid: 0,
        mode: stat.st_mode & 0o777,
        modified: now(),
        attributes: vec![],
    };
    let owner = Owner::Set(rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let rules = Rules {
        owner,
        privileges: Privileges::Dropped,
        existing_directories: false,
        through_symlinks: false,
        replaces: Replace::Files,
    };
    Extractor::new(at.directory, &at.shown, rules)?.put(&entry, Content::Stream(&mut content.as_slice()))
}

fn read_generated(mut file: &File, shown: &str) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = io::Read::read_to_end(&mut io::Read::take(&mut file, MOST_GENERATED + 1), &mut content);
    read.context(|| format!("read {shown}"))?;
    match content.len() as u64 > MOST_GENERATED {
        true => Err(invalid(&format!("source {shown}"), "the kernel makes more than 64 MiB of it")),
        false => Ok(content),
    }
}

fn make_here(directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory).context(|| format!("create {}", directory.display()))
}

fn pulled(view: &View, path: &Path, follow_link: bool) -> Result<Source> {
    view.source(path, follow_link)
}

fn stream(view: &View, path: &Path, to: &mut dyn io::Write) -> Result<()> {
    if let Some(file) = view.generated(path)? {
        let content = read_generated(&file, &view.shown(path))?;
        return match to.write_all(&content) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.context(|| "write the content".into()),
        };
    }
    let source = pulled(view, path, true)?;
    let context = || format!("read {}", source.shown);
    let stat = rustix::fs::fstat(&source.fd).context(context)?;
    if kind(&stat) != FileType::RegularFile {
        return Err(invalid(&format!("source {}", source.shown), "only a regular file has content to print"));
    }
    // Opened by the link of the descriptor in /proc: the name may lead to another file by now.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(hull_sys::fs::fd_path(&source.fd), flags, Mode::empty());
    let mut file = File::from(opened.context(context)?);
    match io::copy(&mut file, to) {
        // The reader of the pipe has closed it, and needs no more.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        copied => copied.map(drop).context(context),
    }
}

fn delete(view: &View, path: &Path, options: DeleteOptions) -> Result<()> {
    let shown = view.shown(path);
    let split = Split::of(path);
    let Some(name) = &split.name else {
        return Err(invalid(&format!("path {shown}"), "it names no entry of a directory"));
    };
    let parent = match view.directory(&split.parent) {
        Err(error) if options.force && is_missing(&error) => return Ok(()),
        parent => parent?,
    };
    let context = || format!("delete {shown}");
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = match rustix::fs::openat(&parent, name, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) if options.force => return Ok(()),
        held => held.context(context)?,
    };
    // The mounts are in the container's mount namespace. From here the kernel would delete the entry and unmount them
    // inside.
    if tree::is_mount_point(&held) {
        return Err(invalid(&format!("path {shown}"), "something is mounted there, so it cannot be deleted"));
    }
    if let Some(below) = view.mounted_below(&held)? {
        let why = format!("something is mounted at {} in it, so nothing of it was deleted", below.display());
        return Err(invalid(&format!("path {shown}"), &why));
    }
    let is_directory = kind(&rustix::fs::fstat(&held).context(context)?) == FileType::Directory;
    if is_directory && (options.recursive || options.force) {
        let top = Path::new(&hull_sys::fs::fd_path(&parent)).join(name);
        return hull_storage::tree::remove_tree(&top).map_err(io::Error::other).context(context);
    }
    let flags = if is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    match rustix::fs::unlinkat(&parent, name, flags) {
        Err(rustix::io::Errno::NOTEMPTY) => {
            Err(invalid(&format!("path {shown}"), "the directory is not empty: -r deletes what is in it"))
        }
        deleted => deleted.context(context),
    }
}

/// Whether a part of a path does not exist.
fn is_missing(error: &Error) -> bool {
    match error {
        Error::Io { source, .. } => {
            matches!(source.raw_os_error().map(Errno::from_raw), Some(Errno::ENOENT | Errno::ENOTDIR))
        }
        _ => false,
    }
}

fn modified(found: &std::fs::Metadata) -> Timespec {
    Timespec { tv_sec: found.mtime(), tv_nsec: found.mtime_nsec() }
}

fn now() -> Timespec {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timespec {
        tv_sec: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(now.subsec_nanos()),
    }
}
