//! An image as a stack of layers: what each layer adds, hides and wastes, and which files a container sees.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::error::{IoContext, Result};
use crate::store::{Images, chain_ids};

/// A file as a container sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// Type and permissions.
    mode: u32,
    owner: (u32, u32),
    /// Bytes of a regular file, else 0: the size of a directory says nothing.
    size: u64,
    modified: i64,
    device: u64,
    link: Option<PathBuf>,
}

impl Seen {
    fn is_directory(&self) -> bool {
        self.mode & nix::libc::S_IFMT == nix::libc::S_IFDIR
    }
}

/// What a layer changes of those below it.
#[derive(Debug, Clone, Default)]
pub struct LayerFacts {
    pub chain_id: String,
    /// Bytes of its own files.
    pub bytes: u64,
    pub added: usize,
    pub changed: usize,
    pub deleted: usize,
    /// Bytes of the layers below that this layer hides.
    pub wasted: u64,
}

/// How a path differs between two images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    Added,
    Changed,
    Deleted,
}

#[derive(Debug, Clone, Default)]
struct Stack {
    seen: BTreeMap<PathBuf, Seen>,
    layers: Vec<LayerFacts>,
}

impl Images {
    /// The facts of each layer, lowest first.
    pub fn layer_facts(&self, name: &str) -> Result<Vec<LayerFacts>> {
        Ok(self.stack(name, usize::MAX)?.layers)
    }

    /// How an image differs from another one. Without another one, it is compared with itself without its last layer.
    pub fn difference(&self, name: &str, from: Option<&str>) -> Result<Vec<(Difference, PathBuf)>> {
        let new = self.stack(name, usize::MAX)?;
        let old = match from {
            Some(from) => self.stack(from, usize::MAX)?,
            None => self.stack(name, new.layers.len().saturating_sub(1))?,
        };
        let mut found = Vec::new();
        for (path, seen) in &new.seen {
            match old.seen.get(path) {
                None => found.push((Difference::Added, path.clone())),
                Some(before) if before != seen => found.push((Difference::Changed, path.clone())),
                Some(_) => {}
            }
        }
        let gone = old.seen.keys().filter(|path| !new.seen.contains_key(*path));
        found.extend(gone.map(|path| (Difference::Deleted, path.clone())));
        found.sort_by(|a, b| a.1.cmp(&b.1));
        Ok(found)
    }

    fn stack(&self, name: &str, most: usize) -> Result<Stack> {
        // This unpacks missing layers.
        let image = self.resolve(name)?;
        let mut stack = Stack::default();
        for (id, directory) in chain_ids(&image.config).iter().zip(&image.layer_dirs).take(most) {
            stack.add(id, directory)?;
        }
        Ok(stack)
    }
}

impl Stack {
    fn add(&mut self, id: &Digest, directory: &Path) -> Result<()> {
        let mut facts = LayerFacts { chain_id: id.hex().to_owned(), ..LayerFacts::default() };
        let mut pending = vec![PathBuf::new()];
        while let Some(inside) = pending.pop() {
            let here = directory.join(&inside);
            let context = || format!("read {}", here.display());
            for entry in std::fs::read_dir(&here).context(context)? {
                let entry = entry.context(context)?;
                let (path, full) = (inside.join(entry.file_name()), entry.path());
                let found = std::fs::symlink_metadata(&full).context(context)?;
                if found.file_type().is_char_device() && found.rdev() == 0 {
                    facts.deleted += 1;
                    facts.wasted += self.remove(&path, true);
                    continue;
                }
                if found.is_dir() {
                    pending.push(path.clone());
                    if is_opaque(&full) {
                        facts.wasted += self.remove(&path, false);
                    }
                }
                self.put(path, &full, &found, &mut facts)?;
            }
        }
        self.layers.push(facts);
        Ok(())
    }

    fn put(
        &mut self,
        path: PathBuf,
        full: &Path,
        found: &std::fs::Metadata,
        facts: &mut LayerFacts,
    ) -> Result<()> {
        let is_link = found.file_type().is_symlink();
        let link = is_link.then(|| std::fs::read_link(full)).transpose();
        let seen = Seen {
            mode: found.mode(),
            owner: (found.uid(), found.gid()),
            size: if found.is_file() { found.len() } else { 0 },
            modified: if found.is_dir() { 0 } else { found.mtime() },
            device: found.rdev(),
            link: link.context(|| format!("read {}", full.display()))?,
        };
        // A file with several names counts once.
        facts.bytes += seen.size / found.nlink().max(1);
        match self.seen.get(&path) {
            None => facts.added += 1,
            // A layer contains the parent directories of its files. An unchanged one is not a change.
            Some(before) if before.is_directory() && *before == seen => {}
            Some(before) => {
                facts.changed += 1;
                let stays = before.is_directory() && seen.is_directory();
                facts.wasted += if stays { 0 } else { self.remove(&path, true) };
            }
        }
        self.seen.insert(path, seen);
        Ok(())
    }

    /// Removes everything below a path, and the path itself if `itself` is set. Returns the number of bytes that are
    /// hidden.
    fn remove(&mut self, path: &Path, itself: bool) -> u64 {
        let below = self.seen.range(path.to_owned()..).map(|(path, _)| path);
        let going: Vec<PathBuf> = below.take_while(|other| other.starts_with(path)).cloned().collect();
        let going = going.into_iter().filter(|other| itself || other != path);
        going.filter_map(|other| self.seen.remove(&other)).map(|seen| seen.size).sum()
    }
}

fn is_opaque(directory: &Path) -> bool {
    let marks = [c"trusted.overlay.opaque", c"user.overlay.opaque"];
    hull_sys::fs::xattrs_at(directory)
        .is_ok_and(|all| all.iter().any(|(name, _)| marks.contains(&name.as_c_str())))
}
