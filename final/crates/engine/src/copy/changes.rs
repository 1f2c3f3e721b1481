//! What a container changed: `diff` lists it, `commit` packs it into a layer. Only the writable layer is read, so the
//! time does not depend on the image's size.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_image::Digest;
use hull_image::archive::apply_changes;
use hull_image::commit::{NewLayer, commit};
use hull_image::config::{Empty, RunConfig};
use hull_image::reference::Reference;
use rustix::fs::{FileType, Mode, OFlags, Stat};

use super::entry::{Content, Entry, Sink};
use super::pack::Packer;
use super::tree::{self, Scope};
use super::view::View;
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::record::{MountKind, Record};
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;

/// A line of `diff`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Added(PathBuf),
    Changed(PathBuf),
    Deleted(PathBuf),
}

#[derive(Debug, Clone, Default)]
pub struct CommitOptions {
    pub name: Option<Reference>,
    pub author: Option<String>,
    pub message: Option<String>,
    /// Instructions of a Dockerfile: `CMD …`.
    pub changes: Vec<String>,
    /// Freeze a running container while its files are read, if it can be frozen: see [`Freezable`].
    pub pause: bool,
}

/// Whether a container can be frozen while its files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freezable {
    Yes,
    /// It is not running.
    NotRunning,
    /// It runs without a cgroup of its own, and only a cgroup can be frozen (cgroup-v2.rst, `cgroup.freeze`).
    NoCgroup,
}

impl Freezable {
    fn of(engine: &Engine, record: &Record) -> Result<Self> {
        let snapshot = Snapshot::take(engine.root(), &record.id)?;
        Ok(match snapshot.state {
            _ if snapshot.status != Status::Running => Self::NotRunning,
            Some(state) if state.cgroup.is_some() => Self::Yes,
            _ => Self::NoCgroup,
        })
    }
}

impl Engine {
    /// Whether [`Engine::commit`] can freeze the container.
    pub fn freezable(&self, name: &str) -> Result<Freezable> {
        Freezable::of(self, &self.find(name)?)
    }

    /// The changed paths in the container, sorted.
    pub fn changes(&self, name: &str) -> Result<Vec<Change>> {
        let record = self.find(name)?;
        let mut found = Paths { found: Vec::new(), lowers: self.lowers(&record)? };
        self.send_changes(&record, &mut found)?;
        found.found.sort_by(|a, b| path(a).cmp(path(b)));
        Ok(found.found)
    }

    /// Creates an image from a container, and returns the image's id.
    pub fn commit(&self, name: &str, options: &CommitOptions) -> Result<Digest> {
        let record = self.find(name)?;
        let mut config = config_of(&record);
        apply_changes(&mut config, &options.changes)?;
        let layer = NewLayer {
            base: Digest::parse(&record.image_id)?,
            config,
            name: options.name.clone(),
            author: options.author.clone(),
            message: options.message.clone(),
            created_by: record.process.args().join(" "),
        };
        // The base image must not be removed before the new image exists.
        let _lock = self.lock_in_use()?;
        let freezes = options.pause && Freezable::of(self, &record)? == Freezable::Yes;
        let frozen = if freezes { self.freeze(&record)? } else { None };
        commit(self.images(), &layer, |file| {
            let mut packer = Packer::new(file);
            self.send_changes(&record, &mut packer)?;
            packer.finish()?;
            // The container's files have been read, and the rest works on the copy.
            drop(frozen);
            Ok(())
        })
    }

    fn send_changes(&self, record: &Record, sink: &mut dyn Sink) -> Result<()> {
        let upper = open(self.root().writable_layer(&record.id).upper())?;
        let source = View::container(upper, &record.name).source(Path::new("/"), false)?;
        tree::send(&source, Path::new(""), Scope::Layer, sink)
    }

    /// The image's layers, the highest first.
    fn lowers(&self, record: &Record) -> Result<Vec<OwnedFd>> {
        record.layers.iter().rev().map(|layer| open(&self.root().data().join(layer))).collect()
    }
}

fn open(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).context(|| format!("open {}", path.display()))
}

/// The container's configuration as that of an image.
fn config_of(record: &Record) -> RunConfig {
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    let list = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    // A named volume belongs to this container, so the image does not declare it for all of its containers.
    let volumes = record.mounts.iter().filter(|mount| mount.kind == MountKind::Volume && mount.anonymous);
    let volumes = volumes.map(|mount| (mount.destination.display().to_string(), Empty {})).collect();
    RunConfig {
        user: some(&record.process.user),
        env: list(&record.process.env),
        entrypoint: list(&record.process.entrypoint),
        cmd: list(&record.process.command),
        working_dir: some(&record.process.working_dir),
        labels: (!record.labels.is_empty()).then(|| record.labels.clone()),
        volumes: Some(volumes).filter(|volumes: &std::collections::BTreeMap<_, _>| !volumes.is_empty()),
        ..RunConfig::default()
    }
}

fn path(change: &Change) -> &Path {
    let (Change::Added(path) | Change::Changed(path) | Change::Deleted(path)) = change;
    path
}

/// A sink that compares each entry of the writable layer with the layers below.
struct Paths {
    found: Vec<Change>,
    lowers: Vec<OwnedFd>,
}

impl Paths {
    fn add(&mut self, entry: &Entry) {
        let path = Path::new("/").join(&entry.path);
        let name = entry.path.file_name().unwrap_or_default();
        let hidden = name.as_bytes().strip_prefix(b".wh.").map(std::ffi::OsStr::from_bytes);
        self.found.push(match hidden {
            // The mark of an opaque directory: the directory was replaced, and what it hides is not listed.
            Some(hidden) if hidden.as_bytes().starts_with(b".wh.") => return,
            Some(hidden) => Change::Deleted(path.with_file_name(hidden)),
            None if entry.path.as_os_str().is_empty() => return,
            None if self.was_there(&entry.path) => Change::Changed(path),
            None => Change::Added(path),
        });
    }

    /// Whether the layers below have the path. They are searched from the top, until one hides the others.
    fn was_there(&self, path: &Path) -> bool {
        for lower in &self.lowers {
            let mut at = PathBuf::new();
            let mut last = None;
            for name in path {
                at.push(name);
                last =
                    tree::beneath(lower, &at, OFlags::PATH).ok().and_then(|fd| rustix::fs::fstat(&fd).ok());
                match &last {
                    Some(stat) if is_whiteout(stat) => return false,
                    Some(stat) if at != path && !is_directory(stat) => return false,
                    Some(_) => {}
                    None => break,
                }
            }
            if last.is_some() {
                return true;
            }
        }
        false
    }
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

impl Sink for Paths {
    fn put(&mut self, entry: &Entry, _content: Content<'_>) -> Result<()> {
        self.add(entry);
        Ok(())
    }

    fn link(&mut self, entry: &Entry, _target: &Path) -> Result<bool> {
        self.add(entry);
        Ok(true)
    }

    fn is_destination(&self, _stat: &Stat) -> bool {
        false
    }
}
