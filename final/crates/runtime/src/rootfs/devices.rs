//! Device nodes. A user namespace has no privilege to make any (mknod(2)), so the host's are bind-mounted there.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hull_sys::Kind as ErrorKind;
use nix::errno::Errno;
use rustix::fs::{FileType, Mode, OFlags};

use super::root::{Kind, Rootfs};
use crate::defaults::{DEVICES, LINKS};
use crate::error::{Error, Result, Step};
use crate::spec::Device;

/// Makes docker's devices and links in /dev.
pub(crate) fn make_default_devices(rootfs: &Rootfs, bind: bool) -> Result<()> {
    let dev = rootfs.find(Path::new("/dev"), OFlags::PATH | OFlags::DIRECTORY).step(|| "open /dev".into())?;
    for (name, major, minor) in DEVICES {
        let path = Path::new("/dev").join(name);
        if bind {
            bind_host(rootfs, &path)?;
        } else {
            node(&dev, name, FileType::CharacterDevice, 0o666, (*major, *minor))
                .step(|| format!("make the device {}", path.display()))?;
        }
    }
    for (name, target) in LINKS {
        match rustix::fs::symlinkat(*target, &dev, *name) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(errno).step(|| format!("link /dev/{name}")),
        }
    }
    Ok(())
}

/// Makes a device of `config.json`.
pub(crate) fn make_device(rootfs: &Rootfs, device: &Device, bind: bool) -> Result<()> {
    if bind {
        return bind_device(rootfs, device);
    }
    let step = || format!("make the device {}", device.path.display());
    let kind = match device.kind.as_str() {
        "c" | "u" => FileType::CharacterDevice,
        "b" => FileType::BlockDevice,
        "p" => FileType::Fifo,
        other => return Err(Error::Invalid(format!("device type {other:?}"))),
    };
    let (Some(parent), Some(name)) = (device.path.parent(), device.path.file_name().and_then(|n| n.to_str()))
    else {
        return Err(Error::Invalid(format!("device path {}", device.path.display())));
    };
    let directory = rootfs.find_or_make(parent, Kind::Directory)?;
    let number = |value: i64| u32::try_from(value).map_err(|_| Errno::EINVAL).step(step);
    let numbers = (number(device.major)?, number(device.minor)?);
    node(&directory, name, kind, device.file_mode.unwrap_or(0o666), numbers).step(step)?;
    let (uid, gid) = (device.uid.unwrap_or(0), device.gid.unwrap_or(0));
    if (uid, gid) != (0, 0) {
        let owner = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        // By descriptor, and checked, because in a shared volume another file may have taken its place.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&directory, name, flags, Mode::empty()).step(step)?;
        let stat = rustix::fs::fstat(&made).step(step)?;
        let number = if kind == FileType::Fifo { 0 } else { rustix::fs::makedev(numbers.0, numbers.1) };
        if (FileType::from_raw_mode(stat.st_mode), stat.st_rdev) != (kind, number) {
            let text = format!("{} is another file than the one made", device.path.display());
            return Err(Error::failed(ErrorKind::Conflict, text));
        }
        let flags = rustix::fs::AtFlags::EMPTY_PATH;
        rustix::fs::chownat(&made, "", Some(owner.0), Some(owner.1), flags).step(step)?;
    }
    Ok(())
}

/// Makes a node. The umask is 0 while the root is built, so the node gets exactly this mode.
fn node(
    dir: &OwnedFd,
    name: &str,
    kind: FileType,
    mode: u32,
    (major, minor): (u32, u32),
) -> rustix::io::Result<()> {
    let number = rustix::fs::makedev(major, minor);
    match rustix::fs::mknodat(dir, name, kind, Mode::from_raw_mode(mode & 0o7777), number) {
        Err(rustix::io::Errno::EXIST) => Ok(()),
        result => result,
    }
}

fn bind_host(rootfs: &Rootfs, path: &Path) -> Result<()> {
    let step = || format!("bind the device {}", path.display());
    let tree = clone_host(rootfs, path).step(step)?;
    let target = rootfs.find_or_make(path, Kind::File)?;
    hull_sys::mount::attach(&tree, &target).step(step)
}

/// Binds the host's node that has these device numbers. The host's node of the same name may be another device, and the
/// device may have another name there.
fn bind_device(rootfs: &Rootfs, device: &Device) -> Result<()> {
    let step = || format!("bind the device {}", device.path.display());
    let directory = if device.kind == "b" { "block" } else { "char" };
    // udev makes such a link for every device.
    let by_number = format!("/dev/{directory}/{}:{}", device.major, device.minor);
    for candidate in [device.path.as_path(), Path::new(&by_number)] {
        let tree = match clone_host(rootfs, candidate) {
            Err(Errno::ENOENT) => continue,
            tree => tree.step(step)?,
        };
        if is_device(&tree, device).step(step)? {
            let target = rootfs.find_or_make(&device.path, Kind::File)?;
            return hull_sys::mount::attach(&tree, &target).step(step);
        }
    }
    Err(Error::Invalid(format!(
        "device {}: the host has no device {} {}:{} under this name, and a user namespace cannot make device nodes",
        device.path.display(),
        device.kind,
        device.major,
        device.minor
    )))
}

fn clone_host(rootfs: &Rootfs, path: &Path) -> nix::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    hull_sys::mount::clone_tree(rootfs, &path, false)
}

fn is_device(tree: impl AsFd, device: &Device) -> rustix::io::Result<bool> {
    let found = rustix::fs::fstat(tree)?;
    let kind = match FileType::from_raw_mode(found.st_mode) {
        FileType::CharacterDevice => ["c", "u"].contains(&device.kind.as_str()),
        FileType::BlockDevice => device.kind == "b",
        FileType::Fifo => return Ok(device.kind == "p"),
        _ => false,
    };
    let (major, minor) = (rustix::fs::major(found.st_rdev), rustix::fs::minor(found.st_rdev));
    Ok(kind && (i64::from(major), i64::from(minor)) == (device.major, device.minor))
}
