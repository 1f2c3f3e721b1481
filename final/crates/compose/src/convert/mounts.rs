//! Volumes, binds and tmpfs. As Compose does, a mount that `-v` can express goes into `Binds`, because there the engine makes
//! a missing source; every other one goes into `Mounts`.

use std::collections::BTreeMap;

use hull_composefile::model::{self, Project, Service, ServiceVolume};
use hull_docker::wire::container::MountPoint;
use hull_docker::wire::host_config::{
    BindOptions, HostConfig, ImageOptions, Mount, TmpfsOptions, VolumeOptions,
};

use super::{Around, files};
use crate::Result;

/// The mounts by their targets: each target has one.
type Mounts = BTreeMap<String, Mount>;

pub fn apply(
    around: &Around<'_>,
    service: &Service,
    image_volumes: &[String],
    replaced: &[MountPoint],
    host: &mut HostConfig,
) -> Result<()> {
    for mount in all(around.project, service, image_volumes, replaced)?.into_values() {
        match bind_text(around.project, service, &mount) {
            Some(text) => host.binds.push(text),
            None => host.mounts.push(mount),
        }
    }
    for text in &service.tmpfs.0 {
        let (target, options) = text.split_once(':').unwrap_or((text, ""));
        host.tmpfs.insert(target.to_owned(), options.to_owned());
    }
    host.volumes_from = volumes_from(around, service)?;
    Ok(())
}

fn all(
    project: &Project,
    service: &Service,
    image_volumes: &[String],
    replaced: &[MountPoint],
) -> Result<Mounts> {
    let mut all = Mounts::new();
    for mount in replaced.iter().filter(|mount| mount.kind != "tmpfs") {
        let is_anonymous =
            |volume: &ServiceVolume| volume.target == mount.destination && volume.source.is_empty();
        if image_volumes.contains(&mount.destination) || service.volumes.iter().any(is_anonymous) {
            all.insert(mount.destination.clone(), kept(mount));
        }
    }
    for volume in &service.volumes {
        if volume.source.is_empty() && volume.kind == "volume" && all.contains_key(&volume.target) {
            continue;
        }
        all.insert(volume.target.clone(), mount(project, volume));
    }
    for mount in files::mounts(project, service)? {
        all.entry(mount.target.clone()).or_insert(mount);
    }
    Ok(all)
}

/// A mount of the replaced container, for the new one.
fn kept(mount: &MountPoint) -> Mount {
    let source = match mount.kind.as_str() {
        "volume" => mount.name.clone().unwrap_or_default(),
        _ => mount.source.clone(),
    };
    Mount {
        kind: mount.kind.clone(),
        source,
        target: mount.destination.clone(),
        read_only: !mount.rw,
        ..Mount::default()
    }
}

fn mount(project: &Project, volume: &ServiceVolume) -> Mount {
    let named = project.volumes.get(&volume.source).filter(|_| volume.kind == "volume");
    let mut mount = Mount {
        kind: volume.kind.clone(),
        source: named.map_or(&volume.source, |volume| &volume.name).clone(),
        target: volume.target.clone(),
        read_only: volume.read_only,
        consistency: volume.consistency.clone(),
        ..Mount::default()
    };
    match volume.kind.as_str() {
        "bind" => mount.bind_options = volume.bind.as_ref().map(bind_options),
        "volume" => mount.volume_options = volume.volume.as_ref().map(volume_options),
        "tmpfs" => mount.tmpfs_options = volume.tmpfs.as_ref().map(tmpfs_options),
        "image" => {
            let options = volume.image.as_ref();
            mount.image_options = options.map(|image| ImageOptions { subpath: image.subpath.clone() });
        }
        _ => {}
    }
    mount
}

fn bind_options(bind: &model::BindOptions) -> BindOptions {
    BindOptions {
        propagation: bind.propagation.clone(),
        create_mountpoint: bind.create_host_path,
        non_recursive: bind.recursive == "disabled",
        read_only_non_recursive: bind.recursive == "writable",
        read_only_force_recursive: bind.recursive == "readonly",
    }
}

fn volume_options(volume: &model::VolumeOptions) -> VolumeOptions {
    VolumeOptions {
        no_copy: volume.nocopy,
        subpath: volume.subpath.clone(),
        labels: volume.labels.0.clone(),
        driver_config: None,
    }
}

fn tmpfs_options(tmpfs: &model::TmpfsOptions) -> TmpfsOptions {
    TmpfsOptions {
        size_bytes: Some(tmpfs.size.0).filter(|size| *size != 0),
        mode: Some(tmpfs.mode).filter(|mode| *mode != 0),
        options: vec![],
    }
}

/// The text of `-v` for a mount that needs no more.
fn bind_text(project: &Project, service: &Service, mount: &Mount) -> Option<String> {
    let own = service.volumes.iter().find(|volume| volume.target == mount.target)?;
    let is_simple = match mount.kind.as_str() {
        "bind" => own.bind.as_ref().is_none_or(|bind| {
            bind.create_host_path && bind.propagation.is_empty() && bind.recursive.is_empty()
        }),
        "volume" => {
            let is_named = project.volumes.values().any(|volume| volume.name == mount.source);
            let asks =
                |one: &model::VolumeOptions| !one.labels.is_empty() || !one.subpath.is_empty() || one.nocopy;
            is_named && !own.volume.as_ref().is_some_and(asks)
        }
        _ => false,
    };
    let options = || {
        let access = if own.read_only { "ro" } else { "rw" };
        let relabel = own.bind.as_ref().map_or("", |bind| &bind.selinux);
        if relabel.is_empty() { access.to_owned() } else { format!("{access},{relabel}") }
    };
    is_simple.then(|| format!("{}:{}:{}", mount.source, mount.target, options()))
}

/// `SERVICE[:MODE]` becomes the service's first container. Compose forgets the mode; the specification has it, and so do the
/// containers here.
fn volumes_from(around: &Around<'_>, service: &Service) -> Result<Vec<String>> {
    let resolve = |(index, text): (usize, &String)| {
        let (container, mode) = match text.strip_prefix("container:") {
            Some(rest) => {
                rest.split_once(':').map_or((rest.to_owned(), ""), |(name, mode)| (name.to_owned(), mode))
            }
            None => {
                let (name, mode) = text.split_once(':').unwrap_or((text, ""));
                let index = index.to_string();
                let path = ["services", &service.name, "volumes_from", &index];
                (around.first_of(name, &path, "volumes")?, mode)
            }
        };
        Ok(if mode.is_empty() { container } else { format!("{container}:{mode}") })
    };
    service.volumes_from.iter().enumerate().map(resolve).collect()
}
