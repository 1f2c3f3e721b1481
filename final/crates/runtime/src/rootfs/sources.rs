//! Bind mounts that are begun outside the container's user namespace: those whose ids are mapped, which takes rights over the
//! file system, and all of a container in a user namespace, where the kernel refuses to bind what has mounts below it
//! (mount_namespaces(7), "Restrictions") and the directories of other users cannot be passed through.
//!
//! They are begun before the clone, which costs only the calls. A source in the container's own root may lie on an
//! earlier mount of the container. The child then asks its parent for it when its turn comes, and the parent forks a
//! process that binds it in the child's mount namespace.

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

/// How one mount of the spec gets its source.
pub(crate) enum Source {
    /// Bound; the child inherits it.
    Bound(OwnedFd),
    /// To be asked for with [`ask`].
    Asked,
    /// The child binds it itself.
    Own,
}

/// One for each of the spec's mounts.
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    pub(crate) fn prepare(spec: &Spec, bundle: &Path) -> Result<Self> {
        let all = idmap::is_asked(spec);
        let is_wanted = |mount: &Mount| options::is_bind(mount) && (all || is_mapped(mount));
        if !spec.mounts.iter().any(is_wanted) {
            return Ok(Self(Vec::new()));
        }
        let root = std::fs::File::open("/").step(|| "open /".into())?;
        let one = |mount: &Mount| match is_wanted(mount) {
            true if is_inside(spec, mount, bundle) => Ok(Source::Asked),
            true => match bind(&root, spec, mount, bundle) {
                // An ordinary user has no rights over mounts, until they are in a namespace of their own: the child tries.
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

    pub(crate) fn has_asked(&self) -> bool {
        self.0.iter().any(|source| matches!(source, Source::Asked))
    }
}

/// True for a source that is, or may come to be, below the container's root.
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

/// In the child: the source of the mount `index`.
pub(crate) fn ask(channel: &Channel, index: usize) -> Result<OwnedFd> {
    channel.send(&Message::Bind(index as u32))?;
    match channel.expect()? {
        Message::Bound(tree) => Ok(tree),
        _ => Err(Error::InitDied),
    }
}

/// In the parent: answers [`ask`], from a process that enters the child's mount namespace and ends.
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
            let told = channel.send(&bound.map_or_else(Message::Failed, Message::Bound));
            process::exit_now(i32::from(told.is_err()))
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
