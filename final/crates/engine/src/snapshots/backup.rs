//! A container with its snapshots as an archive in LXD's layout. The container and each snapshot come with all of their
//! files, so an archive needs no image.
//!
//! ```text
//! backup/index.yaml                     for LXD's import
//! backup/container/hull.json            the record         rootfs/   the files         machine-id   of a system container
//! backup/snapshots/<name>/hull.json     the snapshot       rootfs/
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::files;
use super::store::{self, InstanceSnapshot};
use crate::copy::backup::BackupWriter;
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::events::Event;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::writable::Writable;
use crate::rootfs::mount::layers_of;

pub(super) const INDEX: &str = "backup/index.yaml";
pub(super) const CONTAINER: &str = "backup/container";
pub(super) const SNAPSHOTS: &str = "backup/snapshots";
pub(super) const DOCUMENT: &str = "hull.json";
/// Its presence says that the system has its machine-id already (`crate::init::identity`).
pub(super) const MACHINE_ID: &str = "machine-id";

/// What an archive is to contain.
#[derive(Debug, Clone, Copy, Default)]
pub struct BackupOptions {
    /// Without the snapshots.
    pub instance_only: bool,
    /// The archive becomes a copy beside the original. The copy gets a machine-id of its own.
    pub is_copy: bool,
}

impl Engine {
    /// Writes the archive of a container. A running container is frozen while its files are copied.
    pub fn export_backup(&self, name: &str, options: BackupOptions, to: impl Write) -> Result<()> {
        let id = self.resolve(name)?;
        self.clear_if_dead_by_id(&id, Snapshot::take(self.root(), &id)?)?;
        let _lock = self.lock(&id).map_err(|error| error.for_container(name))?;
        let record = Record::load(self.root(), &id).map_err(|error| error.for_container(name))?;
        if record.host_image {
            let text =
                format!("container {} has this machine's /usr, which no archive can hold", record.name);
            return Err(Error::Unsupported(text));
        }
        if hull_sys::id_map::in_user_namespace() {
            // fsmount(2) wants rights over the mount namespace.
            hull_sys::mount::enter_slave_namespace().context(|| "create a mount namespace".into())?;
        }
        let snapshots = if options.instance_only { vec![] } else { store::all(self.root(), &record)? };
        let runs = Snapshot::take(self.root(), &id)?.status.is_active();
        let still = match runs {
            true => {
                let frozen = self.freeze_to_copy(&record)?;
                let files = files::copy_present(&record, &self.home_of(&record)?)?;
                drop(frozen);
                Record { writable: Writable { files, ..record.writable.clone() }, ..record.clone() }
            }
            false => record.clone(),
        };
        let machine_id = self.root().container_dir(&id).join(MACHINE_ID);
        let machine_id = if options.is_copy { None } else { std::fs::read_to_string(machine_id).ok() };
        let written = self.write_backup((&record, &still), &snapshots, machine_id.as_deref(), to);
        let collected = if runs { self.collect_layers(&record) } else { Ok(()) };
        match written {
            Ok(()) => collected?,
            Err(error) => return Err(error.with_undo(collected)),
        }
        Event::container(&record, "export").emit(self);
        Ok(())
    }

    fn write_backup(
        &self,
        (record, still): (&Record, &Record),
        snapshots: &[InstanceSnapshot],
        machine_id: Option<&str>,
        to: impl Write,
    ) -> Result<()> {
        let mut writer = BackupWriter::new(to);
        writer.document(Path::new(INDEX), &index(record, snapshots))?;
        for snapshot in snapshots {
            let directory = Path::new(SNAPSHOTS).join(&snapshot.name);
            writer.document(&directory.join(DOCUMENT), &text(snapshot)?)?;
            self.write_tree(&mut writer, &directory, &snapshot.record)?;
        }
        writer.document(&Path::new(CONTAINER).join(DOCUMENT), &text(record)?)?;
        if let Some(machine_id) = machine_id {
            writer.document(&Path::new(CONTAINER).join(MACHINE_ID), machine_id)?;
        }
        self.write_tree(&mut writer, Path::new(CONTAINER), still)?;
        writer.finish()
    }

    fn write_tree<W: Write>(
        &self,
        writer: &mut BackupWriter<W>,
        directory: &Path,
        record: &Record,
    ) -> Result<()> {
        self.home_of(record)?;
        let layers: Vec<PathBuf> = layers_of(self, record)?;
        let empty = self.root().run().join("build/empty");
        writer.tree(directory, &layers, &empty, record.copied_ids().cloned())
    }
}

fn text<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Error::Unsupported(format!("a record cannot be written as JSON: {error}")))
}

/// The document `backup/index.yaml`, which LXD reads first.
fn index(record: &Record, snapshots: &[InstanceSnapshot]) -> String {
    let expanded = &record.instance.expanded;
    let index = json!({
        "name": record.name,
        "backend": "dir",
        "pool": "default",
        "optimized": false,
        "type": "container",
        "snapshots": snapshots.iter().map(|snapshot| &snapshot.name).collect::<Vec<_>>(),
        "config": { "container": {
            "name": record.name,
            "architecture": std::env::consts::ARCH,
            "config": record.instance.config,
            "devices": record.instance.devices,
            "profiles": record.instance.profiles,
            "expanded_config": expanded.config,
            "expanded_devices": expanded.devices,
            "ephemeral": record.options.auto_remove,
            "stateful": false,
            "type": "container",
        } },
    });
    hull_lxd::yaml::write(&index)
}
