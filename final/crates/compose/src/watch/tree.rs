//! inotify(7) on directories and on all directories below them.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::rules::Rules;
use crate::error::{Error, Result};

/// The changes of a file's content and metadata, and of the names in a directory.
const CHANGES: WatchFlags = WatchFlags::ATTRIB
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO);

/// How deep directories are followed: a cycle of bind mounts has no end.
const DEEPEST: usize = 128;

#[derive(Debug)]
pub struct Tree {
    inotify: OwnedFd,
    directories: HashMap<i32, PathBuf>,
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

impl Tree {
    /// Watches the paths of the rules. Of a path that does not exist, the nearest directory above it that does.
    pub fn watch(rules: &Rules) -> Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|errno| failed("watch files", errno, "fs.inotify.max_user_instances"))?;
        let mut tree = Self { inotify, directories: HashMap::new() };
        for path in rules.paths() {
            if path.is_dir() {
                tree.add_below(path, rules, &mut |_| {})?;
            } else {
                let above = path.ancestors().skip(1).find(|above| above.is_dir());
                above.map_or(Ok(()), |above| tree.add(above))?;
            }
        }
        Ok(tree)
    }

    fn add(&mut self, directory: &Path) -> Result<()> {
        match inotify::add_watch(&self.inotify, directory, CHANGES | WatchFlags::ONLYDIR) {
            Ok(watch) => {
                self.directories.insert(watch, directory.to_owned());
                Ok(())
            }
            // It was removed meanwhile, or belongs to somebody else.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(()),
            Err(errno) => {
                let what = format!("watch {}", directory.display());
                Err(failed(&what, errno, "fs.inotify.max_user_watches"))
            }
        }
    }

    /// Watches a directory and those below it, and gives the files. No symlink is followed.
    fn add_below(&mut self, directory: &Path, rules: &Rules, found: &mut dyn FnMut(PathBuf)) -> Result<()> {
        let mut left = vec![(directory.to_owned(), 0)];
        while let Some((directory, depth)) = left.pop() {
            if rules.may_skip(&directory) || depth > DEEPEST {
                continue;
            }
            // Before the look, so that what is made meanwhile is reported.
            self.add(&directory)?;
            each_entry(&directory, &mut |path, is_directory| {
                if is_directory {
                    left.push((path.clone(), depth + 1));
                }
                found(path);
            });
        }
        Ok(())
    }

    /// The files below a path, or the path itself if it is one.
    pub(super) fn files_below(path: &Path, rules: &Rules) -> Vec<PathBuf> {
        if !path.is_dir() {
            return vec![path.to_owned()];
        }
        let mut files = Vec::new();
        let mut left = vec![(path.to_owned(), 0)];
        while let Some((directory, depth)) = left.pop() {
            if rules.may_skip(&directory) || depth > DEEPEST {
                continue;
            }
            each_entry(&directory, &mut |path, is_directory| match is_directory {
                true => left.push((path, depth + 1)),
                false => files.push(path),
            });
        }
        files
    }

    /// The paths that have changed since the last time.
    pub fn changed(&mut self, rules: &Rules) -> Result<BTreeSet<PathBuf>> {
        let mut changed = BTreeSet::new();
        let (mut new, mut is_lost) = (Vec::new(), false);
        {
            let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
            let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
            while let Ok(event) = events.next() {
                let flags = event.events();
                is_lost |= flags.contains(ReadFlags::QUEUE_OVERFLOW);
                if flags.contains(ReadFlags::IGNORED) {
                    self.directories.remove(&event.wd());
                    continue;
                }
                let Some(directory) = self.directories.get(&event.wd()) else { continue };
                let Some(name) = event.file_name() else { continue };
                let path = directory.join(OsStr::from_bytes(name.to_bytes()));
                if flags.contains(ReadFlags::ISDIR)
                    && flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO)
                {
                    new.push(path.clone());
                }
                changed.insert(path);
            }
        }
        if is_lost {
            new.extend(rules.paths().into_iter().map(Path::to_owned));
        }
        for directory in new {
            self.add_below(&directory, rules, &mut |path| _ = changed.insert(path))?;
        }
        // Names that appear and vanish above a rule's path are not its.
        changed.retain(|path| rules.paths().iter().any(|own| path.starts_with(own)));
        Ok(changed)
    }
}

fn each_entry(directory: &Path, take: &mut dyn FnMut(PathBuf, bool)) {
    // One that was removed meanwhile has no entries.
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        take(entry.path(), is_directory);
    }
}

fn failed(what: &str, errno: Errno, limit: &str) -> Error {
    match errno {
        Errno::NOSPC | Errno::MFILE => {
            Error::Invalid(format!("cannot {what}: the limit of {limit} is reached: raise it with sysctl"))
        }
        errno => Error::Invalid(format!("cannot {what}: {errno}")),
    }
}
