//! A directory that a layer's tar implies but does not list gets the owner, mode, attributes and times that it has in the
//! layers below. Overlayfs shows the metadata of the topmost layer that has the directory, so without this a container
//! would see metadata that no layer of the image asked for.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use hull_sys::tree::{Created, Exact, Metadata};
use nix::errno::Errno;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

use crate::error::{IoContext, Result};
use crate::members::shown;

/// Copies the metadata of the implied directories from `lowers`, the layers below, lowest first. They must have inherited
/// themselves.
pub(crate) fn inherit(layer: &Path, implied: &BTreeSet<PathBuf>, lowers: &[PathBuf]) -> Result<()> {
    if implied.is_empty() || lowers.is_empty() {
        return Ok(());
    }
    let own = top(layer)?;
    let lowers = lowers.iter().rev().map(|lower| top(lower)).collect::<Result<Vec<_>>>()?;
    for path in implied {
        // A later member may have removed it, and an opaque directory above it hides what the layers below have.
        let Found::Directory { directory, opaque: false } = find(&own, path) else { continue };
        if let Some(below) = below(&lowers, path) {
            copy(&below, &directory).context(|| format!("set owner and mode of {}", shown(path)))?;
        }
    }
    Ok(())
}

/// Removes whiteouts from directories that the layers below do not have. The kernel looks for whiteouts only where it
/// merges directories. In any other directory it would show them as device nodes.
pub(crate) fn drop_needless(layer: &Path, whiteouts: &[PathBuf], lowers: &[PathBuf]) -> Result<()> {
    if whiteouts.is_empty() {
        return Ok(());
    }
    let own = top(layer)?;
    let lowers = lowers.iter().rev().map(|lower| top(lower)).collect::<Result<Vec<_>>>()?;
    for path in whiteouts {
        let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
        let Found::Directory { directory, opaque } = find(&own, parent) else { continue };
        let merged = !opaque && !is_opaque(&directory) && below(&lowers, parent).is_some();
        if !merged {
            rustix::fs::unlinkat(&directory, name, AtFlags::empty())
                .context(|| format!("remove the whiteout of {}", shown(path)))?;
        }
    }
    Ok(())
}

enum Found {
    /// `opaque` if a directory above it hides the layers below. A directory that is opaque itself hides its content in the
    /// layers below, and is still the same directory (image-spec, layer.md, "Opaque Whiteout").
    Directory {
        directory: OwnedFd,
        opaque: bool,
    },
    /// A file or a whiteout has the name, or the layers below are hidden.
    Hidden,
    Absent,
}

fn below(lowers: &[OwnedFd], path: &Path) -> Option<OwnedFd> {
    for lower in lowers {
        match find(lower, path) {
            Found::Directory { directory, .. } => return Some(directory),
            Found::Hidden => return None,
            Found::Absent => {}
        }
    }
    None
}

fn find(layer: &OwnedFd, path: &Path) -> Found {
    let (mut at, mut opaque) = (PathBuf::new(), false);
    let Ok(mut last) = layer.try_clone() else { return Found::Hidden };
    for name in path {
        at.push(name);
        opaque |= is_opaque(&last);
        match open(layer, &at) {
            Ok(directory) => last = directory,
            Err(Errno::ENOENT) if !opaque => return Found::Absent,
            Err(_) => return Found::Hidden,
        }
    }
    Found::Directory { directory: last, opaque }
}

fn top(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).context(|| format!("open {}", path.display()))
}

fn open(layer: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    hull_sys::fs::openat2(
        layer,
        path,
        flags,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )
}

fn is_opaque(directory: &OwnedFd) -> bool {
    let marks = [c"trusted.overlay.opaque", c"user.overlay.opaque"];
    hull_sys::fs::xattrs(directory)
        .is_ok_and(|all| all.iter().any(|(name, _)| marks.contains(&name.as_c_str())))
}

fn copy(from: &OwnedFd, to: &OwnedFd) -> std::io::Result<()> {
    let attributes = hull_sys::fs::xattrs(from)?;
    let metadata = Metadata::of(&rustix::fs::fstat(from)?, &attributes);
    Created::Open(to.as_fd()).set(&metadata, &Exact)
}
