//! The files of several layers as one tree that is only read: an overlay without a directory for changes.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use rustix::mount::{fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen};

use crate::error::{Error, IoContext, Result};
use crate::overlay::{Failure, explained, failed, takes_anything};

/// Mounts the layers, top first, and opens the root of the mount, which ends when the descriptor is closed.
///
/// `empty` is a directory with nothing in it: an overlay without a directory for changes has at least two layers. A
/// kernel before 6.5 mounts there, in a new mount namespace that the process stays in; newer kernels need no place.
pub fn merged(layers: &[PathBuf], empty: &Path) -> Result<OwnedFd> {
    let in_user_namespace = hull_sys::id_map::in_user_namespace();
    if in_user_namespace {
        // fsmount(2) wants rights over the mount namespace.
        hull_sys::mount::enter_slave_namespace().context(|| "create a mount namespace".into())?;
    }
    let open = |path: &Path| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).context(|| format!("open the layer {}", path.display()))
    };
    let opened = layers.iter().map(PathBuf::as_path).chain([empty]).map(open).collect::<Result<Vec<_>>>()?;
    let links: Vec<String> = opened.iter().map(hull_sys::fs::fd_path).collect();
    let mounted = match detached(&links, in_user_namespace) {
        Ok(Some(mounted)) => return Ok(mounted),
        Ok(None) => attached(&links, empty, in_user_namespace),
        Err(failure) => Err(failure),
    };
    mounted.map_err(|Failure { step, error }| Error::Overlay {
        target: empty.to_owned(),
        step,
        source: error.into(),
        obstacle: None,
    })?;
    open(empty)
}

/// `None` if the kernel does not take layers one by one.
fn detached(links: &[String], userxattr: bool) -> Result<Option<OwnedFd>, Failure> {
    let context = match fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC) {
        Err(Errno::NOSYS) => return Ok(None),
        context => context.map_err(failed("fsopen"))?,
    };
    if takes_anything(&context) {
        return Ok(None);
    }
    for (n, link) in links.iter().enumerate() {
        match fsconfig_set_string(&context, "lowerdir+", link.as_str()) {
            Err(Errno::INVAL) if n == 0 => return Ok(None),
            set => set.map_err(|error| explained(&context, "lowerdir+", error))?,
        }
    }
    if userxattr {
        fsconfig_set_flag(&context, "userxattr").map_err(|error| explained(&context, "userxattr", error))?;
    }
    fsconfig_create(&context).map_err(|error| explained(&context, "fsconfig", error))?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map(Some).map_err(failed("fsmount"))
}

fn attached(links: &[String], target: &Path, userxattr: bool) -> Result<(), Failure> {
    let failure = |errno: nix::errno::Errno| failed("mount")(Errno::from_raw_os_error(errno as i32));
    hull_sys::mount::enter_slave_namespace().map_err(failure)?;
    let options = format!("lowerdir={}{}", links.join(":"), if userxattr { ",userxattr" } else { "" });
    let options = CString::new(options).map_err(|_| failed("mount")(Errno::INVAL))?;
    let flags = nix::mount::MsFlags::MS_RDONLY | nix::mount::MsFlags::MS_NODEV;
    nix::mount::mount(Some("hull"), target, Some("overlay"), flags, Some(options.as_c_str())).map_err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::in_mount_namespace;
    use std::fs;

    #[test]
    fn the_top_layer_hides_what_is_below() {
        in_mount_namespace("the_top_layer_hides_what_is_below", |scratch| {
            let [top, below, empty] = ["top", "below", "empty"].map(|name| scratch.path().join(name));
            for (path, content) in [(&top, "1"), (&below, "2")] {
                fs::create_dir(path).unwrap();
                fs::write(path.join("file"), content).unwrap();
            }
            fs::create_dir(&empty).unwrap();
            fs::write(below.join("gone"), "").unwrap();
            let whiteout = nix::sys::stat::SFlag::S_IFCHR;
            nix::sys::stat::mknod(&top.join("gone"), whiteout, nix::sys::stat::Mode::empty(), 0).unwrap();
            for layers in [vec![top.clone(), below.clone()], vec![top.clone()]] {
                let root = merged(&layers, &empty).unwrap();
                let path = PathBuf::from(hull_sys::fs::fd_path(&root));
                let names = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
                assert_eq!(names.collect::<Vec<_>>(), ["file"]);
                assert_eq!(fs::read_to_string(path.join("file")).unwrap(), "1");
            }
            let links = [&top, &below].map(|path| path.display().to_string());
            attached(&links, &empty, false).ok().unwrap();
            assert_eq!(fs::read_to_string(empty.join("file")).unwrap(), "1");
        });
    }
}
