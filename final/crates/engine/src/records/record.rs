//! `containers/<id>/container.json`: what was created. Written once by `create`, and again by `rename`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hull_docker::wire::config::Healthcheck;
use hull_image::lxd::Template;
use hull_network::ports::{Mapping, Port};
use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;
use hull_storage::writable_layer::WritableLayer;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::records::handed::Handed;
use crate::records::instance::Instance;
use crate::records::mount_extras::MountExtras;
use crate::records::options::{self, CreateOptions};
use crate::records::time::Timestamp;
use crate::records::userns::IdMaps;
use crate::records::writable::Writable;

const FORMAT: u32 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub format: u32,
    pub id: String,
    #[serde(default, skip_serializing_if = "Kind::is_container")]
    pub kind: Kind,
    pub name: String,
    pub created: Timestamp,
    /// `sha256:…` of the image's configuration.
    pub image_id: String,
    /// Unpacked layers, lowest first, as paths below the data root.
    pub layers: Vec<PathBuf>,
    /// The image is this machine's own `/usr`.
    #[serde(default)]
    pub host_image: bool,
    pub process: ProcessRecord,
    pub mounts: Vec<MountRecord>,
    /// Labels of the image and of the command line.
    pub labels: BTreeMap<String, String>,
    pub hostname: String,
    pub stop_signal: i32,
    /// The health check of the command line and of the image, merged.
    #[serde(default)]
    pub healthcheck: Option<Healthcheck>,
    /// Ports that the image or the command line exposes.
    #[serde(default)]
    pub exposed: Vec<Port>,
    /// The ids of a user namespace of the container's own. `None` in the engine's own one.
    #[serde(default)]
    pub id_maps: Option<IdMaps>,
    /// Settings in LXD's words.
    #[serde(default, skip_serializing_if = "Instance::is_default")]
    pub instance: Instance,
    /// Of a system from an image of LXD's: the templates of its files, by path (`init/templates.rs`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<String, Template>,
    /// Where the container's own files are.
    #[serde(default, skip_serializing_if = "Writable::is_default")]
    pub writable: Writable,
    /// The options that were given, for `inspect` and for the spec.
    #[serde(serialize_with = "options::serialize_given")]
    pub options: CreateOptions,
    /// The file that it was read from.
    #[serde(skip)]
    pub(crate) file: Option<FileId>,
    /// Of a step of a build, in its builder and its monitor only.
    #[serde(skip)]
    pub(crate) handed: Option<Arc<Handed>>,
}

/// What a container is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Container,
    /// A step of a build ([`crate::steps`]): it has no name and no events, and nothing of it is needed after its builder.
    Build { builder: ProcessId },
}

impl Kind {
    fn is_container(&self) -> bool {
        *self == Self::Container
    }
}

/// A file that is replaced as a whole has another inode or another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    inode: u64,
    modified: (i64, u64),
}

impl FileId {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let stat = rustix::fs::stat(path).ok()?;
        Some(Self { inode: stat.st_ino, modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64) })
    }
}

/// The image's configuration and the command line, merged.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ProcessRecord {
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub env: Vec<String>,
    /// Empty if neither sets one.
    pub working_dir: String,
    pub user: String,
}

impl ProcessRecord {
    /// The directory in which the program starts.
    pub fn cwd(&self) -> PathBuf {
        if self.working_dir.is_empty() { "/".into() } else { self.working_dir.clone().into() }
    }

    pub fn args(&self) -> Vec<String> {
        [self.entrypoint.as_slice(), &self.command].concat()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountRecord {
    pub kind: MountKind,
    /// The volume's name, or the image's id.
    pub name: Option<String>,
    /// On the host; empty for a tmpfs and an image.
    pub source: PathBuf,
    pub destination: PathBuf,
    pub read_only: bool,
    pub copy_up: bool,
    /// The volume goes with its container (`rm -v`, `--rm`).
    pub anonymous: bool,
    pub options: Vec<String>,
    #[serde(default, skip_serializing_if = "MountExtras::is_default")]
    pub extras: MountExtras,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    Bind,
    Volume,
    Tmpfs,
    /// An image's layers, which are in the extras. The name is the image's id.
    Image,
}

impl Record {
    pub(crate) const FORMAT: u32 = FORMAT;

    pub fn load(root: &Root, id: &str) -> Result<Self> {
        let path = root.container_dir(id).join("container.json");
        // Taken first: if the file is replaced meanwhile, the record counts as outdated.
        let file = FileId::of(&path);
        match hull_storage::file::read_json::<Self>(&path) {
            Ok(Some(record)) if record.id != id => {
                Err(Error::DamagedRecord { name: id.into(), why: format!("it is that of {}", record.id) })
            }
            Ok(Some(record)) => Ok(Self { file, ..record }),
            // A container's directory appears only when it is complete, so its record was removed.
            Ok(None) if root.container_dir(id).exists() => {
                Err(Error::DamagedRecord { name: id.into(), why: "container.json is missing".into() })
            }
            Ok(None) => Err(Error::NoSuchContainer(id.into())),
            Err(error @ hull_storage::Error::Damaged { .. }) => {
                Err(Error::DamagedRecord { name: id.into(), why: error.to_string() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The record as it is on disk, which is read only if it has changed: `update` and `rename` write another one. Called
    /// under the container's lock, or where the next call will see what changes now.
    pub(crate) fn refresh(&mut self, root: &Root) -> Result<()> {
        let file = FileId::of(&root.container_dir(&self.id).join("container.json"));
        if file.is_none() || file != self.file {
            *self = Self { handed: self.handed.take(), ..Self::load(root, &self.id)? };
        }
        Ok(())
    }

    /// Writes the record into the container's directory.
    pub(crate) fn store(&self, directory: &Path) -> Result<()> {
        Ok(hull_storage::file::write_json_atomic(&directory.join("container.json"), self)?)
    }

    /// The ports to publish: those of `-p`, and with `-P` also the exposed ports that `-p` does not publish.
    pub(crate) fn mappings(&self) -> Vec<Mapping> {
        let mut mappings = self.options.publish.clone();
        let named = |port: &Port| self.options.publish.iter().any(|mapping| mapping.container == *port);
        let all = self.exposed.iter().filter(|port| self.options.publish_all && !named(port));
        mappings.extend(all.map(|port| Mapping { host_ip: None, host: None, container: *port }));
        mappings.extend(self.options.plugged.ports.iter().map(|(_, mapping)| mapping.clone()));
        mappings
    }

    /// Whether the container's processes are in a user namespace other than the initial one: its own, or that of an
    /// unprivileged user's engine.
    pub(crate) fn in_user_namespace(&self) -> bool {
        self.id_maps.is_some() || hull_sys::id_map::in_user_namespace()
    }

    /// The ids that are mapped when the container's files are mounted. That takes privileges over their file system, which
    /// root has; files of other users' containers have the ids of [`Self::copied_ids`] on the disk.
    pub(crate) fn mapped_ids(&self) -> Option<&IdMaps> {
        self.id_maps.as_ref().filter(|_| !hull_sys::id_map::in_user_namespace())
    }

    /// The ids with which the container's files were copied from the image's layers.
    pub(crate) fn copied_ids(&self) -> Option<&IdMaps> {
        self.id_maps.as_ref().filter(|_| hull_sys::id_map::in_user_namespace())
    }

    /// Whether the files of a mount have the container's ids, and not those of the host. A volume's always have them. An
    /// overlay cannot be idmapped (mount_setattr(2)).
    pub(crate) fn maps_ids_of(&self, mount: &MountRecord) -> bool {
        let is_wanted = mount.kind == MountKind::Volume || mount.extras.idmap;
        self.mapped_ids().is_some() && is_wanted && !mount.extras.overlay
    }

    /// Whether a step of a build joins the network namespace of its stage.
    pub(crate) fn shares_stage_network(&self) -> bool {
        self.handed.as_ref().is_some_and(|handed| handed.network.is_some())
    }

    /// Whether this is a step of a build.
    pub(crate) fn is_step(&self) -> bool {
        matches!(self.kind, Kind::Build { .. })
    }

    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

/// Where the container's own files are.
impl Record {
    /// The directory that has the container's files.
    pub(crate) fn home(&self, root: &Root) -> PathBuf {
        self.writable.home(root, &self.id)
    }

    /// The layer that the container writes to. `None` if the container's root is a subvolume ([`Self::subvolume`]).
    pub(crate) fn writable_layer(&self, root: &Root) -> Option<WritableLayer> {
        self.writable.present(&self.home(root))
    }

    /// The subvolume that is the container's root. `None` if the root is an overlay.
    pub(crate) fn subvolume(&self, root: &Root) -> Option<PathBuf> {
        self.writable.subvolume(&self.home(root))
    }

    /// The container's own layers below [`Self::writable_layer`], the newest first.
    pub(crate) fn private_layers(&self, root: &Root) -> Vec<WritableLayer> {
        self.writable.private(&self.home(root))
    }

    /// All of the container's own layers, the newest first.
    pub(crate) fn changed_layers(&self, root: &Root) -> Vec<WritableLayer> {
        self.writable_layer(root).into_iter().chain(self.private_layers(root)).collect()
    }
}
