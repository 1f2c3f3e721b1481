//! `Binds`, `Volumes`, `Mounts` and `Tmpfs`: four ways to ask for a mount.

use std::path::Path;

use hull_docker::flags::{local_driver, mount, tmpfs, volume};
use hull_docker::path;
use hull_docker::wire::config::Config;
use hull_docker::wire::host_config::{HostConfig, Mount};

use super::invalid;
use crate::error::Result;
use crate::records::mount_extras::{MountExtras, Recursion};
use crate::records::options::MountOption;

/// All mounts of a request; `create` refuses two at the same target. A key of `Volumes` makes no volume where another way
/// asks for a mount at the same target: docker's clients name the targets of `Binds` there too.
pub fn all(config: &Config, host: &HostConfig) -> Result<Vec<MountOption>> {
    let mut all = Vec::new();
    local_driver::check_name(&host.volume_driver).map_err(|why| invalid("VolumeDriver", why))?;
    for text in &host.binds {
        all.push(bind(text).map_err(|why| invalid(format!("volume specification {text:?}"), why))?);
    }
    let mut later = Vec::new();
    for mount in &host.mounts {
        later.push(one(mount).map_err(|why| invalid(format!("mount {mount}"), why))?);
    }
    for (target, options) in &host.tmpfs {
        let target = path::target(target).map_err(|why| invalid(format!("tmpfs {target:?}"), why))?;
        later.push(MountOption::Tmpfs { target, options: tmpfs::options(options), from_mount_flag: false });
    }
    // A key is the target alone, even with a colon in it.
    for target in config.volumes.keys() {
        let target = path::target(target).map_err(|why| invalid(format!("volume {target:?}"), why))?;
        if all.iter().chain(&later).any(|mount: &MountOption| mount.target() == target) {
            continue;
        }
        all.push(MountOption::Volume {
            name: None,
            target,
            read_only: false,
            copy_up: true,
            from_mount_flag: false,
            extras: MountExtras::default(),
        });
    }
    all.extend(later);
    Ok(all)
}

/// An entry of `Binds`.
fn bind(text: &str) -> Result<MountOption, String> {
    // The current directory is the client's, which has made its paths absolute.
    let parsed = volume::parse(text, Path::new(""))?;
    let options = text.splitn(3, ':').nth(2).unwrap_or_default();
    let spelled = if parsed.options() == options { String::new() } else { options.to_owned() };
    let volume::Volume { source, target, read_only, copy_up, propagation, relabel, chown, overlay, idmap } =
        parsed;
    let extras = MountExtras { relabel, chown, overlay, idmap, spelled, ..MountExtras::default() };
    let name = match source {
        volume::Source::Host(source) if !source.is_absolute() => {
            return Err(format!("{} is not an absolute path", source.display()));
        }
        volume::Source::Host(source) => {
            let (create_source, from_mount_flag) = (true, false);
            return Ok(MountOption::Bind {
                source,
                target,
                read_only,
                propagation,
                create_source,
                from_mount_flag,
                extras,
            });
        }
        volume::Source::Named(name) => Some(name),
        volume::Source::Anonymous => None,
    };
    Ok(MountOption::Volume { name, target, read_only, copy_up, from_mount_flag: false, extras })
}

fn one(mount: &Mount) -> Result<MountOption, String> {
    mount::check(mount)?;
    let (target, read_only) = (path::target(&mount.target)?, mount.read_only);
    Ok(match mount.kind.as_str() {
        "bind" => {
            let options = mount.bind_options.clone().unwrap_or_default();
            let recursion = match &options {
                options if options.non_recursive => Recursion::Disabled,
                options if options.read_only_non_recursive => Recursion::Writable,
                options if options.read_only_force_recursive => Recursion::Readonly,
                _ => Recursion::Enabled,
            };
            MountOption::Bind {
                source: mount.source.clone().into(),
                target,
                read_only,
                propagation: Some(options.propagation).filter(|propagation| !propagation.is_empty()),
                create_source: options.create_mountpoint,
                from_mount_flag: true,
                extras: MountExtras { recursion, ..MountExtras::default() },
            }
        }
        "tmpfs" => MountOption::Tmpfs { target, options: mount::tmpfs_options(mount), from_mount_flag: true },
        "image" => {
            let subpath = mount.image_options.as_ref().map(|options| &options.subpath);
            let subpath = subpath.filter(|part| !part.is_empty()).map(Into::into);
            MountOption::Image { image: mount.source.clone(), target, read_only, subpath }
        }
        _ => {
            let options = mount.volume_options.clone().unwrap_or_default();
            MountOption::Volume {
                name: Some(mount.source.clone()).filter(|name| !name.is_empty()),
                target,
                read_only,
                copy_up: !options.no_copy,
                from_mount_flag: true,
                extras: MountExtras {
                    subpath: Some(options.subpath).filter(|path| !path.is_empty()).map(Into::into),
                    labels: options.labels,
                    driver_options: options.driver_config.unwrap_or_default().options,
                    ..MountExtras::default()
                },
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::options::CreateOptions;
    use hull_docker::wire::Empty;

    #[test]
    fn all_four_ways_lead_to_mounts() {
        let mut config = Config::default();
        config.volumes.insert("/anonymous".into(), Empty {});
        let mut host = HostConfig { binds: vec!["/a:/b:ro".into()], ..HostConfig::default() };
        host.mounts.push(Mount {
            kind: "bind".into(),
            source: "/c".into(),
            target: "/d".into(),
            ..Mount::default()
        });
        host.tmpfs.insert("/t".into(), "size=1m".into());
        let targets: Vec<_> =
            all(&config, &host).unwrap().iter().map(|mount| mount.target().to_owned()).collect();
        assert_eq!(targets, ["/b", "/anonymous", "/d", "/t"].map(Path::new));
        config.volumes.insert("/b".into(), Empty {});
        assert_eq!(all(&config, &host).unwrap().len(), 4);
        host.mounts[0].kind = "cluster".into();
        assert!(all(&config, &host).unwrap_err().to_string().contains("cluster"));
    }

    #[test]
    fn options_are_shown_as_they_were_given() {
        for text in ["vol:/b", "vol:/b:rw", "/a:/b:ro", "/a:/b:rslave,ro", "/a:/b:cached", "vol:/b:nocopy"] {
            let host = HostConfig { binds: vec![text.to_owned()], ..HostConfig::default() };
            let options =
                CreateOptions { mounts: all(&Config::default(), &host).unwrap(), ..CreateOptions::default() };
            assert_eq!(crate::records::shown_mounts::binds(&options), [text]);
        }
    }

    #[test]
    fn a_key_of_volumes_is_a_target_and_never_a_source() {
        let read = |key: &str| {
            let volumes = [(key.to_owned(), Empty {})].into();
            all(&Config { volumes, ..Config::default() }, &HostConfig::default())
        };
        let target = |mounts: Vec<MountOption>| match &mounts[..] {
            [MountOption::Volume { name: None, target, read_only: false, .. }] => target.clone(),
            other => panic!("{other:?}"),
        };
        for key in ["/data", "/etc:/x", "/etc:/x:ro"] {
            assert_eq!(target(read(key).unwrap()), Path::new(key));
        }
        for wrong in ["", "/", "data", "data:/x", "/a/../b"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
