//! The mounts of a new container: the user's, those of `--volumes-from`, and the image's volumes.

use std::path::{Path, PathBuf};

use hull_docker::flags::{local_driver, volumes_from};
use hull_image::config::RunConfig;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::ids::random_id;
use crate::records::mount_extras::MountExtras;
use crate::records::options::{CreateOptions, MountOption};
use crate::records::record::{MountKind, MountRecord};

impl Engine {
    pub(super) fn plan_mounts(
        &self,
        options: &CreateOptions,
        config: &RunConfig,
    ) -> Result<Vec<MountRecord>> {
        let mut mounts: Vec<MountRecord> = Vec::new();
        for mount in &options.mounts {
            let planned = self.plan_mount(mount)?;
            if mounts.iter().any(|other| other.destination == planned.destination) {
                return Err(Error::Invalid {
                    what: format!("mount at {}", planned.destination.display()),
                    why: "another mount has the same destination".into(),
                });
            }
            mounts.push(planned);
        }
        for other in &options.volumes_from {
            let (name, read_only) = volumes_from::parse(other)
                .map_err(|why| Error::Invalid { what: format!("volumes from {other:?}"), why })?;
            for mut mount in self.find(name)?.mounts {
                mount.read_only |= read_only;
                if !mounts.iter().any(|own| own.destination == mount.destination) {
                    mounts.push(mount);
                }
            }
        }
        for target in config.volumes.iter().flat_map(|volumes| volumes.keys()) {
            if !mounts.iter().any(|mount| mount.destination == Path::new(target)) {
                let volume = MountOption::Volume {
                    name: None,
                    target: target.into(),
                    read_only: false,
                    copy_up: true,
                    from_mount_flag: false,
                    extras: MountExtras::default(),
                };
                mounts.push(self.plan_mount(&volume)?);
            }
        }
        Ok(mounts)
    }

    fn plan_mount(&self, mount: &MountOption) -> Result<MountRecord> {
        let destination = mount.target().to_owned();
        let invalid = |why: String| Error::Invalid { what: format!("mount {}", destination.display()), why };
        if !destination.is_absolute() || destination == Path::new("/") {
            return Err(invalid("the destination must be an absolute path other than /".into()));
        }
        let mut record = MountRecord {
            kind: MountKind::Tmpfs,
            name: None,
            source: PathBuf::new(),
            destination: destination.clone(),
            read_only: false,
            copy_up: false,
            anonymous: false,
            options: vec![],
            extras: MountExtras::default(),
        };
        match mount {
            MountOption::Tmpfs { options, .. } => record.options = options.clone(),
            MountOption::Bind { source, read_only, propagation, create_source, extras, .. } => {
                if !source.exists() && !create_source {
                    return Err(invalid(format!("bind source path does not exist: {}", source.display())));
                }
                record.kind = MountKind::Bind;
                record.source = source.clone();
                record.read_only = *read_only;
                record.copy_up = !source.exists();
                record.options = propagation.iter().cloned().collect();
                record.extras = extras.clone();
            }
            MountOption::Image { image, read_only, subpath, .. } => {
                // Only root can give an image's files the owners that a user namespace has for them (mount_setattr(2)).
                if hull_sys::id_map::in_user_namespace() {
                    return Err(invalid("an unprivileged user cannot mount an image".into()));
                }
                let found = self.image(image)?;
                record.kind = MountKind::Image;
                record.name = Some(found.id.to_string());
                record.read_only = *read_only;
                record.extras.layers = self.layer_paths(&found.layer_dirs);
                record.extras.subpath = subpath.clone();
                if record.extras.layers.is_empty() {
                    return Err(invalid(format!("the image {image} has no files")));
                }
            }
            MountOption::Volume { name, read_only, copy_up, extras, .. } => {
                let (name, anonymous) = match name {
                    Some(name) => (name.clone(), false),
                    None => (random_id()?, true),
                };
                record.kind = MountKind::Volume;
                let volumes = self.volumes();
                record.source = volumes.data_dir(&name)?;
                record.extras = extras.clone();
                // An existing volume keeps the options that it was created with.
                let existing = if anonymous { None } else { volumes.find(&name)? };
                let options = existing.as_ref().map_or(&extras.driver_options, |volume| &volume.options);
                record.extras.has_driver_mount = local_driver::parse(options).map_err(invalid)?.is_some();
                record.name = Some(name);
                record.read_only = *read_only;
                record.copy_up = *copy_up;
                record.anonymous = anonymous;
            }
        }
        Ok(record)
    }
}
