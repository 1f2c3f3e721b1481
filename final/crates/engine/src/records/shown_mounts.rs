//! The mounts of a container, as they are in it and as they were asked for.
//!
//! docker keeps apart what the command line wrote in two ways: `-v` is in `HostConfig.Binds` and `--tmpfs` in
//! `HostConfig.Tmpfs`, and `--mount` is in `HostConfig.Mounts`.

use std::collections::BTreeMap;
use std::path::Path;

use hull_docker::wire::container::MountPoint;
use hull_docker::wire::host_config::{
    BindOptions, DriverConfig, ImageOptions, Mount, TmpfsOptions, VolumeOptions,
};

use crate::records::mount_extras::{MountExtras, Recursion};
use crate::records::options::{CreateOptions, MountOption};
use crate::records::record::{MountKind, MountRecord};

/// `Mounts`, of a container's mounts and of what was asked for. A tmpfs of `--tmpfs` is not among docker's.
pub(crate) fn points(mounts: &[MountRecord], options: &[MountOption]) -> Vec<MountPoint> {
    let asked = |mount: &MountRecord| options.iter().find(|option| option.target() == mount.destination);
    let shown = mounts.iter().map(|mount| (mount, asked(mount)));
    let shown =
        shown.filter(|(_, asked)| !matches!(asked, Some(MountOption::Tmpfs { from_mount_flag: false, .. })));
    shown.map(|(mount, asked)| point(mount, asked)).collect()
}

fn point(mount: &MountRecord, asked: Option<&MountOption>) -> MountPoint {
    let is_volume = mount.kind == MountKind::Volume;
    // docker's mode is what follows the second colon of -v. It fills in z, a label of SELinux, for every named volume and for
    // every volume of --mount.
    let mode = match asked {
        Some(option) if is_from_mount_flag(option) => String::new(),
        Some(option) => short_mode(option),
        None if mount.read_only => "ro".into(),
        None => String::new(),
    };
    let has_label = is_volume && (!mount.anonymous || asked.is_some_and(is_from_mount_flag));
    MountPoint {
        kind: match mount.kind {
            MountKind::Bind => "bind",
            MountKind::Volume => "volume",
            MountKind::Tmpfs => "tmpfs",
            MountKind::Image => "image",
        }
        .into(),
        name: mount.name.clone(),
        source: text(&mount.source),
        destination: text(&mount.destination),
        driver: is_volume.then(|| "local".into()),
        mode: if mode.is_empty() && has_label { "z".into() } else { mode },
        rw: !mount.read_only,
        propagation: match mount.kind {
            MountKind::Bind => mount.options.first().map_or("rprivate", String::as_str).into(),
            _ => String::new(),
        },
    }
}

fn is_from_mount_flag(option: &MountOption) -> bool {
    match option {
        MountOption::Bind { from_mount_flag, .. }
        | MountOption::Volume { from_mount_flag, .. }
        | MountOption::Tmpfs { from_mount_flag, .. } => *from_mount_flag,
        MountOption::Image { .. } => true,
    }
}

/// The third part of a `-v`.
fn short_mode(option: &MountOption) -> String {
    let (read_only, copies, propagation, extras) = match option {
        MountOption::Bind { read_only, propagation, extras, .. } => {
            (*read_only, true, propagation.as_deref(), extras)
        }
        MountOption::Volume { read_only, copy_up, extras, .. } => (*read_only, *copy_up, None, extras),
        MountOption::Tmpfs { .. } | MountOption::Image { .. } => return String::new(),
    };
    if !extras.spelled.is_empty() {
        return extras.spelled.clone();
    }
    let parts = [
        read_only.then_some("ro"),
        (!copies).then_some("nocopy"),
        (extras.relabel == Some('z')).then_some("z"),
        (extras.relabel == Some('Z')).then_some("Z"),
        extras.chown.then_some("U"),
        extras.overlay.then_some("O"),
        extras.idmap.then_some("idmap"),
        propagation,
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(",")
}

/// `HostConfig.Binds`: every `-v` that has a source.
pub(crate) fn binds(options: &CreateOptions) -> Vec<String> {
    let short = options.mounts.iter().filter(|option| !is_from_mount_flag(option));
    let bind = |option: &MountOption| {
        let (source, target) = match option {
            MountOption::Bind { source, target, .. } => (text(source), target),
            MountOption::Volume { name: Some(name), target, .. } => (name.clone(), target),
            MountOption::Volume { name: None, .. }
            | MountOption::Tmpfs { .. }
            | MountOption::Image { .. } => return None,
        };
        let mode = short_mode(option);
        let colon = if mode.is_empty() { "" } else { ":" };
        Some(format!("{source}:{}{colon}{mode}", target.display()))
    };
    short.filter_map(bind).collect()
}

/// `HostConfig.Tmpfs`: the options of every `--tmpfs`, by its path.
pub(crate) fn tmpfs(options: &CreateOptions) -> BTreeMap<String, String> {
    let tmpfs = |option: &MountOption| match option {
        MountOption::Tmpfs { target, options, from_mount_flag: false } => {
            Some((text(target), options.join(",")))
        }
        _ => None,
    };
    options.mounts.iter().filter_map(tmpfs).collect()
}

/// `HostConfig.Mounts`: every `--mount`.
pub(crate) fn mounts(options: &CreateOptions) -> Vec<Mount> {
    options.mounts.iter().filter(|option| is_from_mount_flag(option)).map(mount).collect()
}

fn mount(option: &MountOption) -> Mount {
    let of =
        |kind: &str, target: &Path| Mount { kind: kind.into(), target: text(target), ..Mount::default() };
    match option {
        MountOption::Bind { source, target, read_only, propagation, create_source, extras, .. } => {
            let options = BindOptions {
                non_recursive: extras.recursion == Recursion::Disabled,
                read_only_non_recursive: extras.recursion == Recursion::Writable,
                read_only_force_recursive: extras.recursion == Recursion::Readonly,
                propagation: propagation.clone().unwrap_or_default(),
                create_mountpoint: *create_source,
            };
            Mount {
                source: text(source),
                read_only: *read_only,
                bind_options: (options != BindOptions::default()).then_some(options),
                ..of("bind", target)
            }
        }
        MountOption::Volume { name, target, read_only, copy_up, extras, .. } => Mount {
            source: name.clone().unwrap_or_default(),
            read_only: *read_only,
            volume_options: volume_options(*copy_up, extras),
            ..of("volume", target)
        },
        MountOption::Tmpfs { target, options, .. } => Mount {
            read_only: options.iter().any(|option| option == "ro"),
            tmpfs_options: tmpfs_options(options),
            ..of("tmpfs", target)
        },
        MountOption::Image { image, target, read_only, subpath } => Mount {
            source: image.clone(),
            read_only: *read_only,
            image_options: subpath.as_deref().map(|part| ImageOptions { subpath: text(part) }),
            ..of("image", target)
        },
    }
}

fn volume_options(copy_up: bool, extras: &MountExtras) -> Option<VolumeOptions> {
    let options = VolumeOptions {
        no_copy: !copy_up,
        labels: extras.labels.clone(),
        subpath: extras.subpath.as_deref().map(text).unwrap_or_default(),
        driver_config: None,
    };
    let driver = DriverConfig { options: extras.driver_options.clone(), ..DriverConfig::default() };
    let is_set = options != VolumeOptions::default() || driver != DriverConfig::default();
    // docker's client sends a driver with every other option.
    is_set.then_some(VolumeOptions { driver_config: Some(driver), ..options })
}

fn tmpfs_options(options: &[String]) -> Option<TmpfsOptions> {
    let value = |key: &str| options.iter().find_map(|option| option.strip_prefix(key)?.strip_prefix('='));
    let size_bytes = value("size").and_then(|size| size.parse().ok());
    let mode = value("mode").and_then(|mode| u32::from_str_radix(mode, 8).ok());
    let is_exec = |option: &&String| *option == "exec" || *option == "noexec";
    let others: Vec<_> = options.iter().filter(is_exec).map(|option| vec![option.clone()]).collect();
    let is_set = size_bytes.is_some() || mode.is_some() || !others.is_empty();
    is_set.then_some(TmpfsOptions { size_bytes, mode, options: others })
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_is_shown_as_it_was_asked_for() {
        let bind = |create_source, from_mount_flag| CreateOptions {
            mounts: vec![MountOption::Bind {
                source: "/a".into(),
                target: "/b".into(),
                read_only: false,
                propagation: None,
                create_source,
                from_mount_flag,
                extras: MountExtras::default(),
            }],
            ..CreateOptions::default()
        };
        assert_eq!(binds(&bind(true, false)), ["/a:/b"]);
        assert_eq!((binds(&bind(false, true)), binds(&bind(true, true))), (vec![], vec![]));
        assert_eq!(mounts(&bind(false, true))[0].bind_options, None);
        assert!(mounts(&bind(true, true))[0].bind_options.as_ref().unwrap().create_mountpoint);
    }
}
