//! The catalog on disk.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hull_storage::file;
use hull_storage::lock::Lock;

use super::{Catalog, Damaged, Key, Line};
use crate::config::{Descriptor, ID, Index};
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::reference::Reference;
use crate::store::Images;

/// How an `index.json` written by hull begins. Any other beginning means that another program, or an older hull, wrote
/// it.
const HEAD: &str =
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[\n";
/// How it ends. The checksum of the lines in between detects damage without parsing them.
const TAIL: &str = "],\"annotations\":{\"org.hull.crc32\":\"";
const END: &str = "\"}}\n";

/// The longest name that becomes a file name itself, in bytes; a file name may have 255.
const LONGEST: usize = 200;

/// Entries being changed, under the lock.
pub(crate) struct Change<'a> {
    images: &'a Images,
    pub catalog: Catalog,
    /// Whether `index.json` differs from the entries.
    behind: bool,
    _lock: Lock,
}

enum Found {
    Own(Catalog),
    /// Another program, or an older hull, has written it last. Its entries are adopted.
    Foreign(Catalog),
    /// The file is missing, unreadable or known to be outdated.
    Nothing,
}

impl Images {
    /// All entries, without a lock.
    pub(crate) fn catalog(&self) -> Result<Catalog> {
        match self.read_index()? {
            Found::Own(catalog) | Found::Foreign(catalog) => Ok(catalog),
            Found::Nothing => self.read_entries(),
        }
    }

    /// The entry of exactly this name: one small file is read, however many names there are.
    pub(crate) fn entry(&self, name: &str) -> Result<Option<Descriptor>> {
        let path = self.entry_path(&Key { name: name.into(), digest: String::new() });
        match read_entry(&path) {
            Ok(Some(entry)) if entry.name() == Some(name) => Ok(Some(entry)),
            Ok(None) if self.has_own_index() => Ok(None),
            // The entry is damaged or has no file of its own, but the index may have it.
            found => match self.catalog()?.named(name) {
                Some(line) => line.entry().map(Some),
                None => found.map(|_| None),
            },
        }
    }

    /// When an image got a name. `None` if no image has exactly this name, or if only another program's index tells of it.
    pub fn named_since(&self, name: &Reference) -> Option<SystemTime> {
        let path = self.entry_path(&Key { name: name.canonical(), digest: String::new() });
        std::fs::metadata(path).and_then(|file| file.modified()).ok()
    }

    /// Waits for the lock. Adopts what another program has changed in `index.json`.
    pub(crate) fn change(&self) -> Result<Change<'_>> {
        let lock = self.lock()?;
        let (catalog, behind) = match self.read_index()? {
            Found::Own(catalog) => (catalog, false),
            Found::Foreign(mut catalog) => {
                let before = self.read_entries()?;
                catalog.changes = catalog.lines.iter().chain(&before.lines).map(Key::of).collect();
                (catalog, true)
            }
            Found::Nothing => (self.read_entries()?, true),
        };
        Ok(Change { images: self, catalog, behind, _lock: lock })
    }

    /// Makes one change, and writes `index.json` after it.
    pub(crate) fn change_catalog(&self, change: impl FnOnce(&mut Catalog) -> Result<()>) -> Result<()> {
        let mut changing = self.change()?;
        change(&mut changing.catalog)?;
        changing.finish()
    }

    pub(crate) fn lock(&self) -> Result<Lock> {
        Ok(Lock::exclusive(&self.root().data().join("index.lock"))?)
    }

    /// Upgrades a store of the first format, which had only `index.json`.
    pub(crate) fn upgrade(&self) -> Result<()> {
        let root = self.root();
        for directory in [root.image_names_dir(), root.unnamed_images_dir()] {
            hull_storage::directory::make_dirs(&directory, 0o710)?;
        }
        self.change()?.finish()?;
        Ok(root.note_format()?)
    }

    /// Reads the catalog from the entries' files alone, without `index.json`.
    pub(crate) fn read_entries(&self) -> Result<Catalog> {
        let (mut lines, mut damaged) = (Vec::new(), Vec::new());
        for directory in [self.root().image_names_dir(), self.root().unnamed_images_dir()] {
            let context = || format!("list {}", directory.display());
            for file in std::fs::read_dir(&directory).context(context)? {
                let file = file.context(context)?;
                let name = file.file_name().to_string_lossy().into_owned();
                // A temporary file of a write in progress.
                if name.starts_with('.') {
                    continue;
                }
                match read_entry(&file.path()) {
                    Ok(None) => {}
                    Ok(Some(entry)) if self.entry_path(&Key::of(&Line::of(&entry)?)) == file.path() => {
                        lines.push(Line::of(&entry)?);
                    }
                    _ => damaged.push(Damaged { name: name.replace('%', "/"), path: file.path() }),
                }
            }
        }
        let named: std::collections::HashSet<String> =
            lines.iter().filter(|line| line.name().is_some()).map(|line| line.digest().to_owned()).collect();
        // A command killed between writing one entry and removing the other leaves an image both with and without a
        // name.
        lines.retain(|line| line.name().is_some() || !named.contains(line.digest()));
        let mut catalog = Catalog::new(lines);
        catalog.damaged = damaged;
        self.salvage(&mut catalog);
        Ok(catalog)
    }

    /// Takes entries whose files are damaged from the index, if it has them.
    fn salvage(&self, catalog: &mut Catalog) {
        if catalog.damaged.is_empty() {
            return;
        }
        let Some(index) =
            file::read(&self.index_path()).ok().and_then(|text| own_lines(&String::from_utf8_lossy(&text)))
        else {
            return;
        };
        for line in index {
            let path = self.entry_path(&Key::of(&line));
            if let Some(at) = catalog.damaged.iter().position(|damaged| damaged.path == path) {
                catalog.damaged.remove(at);
                catalog.insert(line);
            }
        }
    }

    /// The names, or else digests, of entries whose files differ from `index.json`. With `repair` the files are written
    /// again.
    pub(crate) fn differing_entries(&self, repair: bool) -> Result<Vec<String>> {
        let mut change = self.change()?;
        let mut wrong: Vec<String> =
            change.catalog.damaged.iter().map(|damaged| damaged.name.clone()).collect();
        let mut differs = |line: &&Line| {
            let entry = read_entry(&self.entry_path(&Key::of(line)));
            let same =
                matches!(&entry, Ok(Some(entry)) if Line::of(entry).is_ok_and(|other| other == **line));
            if !same {
                wrong.push(line.name().unwrap_or(line.digest()).to_owned());
            }
            !same
        };
        let keys: Vec<Key> = change.catalog.lines.iter().filter(|line| differs(line)).map(Key::of).collect();
        if repair {
            change.catalog.changes.extend(keys);
            change.finish()?;
        }
        Ok(wrong)
    }

    fn read_index(&self) -> Result<Found> {
        if self.changing_path().exists() && !self.root().is_outdated() {
            return Ok(Found::Nothing);
        }
        let path = self.index_path();
        let bytes = match file::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
            bytes => bytes.context(|| format!("read {}", path.display()))?,
        };
        let text = String::from_utf8_lossy(&bytes);
        if text.starts_with(HEAD) {
            return Ok(own_lines(&text).map_or(Found::Nothing, |lines| Found::Own(Catalog::new(lines))));
        }
        match serde_json::from_str::<Index>(&text) {
            Ok(index) => Ok(Found::Foreign(Catalog::new(self.adopted(index)?))),
            // There are no entries yet to tell which images there are, so nothing may be changed or removed.
            Err(source) if self.root().is_outdated() => {
                Err(Error::Json { path: path.display().to_string(), source })
            }
            Err(_) => Ok(Found::Nothing),
        }
    }

    /// The entries of an index that another program, or an older hull, wrote.
    fn adopted(&self, index: Index) -> Result<Vec<Line>> {
        let adopt = |mut entry: Descriptor| {
            if let Ok(id) = self.id_of(&entry) {
                entry.annotations.insert(ID.into(), id.to_string());
            }
            Line::of(&entry)
        };
        index.manifests.into_iter().map(adopt).collect()
    }

    fn has_own_index(&self) -> bool {
        let mut head = [0; HEAD.len()];
        std::fs::File::open(self.index_path())
            .and_then(|mut index| std::io::Read::read_exact(&mut index, &mut head))
            .is_ok_and(|()| head == *HEAD.as_bytes())
    }

    fn entry_path(&self, key: &Key) -> PathBuf {
        match key.name.as_str() {
            "" => self.root().unnamed_images_dir().join(key.digest.trim_start_matches("sha256:")),
            name if name.len() > LONGEST => {
                self.root().image_names_dir().join(Digest::of(name.as_bytes()).hex())
            }
            name => self.root().image_names_dir().join(name.replace('/', "%")),
        }
    }

    fn index_path(&self) -> PathBuf {
        self.root().data().join("index.json")
    }

    fn changing_path(&self) -> PathBuf {
        self.root().images_dir().join("changing")
    }
}

impl Change<'_> {
    /// Writes and removes the files of the entries that have changed.
    pub(crate) fn commit(&mut self) -> Result<()> {
        if self.catalog.changes.is_empty() && self.catalog.forgotten.is_empty() {
            return Ok(());
        }
        let mark = self.images.changing_path();
        std::fs::write(&mark, "").context(|| format!("write {}", mark.display()))?;
        self.behind = true;
        let changes = std::mem::take(&mut self.catalog.changes);
        let line =
            |key: &Key| self.catalog.position(&key.name, &key.digest).map(|at| &self.catalog.lines[at]);
        // New entries are written before old ones are removed, so that an image is never without an entry.
        for (key, line) in changes.iter().filter_map(|key| Some((key, line(key).ok()?))) {
            file::write_atomic(&self.images.entry_path(key), line.text().as_bytes(), 0o600)?;
        }
        for key in changes.iter().filter(|key| line(key).is_err()) {
            file::remove(&self.images.entry_path(key))?;
        }
        Ok(self.catalog.forgotten.drain(..).try_for_each(|path| file::remove(&path))?)
    }

    /// Writes `index.json`, once for all that was changed.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.commit()?;
        if !self.behind {
            return Ok(());
        }
        let layout = self.images.root().data().join("oci-layout");
        if !layout.exists() {
            file::write_atomic(&layout, br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
        }
        let lines: Vec<&str> = self.catalog.lines().map(Line::text).collect();
        let end = if lines.is_empty() { "" } else { "\n" };
        let lines = [&lines.join(",\n"), end].concat();
        let text = [HEAD, &lines, TAIL, &checksum(&lines), END].concat();
        file::write_atomic(&self.images.index_path(), text.as_bytes(), 0o600)?;
        Ok(file::remove(&self.images.changing_path())?)
    }
}

fn read_entry(path: &Path) -> Result<Option<Descriptor>> {
    Ok(file::read_json(path)?)
}

/// The lines of an `index.json` that is hull's and whole.
fn own_lines(text: &str) -> Option<Vec<Line>> {
    let (lines, sum) = text.strip_prefix(HEAD)?.strip_suffix(END)?.rsplit_once(TAIL)?;
    if sum != checksum(lines) {
        return None;
    }
    lines.lines().map(|line| Line::own(line.strip_suffix(',').unwrap_or(line))).collect()
}

fn checksum(lines: &str) -> String {
    let mut sum = flate2::Crc::new();
    sum.update(lines.as_bytes());
    format!("{:08x}", sum.sum())
}
