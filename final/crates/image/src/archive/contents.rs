//! The files of an archive or a directory: found by name, staged and hashed.
//!
//! No file of an archive is unpacked under its own name. Each is staged under a number, and links are resolved in a
//! table. So a hostile archive cannot write outside the staging directory.

use std::collections::HashMap;
use std::io::{BufRead, Read as _};
use std::path::{Component, Path, PathBuf};

use serde::de::DeserializeOwned;
use tar::EntryType;

use crate::config::Descriptor;
use crate::error::{Error, IoContext, Result};
use crate::members::{Member, Members, relative, shown};
use crate::staging::{Staged, Staging, not_stored};

/// The limit for manifests and configurations, which have kilobytes.
pub(super) const DOCUMENT_LIMIT: u64 = 4 << 20;

/// The limit for the number of files. An image has some hundred layers at most.
const MEMBER_LIMIT: usize = 1 << 16;

const LINK_LIMIT: usize = 8;

pub(super) struct Contents<'a> {
    staging: &'a Staging,
    files: HashMap<PathBuf, Staged>,
    links: HashMap<PathBuf, PathBuf>,
    /// The directory of an OCI layout, from which files are staged when they are needed.
    directory: Option<PathBuf>,
}

impl<'a> Contents<'a> {
    /// An OCI layout on disk.
    pub(super) fn directory(staging: &'a Staging, path: PathBuf) -> Self {
        Self { staging, files: HashMap::new(), links: HashMap::new(), directory: Some(path) }
    }

    /// Stages every file of a tar, because the manifest that says which are needed is often the last one.
    pub(super) fn archive(staging: &'a Staging, stream: impl BufRead) -> Result<Self> {
        let mut contents = Self { staging, files: HashMap::new(), links: HashMap::new(), directory: None };
        let mut members = Members::new(stream);
        while let Some(member) = members.next_member()? {
            contents.take(&member, &mut members)?;
        }
        Ok(contents)
    }

    fn take<R: BufRead>(&mut self, member: &Member, members: &mut Members<R>) -> Result<()> {
        let path = relative(&member.path)?;
        if member.kind == EntryType::Directory {
            return Ok(());
        }
        if self.files.contains_key(&path) || self.links.contains_key(&path) {
            return Err(member.refused("the archive has two files of this name"));
        }
        if self.files.len() + self.links.len() >= MEMBER_LIMIT {
            return Err(member.refused("the archive has more files than any image needs"));
        }
        match member.kind {
            EntryType::Regular | EntryType::Continuous if !member.has_holes() => {
                let staged = self.staging.add(|file| members.copy_all(file, &not_stored))?;
                self.files.insert(path, staged);
            }
            EntryType::Link => drop(self.links.insert(path, relative(&member.link)?)),
            EntryType::Symlink => {
                let target = follow(&path, &member.link);
                let target = target.ok_or_else(|| member.refused("it is a symlink out of the archive"))?;
                self.links.insert(path, target);
            }
            _ => return Err(member.refused("an image's archive has files and links only")),
        }
        Ok(())
    }

    pub(super) fn has(&self, path: &str) -> bool {
        match &self.directory {
            Some(directory) => directory.join(path).exists(),
            None => self.resolve(Path::new(path)).is_some(),
        }
    }

    /// Finds a file by its name.
    pub(super) fn file(&mut self, path: &str, limit: u64) -> Result<Staged> {
        let path = relative(Path::new(path))?;
        if let Some(directory) = self.directory.clone()
            && !self.files.contains_key(&path)
        {
            let staged = self.fetch(&directory, &path, limit)?;
            self.files.insert(path.clone(), staged);
        }
        let staged = self.resolve(&path).cloned();
        let staged = staged.ok_or_else(|| Error::Damaged(format!("it has no {}", shown(&path))))?;
        if staged.size > limit {
            let why = format!("it has {} bytes, and {limit} are allowed", staged.size);
            return Err(Error::Refused { member: shown(&path), why });
        }
        Ok(staged)
    }

    fn resolve(&self, path: &Path) -> Option<&Staged> {
        let mut path = path;
        for _ in 0..LINK_LIMIT {
            match self.links.get(path) {
                Some(target) => path = target,
                None => return self.files.get(path),
            }
        }
        None
    }

    fn fetch(&self, directory: &Path, path: &Path, limit: u64) -> Result<Staged> {
        // Resolved inside the directory, so that no symlink in it leads to another file of this machine.
        let file = match hull_storage::tree::open_in_root(directory, path) {
            Err(hull_storage::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::Damaged(format!("it has no {}", shown(path))));
            }
            file => std::fs::File::from(file?),
        };
        let metadata = file.metadata().context(|| format!("look at {}", shown(path)))?;
        if !metadata.is_file() {
            return Err(Error::Refused { member: shown(path), why: "it is not a file".into() });
        }
        // Reading one byte more than allowed shows that the file is too long.
        self.staging.add_all(&mut file.take(limit.saturating_add(1)))
    }

    /// The blob of a descriptor. Digest and size are verified.
    pub(super) fn blob(&mut self, descriptor: &Descriptor, limit: u64) -> Result<Staged> {
        let staged = self.file(&format!("blobs/sha256/{}", descriptor.digest.hex()), limit)?;
        if staged.digest != descriptor.digest || staged.size != descriptor.size {
            return Err(Error::Damaged(format!(
                "the blob {} of {} bytes is {} of {} bytes",
                descriptor.digest, descriptor.size, staged.digest, staged.size
            )));
        }
        Ok(staged)
    }
}

/// The JSON in a staged file.
pub(super) fn parse<T: DeserializeOwned>(staged: &Staged, what: &str) -> Result<T> {
    let bytes = std::fs::read(&staged.path).context(|| format!("read {}", staged.path.display()))?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Json { path: what.into(), source })
}

/// Where a symlink at `path` leads inside the archive.
fn follow(path: &Path, link: &Path) -> Option<PathBuf> {
    let mut target = path.parent()?.to_owned();
    for component in link.components() {
        match component {
            Component::Normal(name) => target.push(name),
            Component::CurDir => {}
            Component::ParentDir => target.pop().then_some(())?,
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(target)
}
