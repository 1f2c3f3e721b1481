//! COPY and ADD: files of trees become a layer, without a container.
//!
//! ```text
//! view     the layers below, merged, without a mount      source   what the sources of an instruction match
//! owner    --chown                                        plan     where each of them goes
//! mode     --chmod                                        walk     directories of several sources, merged by name
//! open     files of a tree, by descriptor
//! file     one file of a source                           archive  what ADD unpacks
//! layer    writes each entry twice: as a file of the layer's directory, and as a member of its tar
//! ```
//!
//! The rules are those of BuildKit's file operations; where the reference is silent
//! (<https://docs.docker.com/reference/dockerfile/#copy>), what BuildKit does is right. The sources are hostile and may
//! change while they are read: each name is looked up by descriptor, and only regular files are opened.

mod archive;
mod file;
mod layer;
mod mode;
mod open;
mod owner;
mod plan;
mod source;
#[cfg(test)]
mod tests;
mod view;
mod walk;

use std::io::Write;
use std::path::{Path, PathBuf};

use hull_image::members::shown;

use crate::context::Tree;
use crate::error::IoContext;
use crate::patterns::Patterns;
use crate::{Error, Result};
use archive::Unpack;
use layer::Layer;
use mode::Chmod;
use plan::Plan;
use source::{Taken, What};
use view::View;
use walk::Changes;

/// A COPY or ADD, with everything expanded.
#[derive(Debug)]
pub struct Request<'a> {
    pub sources: Vec<Source<'a>>,
    /// As written; a relative one is beneath `working_dir`.
    pub destination: String,
    pub working_dir: String,
    /// The layers below, lowest first. Empty for `--link`: the layer must not depend on them.
    pub below: Vec<PathBuf>,
    pub chown: Option<String>,
    pub chmod: Option<String>,
    pub parents: bool,
    pub exclude: Patterns,
    /// Times are not later: seconds since 1970.
    pub epoch: Option<i64>,
}

#[derive(Debug)]
pub enum Source<'a> {
    /// What a pattern matches in a tree.
    Pattern { tree: &'a Tree, pattern: String, unpack: bool },
    /// A heredoc.
    Content { name: String, bytes: Vec<u8> },
}

/// A layer that has been written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes in all files of the layer's directory.
    pub bytes: u64,
    /// How many entries were written. 0 if the instruction changes nothing: docker keeps such a layer.
    pub entries: u64,
}

/// Writes what an instruction copies as a layer: in the format of overlayfs into `directory`, which is empty and has the
/// mode 0755, and as a tar. Equal sources give equal tars; with an epoch also at other times.
///
/// # Errors
///
/// [`Error::NoSuchFile`] for a source without wildcards that does not exist, [`Error::Invalid`] for
/// options and for a file in the way of a directory or the reverse. The directory is then of no use.
pub fn write(request: &Request<'_>, directory: &Path, tar: &mut dyn Write) -> Result<Written> {
    let below = View::of_layers(&request.below).context(|| "open the layers below".into())?;
    let chown = request.chown.as_deref().map(|chown| owner::find(chown, below.as_ref())).transpose()?;
    let chmod = request.chmod.as_deref().map(Chmod::parse).transpose()?;
    let changes = Changes { chown, chmod };
    let mut taken = Vec::new();
    for (number, source) in request.sources.iter().enumerate() {
        taken.extend(source::take(source, number, request.parents)?);
    }
    if taken.iter().any(|taken| matches!(taken.what, What::Archive { .. })) {
        return write_with_archives(request, &changes, taken, directory, tar);
    }
    let mut plan = Plan::new(below, &request.working_dir, &request.destination);
    taken.into_iter().try_for_each(|taken| plan.add(taken))?;
    let mut layer = Layer::new(directory, Some(tar), request.epoch)?;
    walk::write(plan, request, &changes, &mut layer)?;
    layer.finish()
}

/// Each archive is unpacked onto what the sources before it have written, so that later ones replace earlier ones.
fn write_with_archives(
    request: &Request<'_>,
    changes: &Changes,
    taken: Vec<Taken>,
    directory: &Path,
    tar: &mut dyn Write,
) -> Result<Written> {
    let below = View::of_layers(&request.below).context(|| "open the layers below".into())?;
    let layers = [&request.below[..], &[directory.to_owned()]].concat();
    let merged = || View::of_layers(&layers).context(|| "open the layers below".into());
    let mut layer = Layer::new(directory, None, request.epoch)?;
    let root = Plan::new(below.clone(), &request.working_dir, &request.destination);
    walk::write(root, request, changes, &mut layer)?;
    for taken in taken {
        let mut plan = Plan::new(merged()?, &request.working_dir, &request.destination);
        let (What::Archive { path }, Source::Pattern { tree, .. }) =
            (&taken.what, &request.sources[taken.source])
        else {
            plan.add(taken)?;
            walk::write(plan, request, changes, &mut layer)?;
            continue;
        };
        let destination = plan.directory_of_archive()?;
        walk::write(plan, request, changes, &mut layer)?;
        let merged = merged()?.expect("the layer itself is one");
        let (below, chown) = (below.clone(), changes.chown);
        let name = format!("{} of {}", shown(path), tree.name);
        let file = open::open_file(tree, path)?;
        let mut unpack = Unpack { layer: &mut layer, merged, below, destination, chown };
        unpack.directories_of_destination()?;
        if let Some(file) = file {
            unpack.unpack(file, &name)?;
        }
    }
    let written = layer.finish()?;
    let bytes = hull_engine::pack_layer(directory, directory, request.epoch, tar)?;
    Ok(Written { bytes, ..written })
}

/// Writes the layer of `WORKDIR path`: the directories that the layers below do not have. They belong to `owner`
/// (`user[:group]`, as `USER` has it), or to root if there is none or the layers below do not know its name: as in docker,
/// `USER` may name a user whom a later step creates.
pub fn make_directory(
    path: &str,
    below: &[PathBuf],
    owner: Option<&str>,
    epoch: Option<i64>,
    directory: &Path,
    tar: &mut dyn Write,
) -> Result<Written> {
    let request = Request {
        sources: vec![],
        destination: format!("{path}/"),
        working_dir: "/".into(),
        below: below.to_vec(),
        chown: owner.map(str::to_owned),
        chmod: None,
        parents: false,
        exclude: Patterns::default(),
        epoch,
    };
    let below = View::of_layers(&request.below).context(|| "open the layers below".into())?;
    let chown = match owner.map(|owner| owner::find(owner, below.as_ref())).transpose() {
        // docker's rule: a user whom the image does not know is an error when a program runs, not before.
        Err(Error::Invalid { .. }) => None,
        found => found?,
    };
    let mut plan = Plan::new(below, "/", &request.destination);
    plan.add_destination()?;
    let mut layer = Layer::new(directory, Some(tar), epoch)?;
    walk::write(plan, &request, &Changes { chown, chmod: None }, &mut layer)?;
    layer.finish()
}
