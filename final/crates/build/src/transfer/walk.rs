//! Writes a plan: directories that several sources share are merged by the names in them, so that the layer is written in
//! one pass, in the order of names, however many sources it has.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hull_image::members::shown;
use hull_image::packing::{Content, Entry, Kind};
use rustix::fs::FileType;

use super::layer::Layer;
use super::mode::Chmod;
use super::open::{joined, modified, names, open_directory};
use super::plan::{Child, Copied, Node, Plan, Single, blocked};
use super::source::Include;
use super::view::{Found, View};
use super::{Request, Source};
use crate::Result;
use crate::context::Tree;
use crate::error::IoContext;
use crate::patterns::{Matched, Patterns};

/// What is different from the source.
#[derive(Debug, Clone)]
pub(super) struct Changes {
    pub chown: Option<(u32, u32)>,
    pub chmod: Option<Chmod>,
}

pub(super) fn write(
    plan: Plan,
    request: &Request<'_>,
    changes: &Changes,
    layer: &mut Layer<'_>,
) -> Result<()> {
    let mut walk = Walk { request, changes, layer, linked: HashMap::new(), pending: Vec::new() };
    walk.root(plan.root)?;
    while let Some(pending) = walk.pending.pop() {
        walk.directory(pending)?;
    }
    Ok(())
}

pub(super) struct Walk<'a, 'l> {
    pub request: &'a Request<'a>,
    pub changes: &'a Changes,
    pub layer: &'a mut Layer<'l>,
    /// The first path of each file with several links. BuildKit keeps links within one source.
    pub linked: HashMap<(usize, u64, u64), PathBuf>,
    /// Directories to be written, the next one last. Only paths are kept, so a deep tree needs neither stack nor
    /// descriptors.
    pending: Vec<Pending>,
}

/// A directory to be written.
struct Pending {
    place: Rc<Place>,
    below: Option<View>,
    children: BTreeMap<OsString, Child>,
    sources: Vec<Part>,
    /// It is on the way to a destination, so it keeps its metadata.
    is_planned: bool,
}

/// A directory of a tree that is copied into a directory of the layer.
struct Part {
    source: usize,
    order: usize,
    /// In the tree.
    path: PathBuf,
    /// In the directory that the instruction names.
    relative: PathBuf,
    /// What the patterns say about it.
    ignored: Matched,
    excluded: Matched,
    include: Option<Include>,
    /// It matches itself. Otherwise it is written only if something in it is.
    is_taken: bool,
}

/// A directory of the layer, which is written before the first entry in it.
struct Place {
    path: PathBuf,
    above: Option<Rc<Place>>,
    /// `None` once it has been written.
    entry: RefCell<Option<Entry>>,
}

/// What has a name in a directory. Small, because a directory may have very many names.
enum Candidate {
    /// A file that the instruction names.
    Single(Box<Single>),
    /// A file of the numbered part.
    File { part: usize, kind: FileType },
    /// A directory on the way to a destination.
    Planned(Box<Node>),
    /// A directory of a part.
    Directory(Box<Part>),
}

/// What remains of the candidates for one name.
enum Chosen {
    File(Candidate),
    Directory(Option<Node>, Vec<Part>),
}

impl Walk<'_, '_> {
    fn root(&mut self, root: Node) -> Result<()> {
        let entry = match &root.below {
            Some(below) => below.as_entry(Path::new(""))?,
            None => self.layer.created(Path::new(""), (0, 0)),
        };
        self.layer.set_root(&entry)?;
        let place = Rc::new(Place { path: PathBuf::new(), above: None, entry: RefCell::new(None) });
        let pending = self.planned(place, root)?;
        self.pending.push(pending);
        Ok(())
    }

    fn planned(&self, place: Rc<Place>, node: Node) -> Result<Pending> {
        let Node { below, children, copied } = node;
        let sources = copied.into_iter().map(|copied| self.part(copied)).collect();
        Ok(Pending { place, below, children, sources, is_planned: true })
    }

    fn part(&self, copied: Copied) -> Part {
        let Copied { source, path, include, order } = copied;
        let mut ignored = Matched::default();
        if let Some(tree) = self.tree(source) {
            let mut at = PathBuf::new();
            for name in &path {
                at.push(name);
                ignored = tree.ignore.excludes_in(&at, &ignored).1;
            }
        }
        let (relative, excluded) = (PathBuf::new(), Matched::default());
        Part { source, order, path, relative, ignored, excluded, include, is_taken: true }
    }

    pub(super) fn tree(&self, source: usize) -> Option<&Tree> {
        match &self.request.sources[source] {
            Source::Pattern { tree, .. } => Some(tree),
            Source::Content { .. } => None,
        }
    }

    pub(super) fn reading(&self, source: usize, path: &Path) -> String {
        let name = self.tree(source).map_or("the Dockerfile", |tree| &tree.name);
        format!("read {} in {name}", shown(path))
    }

    fn directory(&mut self, pending: Pending) -> Result<()> {
        let Pending { place, below, children, sources, is_planned } = pending;
        let mut opened = Vec::new();
        for part in &sources {
            let tree = self.tree(part.source).expect("directories are of trees");
            opened.push(open_directory(tree, &part.path).context(|| self.reading(part.source, &part.path))?);
        }
        if place.above.is_some() {
            let entry = self.directory_entry(&place.path, below.as_ref(), (&sources, &opened), is_planned)?;
            *place.entry.borrow_mut() = Some(entry);
            if is_planned || sources.iter().any(|part| part.is_taken) {
                self.make(&place)?;
            }
        }
        let mut candidates: Vec<(OsString, usize, Candidate)> = Vec::new();
        for (name, child) in children {
            candidates.push(match child {
                Child::File(single) => (name, single.order, Candidate::Single(Box::new(single))),
                Child::Directory(node) => (name, 0, Candidate::Planned(Box::new(node))),
            });
        }
        for (number, (part, directory)) in sources.iter().zip(&opened).enumerate() {
            let names = names(directory).context(|| self.reading(part.source, &part.path))?;
            candidates.reserve(names.len());
            for (name, kind) in names {
                if let Some(candidate) = self.consider(part, number, &name, kind) {
                    candidates.push((name, part.order, candidate));
                }
            }
        }
        if sources.len() > 1 || is_planned {
            candidates.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        }
        self.entries(&place, below.as_ref(), (&sources, &opened), candidates)
    }

    /// Writes the files of a directory, and remembers its subdirectories for later.
    fn entries(
        &mut self,
        place: &Rc<Place>,
        below: Option<&View>,
        (sources, opened): (&[Part], &[OwnedFd]),
        candidates: Vec<(OsString, usize, Candidate)>,
    ) -> Result<()> {
        let first = self.pending.len();
        let mut candidates = candidates.into_iter().peekable();
        while let Some((name, _, candidate)) = candidates.next() {
            let path = place.path.join(&name);
            let mut chosen = choose(None, candidate, &path)?;
            while let Some((_, _, next)) = candidates.next_if(|(next, _, _)| *next == name) {
                chosen = choose(Some(chosen), next, &path)?;
            }
            let found = below.map(|below| below.entry(&name)).transpose();
            let found = found.context(|| format!("look up /{}", shown(&path)))?.flatten();
            match (chosen, found) {
                (Chosen::File(_), Some(Found::Directory(_))) => {
                    return Err(blocked(&path, "a directory cannot be replaced by a file"));
                }
                (Chosen::File(candidate), _) => {
                    self.make(place)?;
                    match candidate {
                        Candidate::Single(single) => self.single(&single, path)?,
                        Candidate::File { part, kind } => {
                            let (part, directory) = (&sources[part], &opened[part]);
                            self.copy((part.source, part.order), directory, &name, kind, path)?;
                        }
                        _ => {}
                    }
                }
                (Chosen::Directory(node, parts), found) => {
                    let below = match found {
                        None => None,
                        Some(Found::Directory(below)) => Some(below),
                        Some(_) => return Err(blocked(&path, "a directory cannot be copied to a file")),
                    };
                    self.remember(place, path, below, node, parts)?;
                }
            }
        }
        self.pending[first..].reverse();
        Ok(())
    }

    fn remember(
        &mut self,
        place: &Rc<Place>,
        path: PathBuf,
        below: Option<View>,
        node: Option<Node>,
        mut parts: Vec<Part>,
    ) -> Result<()> {
        let above = Some(Rc::clone(place));
        let place = Rc::new(Place { path, above, entry: RefCell::new(None) });
        let pending = match node {
            Some(node) if !node.is_changed() => return Ok(()),
            Some(node) => {
                let mut pending = self.planned(place, node)?;
                pending.is_planned = parts.is_empty();
                parts.append(&mut pending.sources);
                Pending { sources: parts, ..pending }
            }
            None => Pending { place, below, children: BTreeMap::new(), sources: parts, is_planned: false },
        };
        self.pending.push(pending);
        Ok(())
    }

    /// Whether a name of a directory is copied: what it is then.
    fn consider(&self, part: &Part, number: usize, name: &OsStr, kind: FileType) -> Option<Candidate> {
        let tree = self.tree(part.source)?;
        let is_directory = kind == FileType::Directory;
        if !is_directory
            && tree.ignore.is_empty()
            && self.request.exclude.is_empty()
            && part.include.is_none()
        {
            return Some(Candidate::File { part: number, kind });
        }
        let name = Path::new(name);
        let (path, relative) = (joined(&part.path, name), joined(&part.relative, name));
        let (is_ignored, ignored) = decide(&tree.ignore, &path, &part.ignored);
        let (is_excluded, excluded) = decide(&self.request.exclude, &relative, &part.excluded);
        let is_included = part.include.as_ref().is_none_or(|include| include.matches(&relative));
        let is_taken = !is_ignored && !is_excluded && is_included;
        if !is_directory {
            return is_taken.then_some(Candidate::File { part: number, kind });
        }
        let leads_to_nothing = is_ignored && !tree.ignore.may_include_beneath(&path)
            || is_excluded && !self.request.exclude.may_include_beneath(&relative)
            || !is_included
                && !part.include.as_ref().is_some_and(|include| include.may_match_beneath(&relative));
        let include = if is_included { None } else { part.include.clone() };
        let (source, order) = (part.source, part.order);
        let part = Part { source, order, path, relative, ignored, excluded, include, is_taken };
        (!leads_to_nothing).then(|| Candidate::Directory(Box::new(part)))
    }

    /// Writes a directory, after those above it, unless that was done before.
    fn make(&mut self, place: &Rc<Place>) -> Result<()> {
        let mut missing = Vec::new();
        let mut at = Some(place);
        while let Some(place) = at.filter(|place| place.entry.borrow().is_some()) {
            missing.push(Rc::clone(place));
            at = place.above.as_ref();
        }
        for place in missing.into_iter().rev() {
            if let Some(entry) = place.entry.take() {
                self.layer.put(entry, Content::None)?;
            }
        }
        Ok(())
    }

    /// A directory keeps what it has in the layers below, and a copied one gets what its source has. As in BuildKit, the
    /// directory that is named as the destination gets the time of what is copied into it, and nothing else of it.
    fn directory_entry(
        &self,
        path: &Path,
        below: Option<&View>,
        (sources, opened): (&[Part], &[OwnedFd]),
        is_planned: bool,
    ) -> Result<Entry> {
        let mut entry = match below {
            Some(below) => below.as_entry(path)?,
            None => self.layer.created(path, self.changes.chown.unwrap_or((0, 0))),
        };
        let taken = sources.iter().zip(opened).rev().find(|(part, _)| part.is_taken);
        let Some((part, directory)) = taken.or(sources.iter().zip(opened).next_back()) else {
            return Ok(entry);
        };
        let reading = || self.reading(part.source, &part.path);
        let stat = rustix::fs::fstat(directory).context(reading)?;
        entry.modified = modified(&stat);
        if is_planned {
            return Ok(entry);
        }
        let attributes = self.attributes(part.source, directory).context(reading)?;
        let copied = self.entry(part.source, path.to_owned(), Kind::Directory, &stat, attributes);
        entry.attributes.retain(|(name, _)| copied.attributes.iter().all(|(other, _)| other != name));
        entry.attributes.extend(copied.attributes);
        Ok(Entry { attributes: entry.attributes, ..copied })
    }
}

/// Decides between two candidates for a name: directories are merged, and a later file replaces an earlier one.
fn choose(chosen: Option<Chosen>, next: Candidate, path: &Path) -> Result<Chosen> {
    let (node, part) = match next {
        Candidate::File { .. } | Candidate::Single(_) => {
            return match chosen {
                Some(Chosen::Directory(..)) => Err(blocked(path, "a directory cannot be replaced by a file")),
                _ => Ok(Chosen::File(next)),
            };
        }
        Candidate::Planned(node) => (Some(*node), None),
        Candidate::Directory(part) => (None, Some(*part)),
    };
    match chosen {
        Some(Chosen::File(_)) => Err(blocked(path, "a directory cannot be copied to a file")),
        Some(Chosen::Directory(known, mut parts)) => {
            parts.extend(part);
            Ok(Chosen::Directory(known.or(node), parts))
        }
        None => Ok(Chosen::Directory(node, part.into_iter().collect())),
    }
}

fn decide(patterns: &Patterns, path: &Path, above: &Matched) -> (bool, Matched) {
    if patterns.is_empty() { (false, Matched::default()) } else { patterns.excludes_in(path, above) }
}
