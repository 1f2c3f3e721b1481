//! Where each source goes: docker's rules about the destination.
//!
//! The plan is a tree of the directories on the way to the destinations. The content of directories that are copied is not
//! in it: [`super::walk`] finds it while it copies.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_image::members::shown;

use super::layer::LONGEST_PATH;
use super::source::{Include, Taken, What};
use super::view::{Found, View, resolve};
use crate::error::IoContext;
use crate::patterns::clean;
use crate::{Error, Result};

/// A directory of the layer.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The directory in the layers below. `None` if it is created.
    pub below: Option<View>,
    pub children: BTreeMap<OsString, Child>,
    /// The directories whose content is copied into it, in the order of the instruction.
    pub copied: Vec<Copied>,
}

#[derive(Debug)]
pub(super) enum Child {
    Directory(Node),
    File(Single),
}

/// A file that is named by the instruction, and not found in a directory that is copied.
#[derive(Debug)]
pub(super) struct Single {
    pub source: usize,
    /// In the tree. `None` for a heredoc.
    pub path: Option<PathBuf>,
    /// Its position in the order of the instruction: what comes later replaces what was there.
    pub order: usize,
}

#[derive(Debug)]
pub(super) struct Copied {
    pub source: usize,
    pub path: PathBuf,
    pub include: Option<Include>,
    pub order: usize,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub root: Node,
    /// Relative to the root. It is followed through symlinks anew for each source, as in docker.
    destination: PathBuf,
    /// It ends with a slash, so it has to be a directory.
    is_directory: bool,
    order: usize,
}

/// What is at a path of the image, after the sources so far.
#[derive(PartialEq)]
enum Kind {
    Nothing,
    Directory,
    File,
}

impl Plan {
    pub(super) fn new(below: Option<View>, working_dir: &str, destination: &str) -> Self {
        let absolute = match destination.starts_with('/') {
            true => destination.to_owned(),
            false => format!("/{working_dir}/{destination}"),
        };
        let is_directory =
            matches!(destination, "" | ".") || absolute.ends_with('/') || absolute.ends_with("/.");
        let cleaned = clean(absolute.as_bytes());
        let destination = Path::new(OsStr::from_bytes(&cleaned[1..])).to_owned();
        Self { root: Node { below, ..Node::default() }, destination, is_directory, order: 0 }
    }

    /// Adds a source after those before it.
    pub(super) fn add(&mut self, taken: Taken) -> Result<()> {
        self.add_destination()?;
        let target = self.followed(&self.destination)?;
        let kind = self.kind(&target)?;
        self.order += 1;
        let (source, order) = (taken.source, self.order);
        let path = match taken.what {
            What::Directory { path, include } => {
                if kind == Kind::File {
                    return Err(blocked(&target, "a directory cannot be copied to a file"));
                }
                self.directory(&target)?.copied.push(Copied { source, path, include, order });
                return Ok(());
            }
            What::File { path } | What::Archive { path } => Some(path),
            What::Content => None,
        };
        let target = if kind == Kind::Directory { target.join(&taken.name) } else { target };
        if self.kind(&target)? == Kind::Directory {
            return Err(blocked(&target, "a directory cannot be replaced by a file"));
        }
        let directory = self.directory(target.parent().unwrap_or(Path::new("")))?;
        let name = target.file_name().unwrap_or_default().to_owned();
        directory.children.insert(name, Child::File(Single { source, path, order }));
        Ok(())
    }

    /// The destination as a directory, which is created if it is missing, and followed through symlinks.
    pub(super) fn directory_of_archive(&mut self) -> Result<PathBuf> {
        let path = self.followed(&self.destination)?;
        self.directory(&path)?;
        Ok(path)
    }

    /// Adds the directories that the destination needs.
    pub(super) fn add_destination(&mut self) -> Result<()> {
        let needed = if self.is_directory { Some(&*self.destination) } else { self.destination.parent() };
        let needed = self.followed(needed.unwrap_or(Path::new("")))?;
        self.directory(&needed).map(drop)
    }

    /// The path without symlinks.
    fn followed(&self, path: &Path) -> Result<PathBuf> {
        let Some(root) = &self.root.below else { return Ok(path.to_owned()) };
        let resolved = resolve(root, path).context(|| format!("look up the destination {}", name(path)))?;
        Ok(resolved.path)
    }

    fn kind(&self, path: &Path) -> Result<Kind> {
        let mut node = Some(&self.root);
        let mut below = self.root.below.as_ref().cloned();
        for part in path {
            match node.and_then(|node| node.children.get(part)) {
                Some(Child::File(_)) => return Ok(Kind::File),
                Some(Child::Directory(child)) => {
                    node = Some(child);
                    below = child.below.as_ref().cloned();
                }
                None => {
                    node = None;
                    let Some(directory) = below else { return Ok(Kind::Nothing) };
                    below = match directory.entry(part).context(|| looking_up(path))? {
                        Some(Found::Directory(found)) => Some(found),
                        Some(_) => return Ok(Kind::File),
                        None => return Ok(Kind::Nothing),
                    };
                }
            }
        }
        Ok(Kind::Directory)
    }

    /// The directory at a path without symlinks.
    fn directory(&mut self, path: &Path) -> Result<&mut Node> {
        // Each level of the tree is a level of this program's stack where it is compared or dropped.
        if path.as_os_str().len() > LONGEST_PATH {
            let what = format!("destination {:.40}…", name(path));
            return Err(Error::Invalid {
                what,
                why: format!("its path is longer than {LONGEST_PATH} bytes"),
            });
        }
        let mut node = &mut self.root;
        for part in path {
            if !node.children.contains_key(part) {
                let found = node.below.as_ref().map(|below| below.entry(part)).transpose();
                let below = match found.context(|| looking_up(path))?.flatten() {
                    None => None,
                    Some(Found::Directory(below)) => Some(below),
                    Some(_) => return Err(blocked(path, "a file stands in its path")),
                };
                node.children.insert(part.to_owned(), Child::Directory(Node { below, ..Node::default() }));
            }
            node = match node.children.get_mut(part) {
                Some(Child::Directory(child)) => child,
                _ => return Err(blocked(path, "a file stands in its path")),
            };
        }
        Ok(node)
    }
}

impl Node {
    /// Whether the layer has it: it is created, or something is put into it.
    pub(super) fn is_changed(&self) -> bool {
        let is_changed = |child: &Child| match child {
            Child::File(_) => true,
            Child::Directory(node) => node.is_changed(),
        };
        self.below.is_none() || !self.copied.is_empty() || self.children.values().any(is_changed)
    }
}

fn looking_up(path: &Path) -> String {
    format!("look up the destination {}", name(path))
}

fn name(path: &Path) -> String {
    format!("/{}", shown(path))
}

/// The error for a file in the way of a directory, or the reverse.
pub(super) fn blocked(path: &Path, why: &str) -> Error {
    Error::Invalid { what: format!("destination {}", name(path)), why: why.into() }
}
