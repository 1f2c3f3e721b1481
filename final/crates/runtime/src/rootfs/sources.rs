//! Sources of bind mounts that the child cannot bind itself:
//! - sources with mapped ids, because that takes privileges over the file system;
//! - all sources of a container in a user namespace, where the kernel refuses to bind a tree with mounts below it
//!   (mount_namespaces(7), "Restrictions") and directories of other users cannot be searched.
//!
//! The parent binds them before the clone, as detached mounts. A source in the container's own root may be on an earlier
//! mount of the container, which does not exist yet. The child requests such a source when it is needed, and the parent
//! forks a process that binds it in the child's mount namespace.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use hull_sys::process::{self, Fork};
use nix::errno::Errno;
use nix::libc;

use super::mounts::clone_source;
use super::options::{self, Depth};
use crate::error::{Error, Result, Step};
use crate::idmap;
use crate::namespaces;
use crate::protocol::{Channel, Message};
use crate::spec::{Mount, NamespaceKind, Spec};

/// The process that binds the source of a mount.
pub(crate) enum Source {
    /// The parent has bound it before the clone, and the child inherits it.
    Bound(OwnedFd),
    /// The child asks the parent for it with [`request`].
    Requested,
    /// The child binds it itself.
    Own,
}

/// The sources of the spec's mounts, in their order.
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    pub(crate) fn prepare(spec: &Spec, bundle: &Path) -> Result<Self> {
        let all = namespaces::has_user(spec);
        let is_wanted = |mount: &Mount| options::is_bind(mount) && (all || is_mapped(mount));
        if !spec.mounts.iter().any(is_wanted) {
            return Ok(Self(Vec::new()));
        }
        let root = std::fs::File::open("/").step(|| "open /".into())?;
        let one = |mount: &Mount| match is_wanted(mount) {
            true if is_inside(spec, mount, bundle) => Ok(Source::Requested),
            true => match bind(&root, spec, mount, bundle) {
                // An unprivileged user may mount only in a user namespace of its own, so the child tries it there.
                Err(Error::Step { errno: Errno::EPERM, .. }) if !is_mapped(mount) => Ok(Source::Own),
                bound => bound.map(Source::Bound),
            },
            false => Ok(Source::Own),
        };
        spec.mounts.iter().map(one).collect::<Result<_>>().map(Self)
    }

    pub(crate) fn get(&self, index: usize) -> &Source {
        self.0.get(index).unwrap_or(&Source::Own)
    }

    pub(crate) fn has_requested(&self) -> bool {
        self.0.iter().any(|source| matches!(source, Source::Requested))
    }
}

/// True for a source that is below the container's root, or will be when it is made.
fn is_inside(spec: &Spec, mount: &Mount, bundle: &Path) -> bool {
    let root = spec.root.as_ref().map(|root| std::fs::canonicalize(bundle.join(&root.path)));
    let source = std::fs::canonicalize(bundle.join(mount.source.as_deref().unwrap_or_default()));
    match (root, source) {
        (Some(Ok(root)), Ok(source)) => source.starts_with(root),
        (Some(Ok(root)), Err(_)) => {
            bundle.join(mount.source.as_deref().unwrap_or_default()).starts_with(root)
        }
        _ => false,
    }
}

/// Called in the child: asks the parent for the source of the mount `index`.
pub(crate) fn request(channel: &Channel, index: usize) -> Result<OwnedFd> {
    channel.send(&Message::BindRequest(index as u32))?;
    match channel.expect()? {
        Message::BoundSource(tree) => Ok(tree),
        _ => Err(Error::InitDied),
    }
}

/// Called in the parent: answers a [`request`] from a new process, which enters the child's mount namespace and ends.
pub(crate) fn answer(
    spec: &Spec,
    bundle: &Path,
    index: u32,
    child: BorrowedFd<'_>,
    channel: &Channel,
) -> Result<()> {
    match process::fork().step(|| "fork".into())? {
        Fork::Child => {
            let bound = bind_in(spec, bundle, index, child);
            let sent = channel.send(&bound.map_or_else(Message::Failed, Message::BoundSource));
            process::exit_now(i32::from(sent.is_err()))
        }
        Fork::Parent { pid } => {
            let helper = process::pidfd_open(pid).step(|| "watch a child".into())?;
            process::reap(helper.as_fd()).step(|| "collect a child".into()).map(drop)
        }
    }
}

fn bind_in(spec: &Spec, bundle: &Path, index: u32, child: BorrowedFd<'_>) -> Result<OwnedFd> {
    let mount = spec.mounts.get(index as usize).ok_or(Error::InitDied)?;
    process::setns(child, libc::CLONE_NEWNS).step(|| "enter the container's mount namespace".into())?;
    let root = std::fs::File::open("/").step(|| "open /".into())?;
    bind(&root, spec, mount, bundle)
}

fn is_mapped(mount: &Mount) -> bool {
    mount.options.iter().any(|option| option == "idmap" || option == "ridmap")
        || !mount.uid_mappings.is_empty()
}

fn bind(root: &std::fs::File, spec: &Spec, mount: &Mount, bundle: &Path) -> Result<OwnedFd> {
    let parsed = options::parse(&mount.options);
    let tree = clone_source(root, mount, &parsed, bundle)?;
    let step = || format!("prepare the mount on {}", mount.destination.display());
    // Like all mounts of the container's namespace, it must not propagate to the host.
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

/// The user namespace with the mappings of the mount, or of the container if the mount has none.
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
