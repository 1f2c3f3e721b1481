//! Bind mounts that are begun before the clone: those whose ids are mapped, which takes rights over the file system, and
//! all of a container in a user namespace, where the kernel binds nothing that hides a part of the host's mounts
//! (mount_namespaces(7), "Restrictions") and other people's directories cannot be passed.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;

use super::mounts::clone_source;
use super::options::{self, Depth};
use crate::error::{Error, Result, Step};
use crate::idmap;
use crate::namespaces;
use crate::spec::{Mount, NamespaceKind, Spec};

/// One for each of the spec's mounts. The child inherits them.
pub(crate) struct Sources(Vec<Option<OwnedFd>>);

impl Sources {
    pub(crate) fn prepare(spec: &Spec, bundle: &Path) -> Result<Self> {
        let all = idmap::is_asked(spec);
        let is_wanted = |mount: &Mount| options::is_bind(mount) && (all || is_mapped(mount));
        if !spec.mounts.iter().any(is_wanted) {
            return Ok(Self(Vec::new()));
        }
        let root = std::fs::File::open("/").step(|| "open /".into())?;
        let one = |mount: &Mount| match is_wanted(mount) {
            true => match prepare(&root, spec, mount, bundle) {
                // An ordinary user has no rights over mounts, until they are in a namespace of their own: the child tries.
                Err(Error::Step { errno: Errno::EPERM, .. }) if !is_mapped(mount) => Ok(None),
                prepared => prepared.map(Some),
            },
            false => Ok(None),
        };
        spec.mounts.iter().map(one).collect::<Result<_>>().map(Self)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&OwnedFd> {
        self.0.get(index)?.as_ref()
    }
}

fn is_mapped(mount: &Mount) -> bool {
    mount.options.iter().any(|option| option == "idmap" || option == "ridmap")
        || !mount.uid_mappings.is_empty()
}

fn prepare(root: &std::fs::File, spec: &Spec, mount: &Mount, bundle: &Path) -> Result<OwnedFd> {
    let parsed = options::parse(&mount.options);
    let tree = clone_source(root, mount, &parsed, bundle)?;
    let step = || format!("prepare the mount on {}", mount.destination.display());
    // As everything in the container's mount namespace: what is mounted below it there does not reach the host.
    let propagation = spec.linux.as_ref().and_then(|linux| linux.rootfs_propagation.as_deref());
    if !matches!(propagation, Some("shared" | "rshared")) {
        hull_sys::mount::set_attributes(&tree, 0, 0, libc::MS_SLAVE, true).step(step)?;
    }
    if is_mapped(mount) {
        let namespace = namespace_of(spec, mount)?;
        hull_sys::mount::map_ids(&tree, &namespace, parsed.idmap == Some(Depth::Below))
            .step(|| format!("map the ids of the mount on {}", mount.destination.display()))?;
    }
    Ok(tree)
}

/// The mount's own mappings, or the container's.
fn namespace_of(spec: &Spec, mount: &Mount) -> Result<OwnedFd> {
    if !mount.uid_mappings.is_empty() {
        return idmap::namespace(&mount.uid_mappings, &mount.gid_mappings);
    }
    let joined = namespaces::of(spec).iter().find(|one| one.kind == NamespaceKind::User);
    if let Some(path) = joined.and_then(|one| one.path.as_ref()) {
        return std::fs::File::open(path).map(OwnedFd::from).step(|| format!("open {}", path.display()));
    }
    match &spec.linux {
        Some(linux) => idmap::namespace(&linux.uid_mappings, &linux.gid_mappings),
        None => idmap::namespace(&[], &[]),
    }
}
