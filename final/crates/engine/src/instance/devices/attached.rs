//! Finding the mounts of a device in a running container, whatever the container has done with them.
//!
//! The container's root can rename a directory above a mount, and can bind-mount the mount elsewhere. So the mounts are
//! not looked for at the device's path. They are found in mountinfo (proc(5)), which lists each mount of a namespace
//! with its present path and with the file system and the directory that it shows. Mount namespaces that the container
//! itself has made are not searched.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use hull_storage::process_id::ProcessId;
use hull_sys::mountinfo::{self, Mounted};
use rustix::fs::{CWD, Mode, OFlags};

use super::identity::{Identity, identity_of};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::record::{MountRecord, Record};
use crate::rootfs::{nodes, sources};

/// The number of attempts. The container may move a mount after mountinfo was read and before the path in it is opened.
const ROUNDS: usize = 50;

/// What a mount of a device shows.
#[derive(Debug)]
enum Source {
    /// A file or directory of a file system.
    File { device: String, root: PathBuf },
    /// A device node, in the small file system that each start makes for nodes. Its device number differs from start to
    /// start.
    Node { root: PathBuf, numbers: Option<u64> },
}

/// A search for the mounts of a device. It is made before the container's mount namespace is entered, because it needs
/// the host's files.
pub(super) struct Search<'a> {
    mount: &'a MountRecord,
    source: Source,
    is_source_there: bool,
    /// The container's other bind mounts, which may show the same files and are kept.
    others: Vec<(PathBuf, Source)>,
    /// The directory of the calling process, on the host's procfs.
    process: OwnedFd,
    /// The root of the container's first process, and that of the mount namespace. They may differ, and mountinfo has
    /// only the mounts below the root of its process.
    views: Vec<View>,
}

struct View {
    root: OwnedFd,
    table: File,
}

/// A mount, and a descriptor of its root, or the error if its path does not lead there.
type Found = (Mounted, Result<OwnedFd>);

impl<'a> Search<'a> {
    pub(super) fn new(
        engine: &Engine,
        record: &Record,
        mount: &'a MountRecord,
        init: &ProcessId,
    ) -> Result<Self> {
        let table =
            mountinfo::parse(&std::fs::read("/proc/self/mountinfo").context(|| "read the mounts".into())?);
        let source = match &mount.extras.node {
            Some(node) => {
                let name = sources::node_path(engine, record, mount);
                let root = Path::new("/").join(name.file_name().unwrap_or_default());
                let numbers = nodes::numbers(mount, node).ok().flatten();
                Source::Node {
                    root,
                    numbers: numbers.map(|(major, minor)| rustix::fs::makedev(major, minor)),
                }
            }
            None => of_mount(&table, mount)?,
        };
        let mut others = Vec::new();
        for (destination, source) in crate::spec::binds(engine, record)? {
            if destination != mount.destination
                && let Ok(source) = of_file(&table, &source)
            {
                others.push((destination, source));
            }
        }
        // Two devices may show the file system of one block device, which only their monitor sees at a path.
        for other in record.mounts.iter().filter(|other| other.extras.block.is_some()) {
            if other.destination != mount.destination {
                others.push((other.destination.clone(), of_mount(&table, other)?));
            }
        }
        let of_init = PathBuf::from(format!("/proc/{}", init.pid));
        Ok(Self {
            mount,
            source,
            is_source_there: match mount.extras.node.is_some() {
                true => true,
                // Some sources were mounted by the monitor for this run, and only the monitor sees them.
                false => !mount.extras.need_source() && mount.source.exists(),
            },
            others,
            process: directory(Path::new("/proc/self"))?,
            views: vec![View {
                root: directory(&of_init.join("root"))?,
                table: File::open(of_init.join("mountinfo"))
                    .context(|| "read the container's mounts".into())?,
            }],
        })
    }

    /// Adds the view of the container's mount namespace. The caller has entered it, and calls this once.
    pub(super) fn begin(&mut self) -> Result<()> {
        let context = || "read the container's mounts".to_owned();
        let table = rustix::fs::openat(&self.process, "mountinfo", OFlags::CLOEXEC, Mode::empty())
            .context(context)?;
        self.views.push(View { root: directory(Path::new("/"))?, table: table.into() });
        Ok(())
    }

    /// Fails if a mount of the device could not be removed.
    pub(super) fn check(&mut self) -> Result<()> {
        let mut last = None;
        for _ in 0..ROUNDS {
            let found = self.round()?;
            if found.is_empty() {
                return self.check_place();
            }
            match found.into_iter().find_map(|(_, held)| held.err()) {
                None => return Ok(()),
                error => last = error,
            }
        }
        last.map_or(Ok(()), Err)
    }

    /// Removes all mounts of the device.
    pub(super) fn detach(&mut self) -> Result<()> {
        let own = rustix::fs::openat(&self.process, "fd", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .context(|| "open /proc".into())?;
        let (mut last, mut has_found) = (None, false);
        for _ in 0..ROUNDS {
            let found = self.round()?;
            if found.is_empty() {
                return if has_found { Ok(()) } else { self.check_place() };
            }
            has_found = true;
            for (mounted, held) in found {
                match held {
                    Ok(held) => hull_runtime::detach_mount(&held, &mounted.at, &own)?,
                    Err(error) => last = Some(error),
                }
            }
        }
        let left = self.round()?;
        match (left.is_empty(), last) {
            (true, _) => Ok(()),
            (false, Some(error)) => Err(error),
            // Each round has removed all that it found.
            (false, None) => Err(self.still_attached(&left)),
        }
    }

    fn still_attached(&self, left: &[Found]) -> Error {
        let places: Vec<String> = left.iter().map(|(mounted, _)| mounted.at.display().to_string()).collect();
        let device = self.mount.extras.device.as_deref().unwrap_or_default();
        Error::Invalid {
            what: format!("removal of device {device}"),
            why: format!("the container keeps mounting it elsewhere: it is still at {}", places.join(", ")),
        }
    }

    /// Called when no mount of the device was found. Then nothing else may be mounted at its place, because that would
    /// be taken for the device.
    fn check_place(&self) -> Result<()> {
        let is_mount = |view: &View| hull_runtime::mount_of(&view.root, &self.mount.destination).is_some();
        match self.views.iter().any(is_mount) {
            true => Err(hull_runtime::covered(&self.mount.destination).into()),
            false => Ok(()),
        }
    }

    /// The mounts of the device at this moment.
    fn round(&mut self) -> Result<Vec<Found>> {
        let mut all: Vec<Found> = Vec::new();
        for view in &mut self.views {
            let table = view.read()?;
            let mut kept = Vec::new();
            for (destination, source) in &self.others {
                let id = hull_runtime::mount_of(&view.root, destination);
                kept.extend(
                    table.iter().filter(|one| Some(one.id) == id && source.is_root_of(one)).map(|one| one.id),
                );
            }
            // The container's root may be a part of the file system that the device shows.
            let root = hull_runtime::mount_of(&view.root, Path::new("/"));
            let is_root = |one: &&Mounted| Some(one.id) == root && !self.source.is_root_of(one);
            kept.extend(table.iter().filter(is_root).map(|one| one.id));
            // If the source is gone, its mount cannot be recognized. Then the mount at the device's place counts.
            let in_its_place = match self.is_source_there {
                true => None,
                false => hull_runtime::mount_of(&view.root, &self.mount.destination),
            };
            for one in table {
                let is_its = self.source.holds(&one) || Some(one.id) == in_its_place;
                if !is_its || kept.contains(&one.id) {
                    continue;
                }
                let held = hull_runtime::open_mount(&view.root, &one).map_err(Error::from);
                if held.as_ref().is_ok_and(|held| !self.source.is_node(held)) {
                    continue;
                }
                match all.iter_mut().find(|(known, _)| known.id == one.id) {
                    Some((_, known)) if known.is_err() => *known = held,
                    Some(_) => {}
                    None => all.push((one, held)),
                }
            }
        }
        Ok(all)
    }
}

impl View {
    fn read(&mut self) -> Result<Vec<Mounted>> {
        let mut text = Vec::new();
        // The kernel writes the list anew for a reader that begins again.
        self.table
            .rewind()
            .and_then(|()| self.table.read_to_end(&mut text))
            .context(|| "read the container's mounts".into())?;
        Ok(mountinfo::parse(&text))
    }
}

impl Source {
    /// Whether a mount shows the source or a part of it.
    fn holds(&self, mounted: &Mounted) -> bool {
        match self {
            Self::File { device, root } => {
                mounted.device == *device && plain(&mounted.root).starts_with(root)
            }
            Self::Node { root, .. } => mounted.kind == "tmpfs" && plain(&mounted.root) == *root,
        }
    }

    fn is_root_of(&self, mounted: &Mounted) -> bool {
        matches!(self, Self::File { root, .. } if plain(&mounted.root) == *root) && self.holds(mounted)
    }

    /// Whether the file is the node. A source that is no node is not checked.
    fn is_node(&self, file: &OwnedFd) -> bool {
        match (self, identity_of(file)) {
            (Self::File { .. }, _) => true,
            (Self::Node { numbers: Some(numbers), .. }, Ok(found)) => found == Identity::Node(*numbers),
            (Self::Node { numbers: None, .. }, Ok(found)) => matches!(found, Identity::Node(_)),
            (_, Err(_)) => false,
        }
    }
}

/// The path without `//deleted`, which mountinfo appends to that of a removed file.
fn plain(root: &Path) -> PathBuf {
    match root.to_str().and_then(|text| text.strip_suffix("//deleted")) {
        Some(text) => PathBuf::from(text),
        None => root.to_owned(),
    }
}

fn of_mount(table: &[Mounted], mount: &MountRecord) -> Result<Source> {
    let numbers = mount.extras.block.as_ref().and_then(|_| rustix::fs::stat(&mount.source).ok());
    match numbers.map(|stat| stat.st_rdev) {
        // Most file systems have the numbers of their block device. btrfs has others: then its place counts.
        Some(device) => Ok(Source::File {
            device: format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device)),
            root: "/".into(),
        }),
        None => of_file(table, &mount.source),
    }
}

/// The file system of a file of the host, and the file's path in it. Parts of the path that do not exist are appended
/// to the existing part.
fn of_file(table: &[Mounted], path: &Path) -> Result<Source> {
    use rustix::fs::{AtFlags, StatxFlags};
    let context = || format!("look at {}", path.display());
    let there = path.ancestors().find(|one| one.exists()).unwrap_or(Path::new("/"));
    let missing = path.strip_prefix(there).unwrap_or(Path::new(""));
    let there = std::fs::canonicalize(there).context(context)?;
    let id =
        rustix::fs::statx(CWD, &there, AtFlags::empty(), StatxFlags::MNT_ID).context(context)?.stx_mnt_id;
    let none = || Error::Unsupported(format!("{} is on no mount of this machine", path.display()));
    let line = table.iter().find(|one| one.id == id).ok_or_else(none)?;
    let below = there.strip_prefix(&line.at).unwrap_or(Path::new(""));
    // Joining an empty path appends a slash, which would disturb comparisons of paths.
    Ok(Source::File {
        device: line.device.clone(),
        root: line.root.join(below).join(missing).components().collect(),
    })
}

fn directory(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).context(|| format!("open {}", path.display()))
}
