//! `create`: plans everything that can be refused, claims the name, then makes the container's directory. A step that
//! fails undoes the ones before it.
//!
//! ```text
//! check   options that contradict each other, or that this machine cannot fulfil
//! plan    options and image → the record
//! mounts  the record's mounts: volumes, bind mounts, tmpfs
//! ```

mod check;
mod mounts;
mod plan;

use std::collections::BTreeMap;
use std::path::PathBuf;

use hull_docker::flags::local_driver;
use hull_image::config::RunConfig;
use hull_image::lxd::Template;
use hull_image::store::Image;
use hull_storage::names;
use hull_storage::staging::Staging;
use hull_storage::writable_layer::WritableLayer;

use crate::containers::names::generate;
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::events::Event;
use crate::gc::removal::Remains;
use crate::init::templates;
use crate::new_volumes::NewVolumes;
use crate::records::ids::random;
use crate::records::options::CreateOptions;
use crate::records::record::{MountKind, Record};

/// What a new container is made on.
#[derive(Debug, Default)]
pub(crate) struct Base {
    /// `sha256:…` of the image's configuration.
    pub image_id: String,
    /// Unpacked layers, lowest first, as paths below the data root.
    pub layers: Vec<PathBuf>,
    pub is_host_image: bool,
    pub config: RunConfig,
    /// Of a system from an image of LXD's, by path.
    pub templates: BTreeMap<String, Template>,
}

impl Engine {
    /// Creates a container without starting it.
    pub fn create(&self, options: &CreateOptions) -> Result<Record> {
        let mut options = options.clone();
        let _profiles = self.configure(&mut options)?;
        crate::init::apply(&mut options)?;
        let options = &options;
        let lock = self.lock_in_use()?;
        let image = self.image(&options.image)?;
        if let Some(wanted) = &options.platform {
            check::platform(&image, &options.image, wanted)?;
        }
        let mut record = self.plan(options, &image)?;
        self.claim_name(&mut record, options.name.as_deref())?;
        if let Some(name) = crate::init::host_name(&record) {
            record.hostname = name;
        }
        let mut volumes = NewVolumes::of_new(&record.id);
        let made = self.give_ids(&mut record).and_then(|()| self.make(&record, &mut volumes));
        // The container's record now says what it uses. Without a record nothing has to be kept for it.
        drop(lock);
        match made {
            Ok(()) => {
                Event::container(&record, "create").emit(self);
                Ok(record)
            }
            Err(error) => {
                let remains = Remains::of(&record, true).without_event();
                let removed = crate::gc::removal::remove_files(self, remains);
                Err(error.with_undo(removed))
            }
        }
    }

    fn image(&self, name: &str) -> Result<Image> {
        match name {
            "host" => Ok(hull_image::host_image::ensure_host_image(&self.images().clone())?),
            _ => Ok(self.images().resolve(name)?),
        }
    }

    fn claim_name(&self, record: &mut Record, asked: Option<&str>) -> Result<()> {
        if let Some(name) = asked {
            // A name of one character is LXD's, for its containers.
            if !record.options.system && !names::is_valid(name) {
                return Err(hull_storage::Error::InvalidName { what: "container", name: name.into() }.into());
            }
            names::claim(self.root(), name, &record.id)?;
            record.name = name.into();
            return Ok(());
        }
        for attempt in 0.. {
            record.name = generate(random()?, attempt);
            match names::claim(self.root(), &record.name, &record.id) {
                Err(hull_storage::Error::NameTaken { .. }) => {}
                other => return Ok(other?),
            }
        }
        Ok(())
    }

    /// Makes the container's directory under another name and renames it, so that a killed command never leaves a partial container.
    pub(crate) fn make(&self, record: &Record, volumes: &mut NewVolumes) -> Result<()> {
        let staged = Staging::new(&self.root().containers_dir())?;
        let directory = staged.path();
        WritableLayer::of(directory).create()?;
        for mount in &record.mounts {
            match (mount.kind, &mount.name) {
                (MountKind::Volume, Some(name)) => {
                    volumes.make(self, mount)?;
                    let options = self.volumes().get(name)?.options;
                    let is_mount = local_driver::parse(&options).is_ok_and(|mount| mount.is_some());
                    if is_mount != mount.extras.has_driver_mount {
                        let text =
                            format!("another command has created the volume {name} with other options");
                        return Err(Error::Unsupported(text));
                    }
                }
                (MountKind::Bind, _) if mount.copy_up => std::fs::create_dir_all(&mount.source)
                    .context(|| format!("create {} for a bind mount", mount.source.display()))?,
                _ => {}
            }
        }
        templates::note(directory, record, templates::Event::Create)?;
        record.store(directory)?;
        match staged.publish(&self.root().container_dir(&record.id))? {
            // The record, which is in place now, says where the files are to be.
            true => crate::pools::place::make(self, record)
                .map_err(|error| error.in_pool(record.writable.pool_name())),
            false => Err(Error::Unsupported(format!("container {} exists", record.id))),
        }
    }
}
