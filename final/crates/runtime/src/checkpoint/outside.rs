//! Resources of the host that a container uses: volumes and devices, shared namespaces, stdin, stdout and stderr.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use hull_sys::mountinfo::{self, Mounted};
use rustix::fs::OFlags;

use super::{Error, Message, field};
use crate::error::{Result, Step};
use crate::namespaces;
use crate::rootfs;
use crate::spec::{NamespaceKind, Spec};

/// runc's file beside CRIU's images, with the names of the files that stdin, stdout and stderr were.
const DESCRIPTORS: &str = "descriptors.json";

/// Sources of masks, and of a bind-mounted device.
const NULL: &str = "/dev/null";

#[derive(Debug, Default)]
pub(super) struct Outside {
    /// The values of CRIU's `external` option.
    pub externals: Vec<String>,
    /// A mount point of a host's file, and the name that it is saved by.
    pub mounts: Vec<(OsString, OsString)>,
    descriptors: Vec<String>,
}

impl Outside {
    /// Finds the resources of a running container.
    pub(super) fn of(pid: i32, spec: &Spec) -> Result<Self> {
        let mounted = mounts(pid)?;
        let mut outside = Self::default();
        for (kind, key) in SHARED {
            if let Some(path) = path_of(spec, kind) {
                let found =
                    std::fs::metadata(path).step(|| format!("open the namespace {}", path.display()))?;
                outside.externals.push(format!("{}[{}]:{key}", word(kind), found.ino()));
            }
        }
        outside.add_volumes(pid, spec, &mounted)?;
        outside.add_devices(pid, &mounted);
        for number in 0..3 {
            let described = outside.descriptor(pid, number, &mounted)?;
            outside.descriptors.push(described);
        }
        Ok(outside)
    }

    /// A volume is named by its destination in the bundle, and mounted where the container's symlinks lead.
    fn add_volumes(&mut self, pid: i32, spec: &Spec, mounted: &[Mounted]) -> Result<()> {
        let root = rootfs::Rootfs::open(Path::new(&format!("/proc/{pid}/root")))?;
        for volume in spec.mounts.iter().filter(|mount| rootfs::is_bind(mount)) {
            let step = || format!("find the volume {} in the container", volume.destination.display());
            let found = root.find(&volume.destination, OFlags::PATH).step(step)?;
            let id = mount_id(std::process::id() as i32, found.as_raw_fd()).step(step)?;
            if let Some(found) = mounted.iter().find(|mounted| mounted.id == id) {
                self.mounts
                    .push((found.at.clone().into_os_string(), volume.destination.clone().into_os_string()));
            }
        }
        Ok(())
    }

    /// Bind-mounted devices: masks of files, and in a user namespace all devices. A terminal belongs to the container.
    fn add_devices(&mut self, pid: i32, mounted: &[Mounted]) {
        for mount in mounted.iter().filter(|mount| mount.kind != "devpts") {
            let path =
                Path::new(&format!("/proc/{pid}/root")).join(mount.at.strip_prefix("/").unwrap_or(&mount.at));
            let Ok(found) = std::fs::symlink_metadata(path) else { continue };
            let is_known = self.mounts.iter().any(|(at, _)| mount.at == Path::new(at));
            if is_known || !found.file_type().is_char_device() {
                continue;
            }
            let is_null = found.rdev() == rustix::fs::makedev(1, 3);
            let at = mount.at.clone().into_os_string();
            let name = if is_null { NULL.into() } else { at.clone() };
            self.mounts.push((at, name));
        }
    }

    /// CRIU's name of the file that a descriptor is open on. A file on none of the container's mounts is external; a
    /// pipe has a name of its own.
    fn descriptor(&mut self, pid: i32, number: i32, mounted: &[Mounted]) -> Result<String> {
        let path = PathBuf::from(format!("/proc/{pid}/fd/{number}"));
        let Ok(link) = std::fs::read_link(&path) else { return Ok(String::new()) };
        let link = link.to_string_lossy().into_owned();
        if !link.starts_with('/') {
            return Ok(link);
        }
        let step = || format!("look at {}", path.display());
        let id = mount_id(pid, number).step(step)?;
        if mounted.iter().any(|mount| mount.id == id) {
            return Ok(link);
        }
        let inode = std::fs::metadata(&path).step(step)?.ino();
        let name = format!("file[{id:x}:{inode:x}]");
        if !self.externals.contains(&name) {
            self.externals.push(name.clone());
        }
        Ok(name)
    }

    pub(super) fn write(&self, images: &Path) -> Result<()> {
        let path = images.join(DESCRIPTORS);
        let text = serde_json::to_vec(&self.descriptors).unwrap_or_default();
        std::fs::write(&path, text).step(|| format!("write {}", path.display()))
    }
}

/// The files that the restored container gets in their place: this process's stdin, stdout and stderr.
pub(super) fn give_descriptors(images: &Path, message: &mut Message) -> Result<()> {
    let path = images.join(DESCRIPTORS);
    let damaged = |why: String| Error::Image { path: path.clone(), why };
    let text = std::fs::read(&path).map_err(|error| damaged(error.to_string()))?;
    let names: Vec<String> = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    let mut given: Vec<&str> = Vec::new();
    for (number, name) in names.iter().enumerate().take(3) {
        let is_outside = name.starts_with("pipe:") || name.starts_with("file[");
        // stdout and stderr are often the same file.
        if is_outside && !given.contains(&name.as_str()) {
            inherit(message, name, number as i32);
            given.push(name);
        }
    }
    Ok(())
}

fn inherit(message: &mut Message, key: &str, number: i32) {
    let mut inherited = Message::default();
    inherited.bytes(1, key.as_bytes());
    inherited.number(2, number as u64);
    message.message(field::INHERIT, &inherited);
}

/// Namespaces that CRIU can leave alone, and their names in its images, which are runc's.
const SHARED: [(NamespaceKind, &str); 2] =
    [(NamespaceKind::Network, "extRootNetNS"), (NamespaceKind::Pid, "extRootPidNS")];

/// Namespaces that CRIU can make the restored processes join.
const JOINED: [NamespaceKind; 2] = [NamespaceKind::Ipc, NamespaceKind::Uts];

/// Refuses a container that could not be restored. Called before anything is saved.
pub(super) fn check_namespaces(spec: &Spec) -> Result<()> {
    if namespaces::is_new(spec, NamespaceKind::User) {
        // Root in the user namespace would have to read the images, which belong to root of this machine.
        return Err(Error::Unable("a container with a user namespace of its own".into()).into());
    }
    for namespace in namespaces::of(spec).iter().filter(|namespace| namespace.path.is_some()) {
        let kind = namespace.kind;
        if !JOINED.contains(&kind) && !SHARED.iter().any(|(shared, _)| *shared == kind) {
            return Err(
                Error::Unable(format!("a {} namespace that is joined by its path", word(kind))).into()
            );
        }
    }
    Ok(())
}

/// Opens the namespaces of the bundle. The caller keeps the files open as long as CRIU works.
pub(super) fn give_namespaces(spec: &Spec, message: &mut Message) -> Result<Vec<OwnedFd>> {
    let mut open = Vec::new();
    for (kind, key) in SHARED {
        let Some(path) = path_of(spec, kind) else { continue };
        let file = File::open(path).step(|| format!("open the namespace {}", path.display()))?;
        inherit(message, key, file.as_raw_fd());
        open.push(file.into());
    }
    for kind in JOINED {
        let Some(path) = path_of(spec, kind) else { continue };
        message.pair(field::JOIN, word(kind).as_bytes(), path.as_os_str().as_bytes());
    }
    Ok(open)
}

fn path_of(spec: &Spec, kind: NamespaceKind) -> Option<&Path> {
    namespaces::of(spec).iter().find(|namespace| namespace.kind == kind)?.path.as_deref()
}

fn word(kind: NamespaceKind) -> &'static str {
    namespaces::link(kind)
}

/// The paths of the bundle's volumes and the host's devices, by the names that they were saved by.
pub(super) fn give_mounts(spec: &Spec, bundle: &Path, message: &mut Message) {
    for volume in spec.mounts.iter().filter(|mount| rootfs::is_bind(mount)) {
        let source = bundle.join(volume.source.as_deref().unwrap_or_default());
        let (name, source) = (volume.destination.as_os_str(), source.as_os_str());
        message.pair(field::MOUNT, name.as_bytes(), source.as_bytes());
    }
    let default = [NULL, "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"].map(Path::new);
    let linux = spec.linux.as_ref();
    let asked = linux.into_iter().flat_map(|linux| &linux.devices).map(|device| device.path.as_path());
    for device in default.into_iter().chain(asked.filter(|path| !default.contains(path))) {
        message.pair(field::MOUNT, device.as_os_str().as_bytes(), device.as_os_str().as_bytes());
    }
}

/// Makes missing mount points. CRIU makes none, and a root file system in which no container has run may lack them.
pub(super) fn make_mount_points(spec: &Spec, bundle: &Path, root: &Path) -> Result<()> {
    let rootfs = rootfs::Rootfs::open(root)?;
    for (number, mount) in spec.mounts.iter().enumerate() {
        let is_below = |other: &crate::spec::Mount| mount.destination.starts_with(&other.destination);
        // It is restored with the mount that it is in.
        if spec.mounts[..number].iter().any(is_below) {
            continue;
        }
        let source = bundle.join(mount.source.as_deref().unwrap_or_default());
        let is_file = rootfs::is_bind(mount) && !source.is_dir();
        let kind = if is_file { rootfs::Kind::File } else { rootfs::Kind::Directory };
        rootfs.find_or_make(&mount.destination, kind)?;
    }
    Ok(())
}

fn mounts(pid: i32) -> Result<Vec<Mounted>> {
    let path = format!("/proc/{pid}/mountinfo");
    let text = std::fs::read(&path).step(|| format!("read {path}"))?;
    Ok(mountinfo::parse(&text))
}

/// The identity of the file that a descriptor is open on.
fn mount_id(pid: i32, number: i32) -> std::io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}"))?;
    let id = text.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    id.ok_or_else(|| std::io::Error::from_raw_os_error(nix::libc::ENODATA))
}
