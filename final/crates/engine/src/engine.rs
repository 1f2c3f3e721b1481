//! The engine: a state root, its images, and the cgroup its containers live under.

use std::path::Path;

use hull_image::store::Images;
use hull_runtime::cgroups::{self, Cgroup, Layout};
use hull_storage::lock::Lock;
use hull_storage::root::Root;

use crate::error::{Error, IoContext, Result};
use crate::net::NetworkDefaults;
use crate::records::record::Record;

#[derive(Debug, Clone)]
pub struct Engine {
    root: Root,
    images: Images,
    cgroup_parent: Option<String>,
    network_defaults: NetworkDefaults,
}

impl Engine {
    /// Opens the roots, made if missing. `cgroup_parent` is a path below the cgroup root; if it is not given, `/hull`, or for an
    /// ordinary user the same in their delegated cgroup.
    ///
    /// As an ordinary user this first enters the user namespace that all of the user's hull processes share.
    pub fn open(data: &Path, run: &Path, cgroup_parent: Option<String>) -> Result<Self> {
        crate::rootless::enter(run)?;
        let root = Root::open(data, run)?;
        let images = Images::open(&root)?;
        Ok(Self { root, images, cgroup_parent, network_defaults: NetworkDefaults::default() })
    }

    /// Sets how the default network, and networks without a subnet, are made.
    pub fn with_network_defaults(self, network_defaults: NetworkDefaults) -> Self {
        Self { network_defaults, ..self }
    }

    pub(crate) fn network_defaults(&self) -> &NetworkDefaults {
        &self.network_defaults
    }

    pub fn root(&self) -> &Root {
        &self.root
    }

    pub fn images(&self) -> &Images {
        &self.images
    }

    pub(crate) fn cgroup_path(&self, id: &str) -> String {
        let default =
            || format!("{}/hull{}", self.delegated_cgroup().unwrap_or_default(), self.root.name_suffix());
        let parent = self.cgroup_parent.clone().unwrap_or_else(default);
        format!("{}/{id}", parent.trim_end_matches('/'))
    }

    /// The cgroup in which an ordinary user may make others. `None` when there is none, or when the user named a
    /// parent.
    pub(crate) fn delegated_cgroup(&self) -> Option<String> {
        if self.cgroup_parent.is_some() || !hull_sys::process::in_user_namespace() {
            return None;
        }
        cgroups::delegated(&cgroup_layout().ok()?).map(|path| format!("/{}", path.trim_matches('/')))
    }

    /// Removes the cgroup that all containers are in, if it is empty. A container that starts at the same time makes it
    /// again.
    pub(crate) fn remove_empty_cgroup_parent(&self) {
        // One that the user has given is not ours to remove.
        if self.cgroup_parent.is_none()
            && let Ok(layout) = cgroup_layout()
        {
            layout.cgroup(&self.cgroup_path("")).remove_if_empty();
        }
    }

    /// The cgroup of a container, by the path its state recorded.
    pub(crate) fn cgroup(&self, path: &str) -> Result<Cgroup> {
        Ok(cgroup_layout()?.cgroup(path))
    }

    /// The full id of a container given by name, id, or the beginning of an id.
    pub fn resolve(&self, name_or_id: &str) -> Result<String> {
        // docker's order: whole id, name, beginning of an id.
        if name_or_id.len() == 64 && self.ids()?.iter().any(|id| id == name_or_id) {
            return Ok(name_or_id.to_owned());
        }
        if let Some(id) = hull_storage::names::resolve(&self.root, name_or_id)? {
            return Ok(id);
        }
        let is_id = !name_or_id.is_empty() && name_or_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut found: Vec<String> = match is_id {
            true => self.ids()?.into_iter().filter(|id| id.starts_with(name_or_id)).collect(),
            false => vec![],
        };
        match found.len() {
            0 => Err(Error::NoSuchContainer(name_or_id.into())),
            1 => Ok(found.remove(0)),
            _ => {
                found.iter_mut().for_each(|id| id.truncate(12));
                Err(Error::Ambiguous { name: name_or_id.into(), candidates: found })
            }
        }
    }

    pub(crate) fn find(&self, name_or_id: &str) -> Result<Record> {
        let id = self.resolve(name_or_id)?;
        // Between the name and the record another command may have removed it.
        Record::load(&self.root, &id).map_err(|error| error.for_container(name_or_id))
    }

    /// Held, with others, from looking up an image and its volumes until the container that uses them can be seen.
    pub(crate) fn lock_in_use(&self) -> Result<Lock> {
        Ok(Lock::shared_unless_stopped(&self.root.data().join("uses.lock"))?)
    }

    /// Held alone from looking for who uses an image or a volume until it is gone.
    pub(crate) fn lock_unused(&self) -> Result<Lock> {
        Ok(Lock::exclusive_within(&self.root.data().join("uses.lock"), None)?)
    }

    /// All containers' ids.
    pub(crate) fn ids(&self) -> Result<Vec<String>> {
        directories(&self.root.containers_dir())
    }
}

/// The names in a directory that are container ids.
pub(crate) fn directories(parent: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(parent) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        other => other.context(|| format!("read {}", parent.display()))?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.len() == 64 && !name.starts_with('.')).collect())
}

pub(crate) fn cgroup_layout() -> Result<Layout> {
    Ok(cgroups::detect()?)
}
