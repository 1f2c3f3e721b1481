//! A directory that a layer's tar implies but does not list is the one of the layers below: it has that one's owner,
//! mode, attributes and time, or the container would see an upper directory that differs from it.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid};

use crate::error::{IoContext, Result};
use crate::members::shown;

/// `lowers` are the layers below, lowest first, each with what it inherited itself.
pub(crate) fn inherit(layer: &Path, implied: &BTreeSet<PathBuf>, lowers: &[PathBuf]) -> Result<()> {
    if implied.is_empty() || lowers.is_empty() {
        return Ok(());
    }
    let own = top(layer)?;
    let lowers = lowers.iter().rev().map(|lower| top(lower)).collect::<Result<Vec<_>>>()?;
    for path in implied {
        // Gone again, or in a directory that starts anew here.
        let Found::Directory { directory, opaque: false } = find(&own, path) else { continue };
        if let Some(below) = below(&lowers, path) {
            copy(&below, &directory).context(|| format!("set owner and mode of {}", shown(path)))?;
        }
    }
    Ok(())
}

/// Takes whiteouts away from directories that have nothing below them to be hidden. The kernel looks for whiteouts
/// where it merges directories; anywhere else it would list them as files that are not there.
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
    /// `opaque` when one above it hides the layers below. One that is opaque itself hides what was in it, and is still
    /// the same directory (image-spec, layer.md, "Opaque Whiteout").
    Directory {
        directory: OwnedFd,
        opaque: bool,
    },
    /// A file or a whiteout is there, or the layers below are hidden.
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
    let stat = rustix::fs::fstat(from)?;
    rustix::fs::fchown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode))?;
    for (name, value) in hull_sys::fs::xattrs(from)? {
        let marks = [&b"trusted.overlay."[..], b"user.overlay.", b"security.selinux"];
        if !marks.iter().any(|mark| name.to_bytes().starts_with(mark)) {
            hull_sys::fs::set_xattr(to, &name, &value)?;
        }
    }
    let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as i64 };
    Ok(rustix::fs::futimens(to, &Timestamps { last_access: time, last_modification: time })?)
}
