//! Layers as one tree that nobody can write: what a stage of a build has made, for the instructions that copy from it.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::mount::MntFlags;
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsmount};

use super::{Failure, Handle, append_lowers, explained, failed, fixed_in_string, set_fixed};
use crate::directory::make_dirs;
use crate::error::{Error, Result};

/// A read-only mount of layers that has no mount point: it ends with its descriptor, also when the process is killed.
#[derive(Debug)]
pub struct LayersView {
    mount: OwnedFd,
}

impl LayersView {
    /// Mounts layers, top first. `empty` is an empty directory, which is made if it is missing: the kernel refuses an
    /// overlay of one lower layer, and one layer alone still has whiteouts to hide.
    ///
    /// Linux before 6.5 needs a mount point for a moment, which is `empty` too: in the mount namespace of the caller.
    pub fn mount(layers: &[PathBuf], empty: &Path) -> Result<Self> {
        make_dirs(empty, 0o755)?;
        let mut lowers: Vec<Handle<'_>> =
            layers.iter().map(|layer| Handle::open(layer)).collect::<Result<_>>()?;
        if lowers.is_empty() {
            let mount = hull_sys::mount::clone_tree(Handle::open(empty)?.opened, c"", false);
            return Ok(Self { mount: mount.map_err(|error| refused(empty, "open_tree", error.into()))? });
        }
        if lowers.len() == 1 {
            lowers.push(Handle::open(empty)?);
        }
        let user_attributes = hull_sys::id_map::in_user_namespace();
        let mounted = append_lowers(&lowers).and_then(|context| match context {
            Some(context) => detached(&context, user_attributes),
            None => with_string(&lowers, user_attributes, empty),
        });
        let mount = mounted.map_err(|Failure { step, error }| refused(empty, &step, error.into()))?;
        Ok(Self { mount })
    }

    /// Attaches it on a directory, in the mount namespace of the caller.
    pub fn attach(&self, point: &Path) -> Result<()> {
        make_dirs(point, 0o755)?;
        let point = Handle::open(point)?;
        let attached = hull_sys::mount::attach(&self.mount, &point.opened);
        attached.map_err(|error| refused(point.path, "move_mount", error.into()))
    }
}

impl AsFd for LayersView {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.mount.as_fd()
    }
}

fn detached(context: &OwnedFd, user_attributes: bool) -> std::result::Result<OwnedFd, Failure> {
    if user_attributes {
        let set = fsconfig_set_flag(context, "userxattr");
        set.map_err(|error| explained(context, "userxattr", error))?;
    }
    set_fixed(context)?;
    fsconfig_create(context).map_err(|error| explained(context, "fsconfig", error))?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID;
    fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(failed("fsmount"))
}

fn with_string(
    lowers: &[Handle<'_>],
    user_attributes: bool,
    place: &Path,
) -> std::result::Result<OwnedFd, Failure> {
    let lowers: Vec<String> = lowers.iter().map(Handle::link).collect();
    let ending = if user_attributes { ",userxattr" } else { "" };
    let options = CString::new(format!("lowerdir={}{}{ending}", lowers.join(":"), fixed_in_string()));
    let options = options.map_err(|_| Failure { step: "mount".into(), error: Errno::INVAL })?;
    let flags = nix::mount::MsFlags::MS_RDONLY | nix::mount::MsFlags::MS_NOSUID;
    let errno = |error: nix::Error| Errno::from_raw_os_error(error as i32);
    nix::mount::mount(Some("hull"), place, Some("overlay"), flags, Some(options.as_c_str()))
        .map_err(|error| failed("mount")(errno(error)))?;
    let opened = rustix::fs::open(
        place,
        rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    );
    let copy = opened.and_then(|opened| {
        hull_sys::mount::clone_tree(&opened, c"", false)
            .map_err(|error| Errno::from_raw_os_error(error as i32))
    });
    let unmounted = nix::mount::umount2(place, MntFlags::MNT_DETACH);
    let copy = copy.map_err(failed("open_tree"))?;
    unmounted.map_err(|errno| failed("umount")(Errno::from_raw_os_error(errno as i32)))?;
    Ok(copy)
}

fn refused(target: &Path, step: &str, source: std::io::Error) -> Error {
    Error::Overlay { target: target.to_owned(), step: step.to_owned(), source, obstacle: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::in_mount_namespace;
    use std::fs;
    use std::os::unix::fs::FileTypeExt;

    fn whiteout(path: &Path) {
        let mode = rustix::fs::Mode::empty();
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::CharacterDevice, mode, 0).unwrap();
    }

    fn names(mount: &OwnedFd) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(hull_sys::fs::fd_path(mount))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn layers_are_one_tree_without_whiteouts_and_cannot_be_written() {
        in_mount_namespace("layers_are_one_tree_without_whiteouts_and_cannot_be_written", |scratch| {
            let [low, high, empty] = ["low", "high", "empty"].map(|name| scratch.path().join(name));
            for (layer, name) in [(&low, "a"), (&low, "b"), (&high, "c")] {
                fs::create_dir_all(layer).unwrap();
                fs::write(layer.join(name), name).unwrap();
            }
            whiteout(&high.join("a"));
            whiteout(&high.join("never-was"));
            assert!(fs::symlink_metadata(high.join("a")).unwrap().file_type().is_char_device());
            let view = |layers: &[PathBuf]| LayersView::mount(layers, &empty).unwrap();
            assert_eq!(names(&view(&[high.clone(), low.clone()]).mount), ["b", "c"]);
            assert_eq!(names(&view(std::slice::from_ref(&high)).mount), ["c"]);
            assert_eq!(names(&view(&[]).mount), [""; 0]);
            let held = view(&[high.clone(), low.clone()]);
            let written = fs::write(format!("{}/new", hull_sys::fs::fd_path(&held)), "");
            assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
            let many: Vec<PathBuf> = (0..120).map(|n| scratch.path().join(format!("{n}"))).collect();
            many.iter().for_each(|layer| fs::create_dir(layer).unwrap());
            fs::write(many[119].join("lowest"), "").unwrap();
            assert_eq!(names(&view(&many).mount), ["lowest"]);
            let lowers = many.iter().map(|layer| Handle::open(layer).unwrap()).collect::<Vec<_>>();
            let Ok(mount) = with_string(&lowers, false, &empty) else { panic!("mount(2) refuses it") };
            assert_eq!(names(&mount), ["lowest"]);
            assert!(empty.read_dir().unwrap().next().is_none(), "nothing stays mounted");
            let attached = scratch.path().join("attached");
            view(&[high, low]).attach(&attached).unwrap();
            assert!(attached.join("b").exists());
            nix::mount::umount2(&attached, MntFlags::MNT_DETACH).unwrap();
        });
    }
}
