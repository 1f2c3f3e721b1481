//! What the version of the API changes in a request to create a container: a client of an older version neither knows what
//! came later nor expects other defaults. The versions are those of docker's API history
//! (<https://docs.docker.com/reference/api/engine/version-history/>).

use hull_docker::flags::network;
use hull_docker::wire::container::CreateRequest;

use crate::failure::{Failure, Result};
use crate::version::ApiVersion;

/// Changes the request, and returns warnings for the client.
pub fn adapt(request: &mut CreateRequest, version: ApiVersion) -> Result<Vec<String>> {
    let before = |minor| version < ApiVersion(minor);
    let host = &mut request.host_config;
    if before(25) {
        // These clients remove the container themselves.
        host.auto_remove = false;
    }
    if before(40) && host.ipc_mode.is_empty() {
        host.ipc_mode = "shareable".into();
    }
    if before(42) {
        host.console_size = [0; 2];
    }
    if before(43) {
        host.annotations.clear();
    }
    if before(44) {
        if let Some(check) = &mut request.config.healthcheck {
            check.start_interval = None;
        }
        let names: Vec<&str> =
            request.networking_config.endpoints_config.iter().map(|(name, _)| name.as_str()).collect();
        if names.len() > 1 {
            let names = names.join(", ");
            let why = format!("Container cannot be created with multiple network endpoints: {names}");
            return Err(Failure::invalid(why));
        }
    }
    adapt_mounts(request, version)?;
    let host = &mut request.host_config;
    // Any number that is not above 0 means no limit.
    host.pids_limit = host.pids_limit.filter(|limit| *limit > 0);
    let mut warnings = warnings(request);
    warnings.extend(adapt_mac_address(request, version));
    Ok(warnings)
}

fn adapt_mounts(request: &mut CreateRequest, version: ApiVersion) -> Result<()> {
    let before = |minor| version < ApiVersion(minor);
    for mount in &mut request.host_config.mounts {
        let needs = |what: &str, minor| {
            Err(Failure::invalid(format!("{what} needs API v{} or newer", ApiVersion(minor))))
        };
        if let Some(options) = &mut mount.bind_options {
            options.non_recursive &= !before(40);
            options.create_mountpoint &= !before(42);
            if options.read_only_force_recursive && before(44) {
                return needs("BindOptions.ReadOnlyForceRecursive", 44);
            }
        }
        if before(42) {
            // Options of other types were not refused.
            mount.volume_options = mount.volume_options.take().filter(|_| mount.kind == "volume");
            mount.tmpfs_options = mount.tmpfs_options.take().filter(|_| mount.kind == "tmpfs");
        }
        let subpath = mount.volume_options.as_ref().map_or("", |options| &options.subpath);
        if !subpath.is_empty() && before(45) {
            return needs("VolumeOptions.Subpath", 45);
        }
    }
    Ok(())
}

/// An address for the whole container, which is one of an endpoint since version 1.44.
fn adapt_mac_address(request: &mut CreateRequest, version: ApiVersion) -> Option<String> {
    let config = &mut request.config;
    let is_old = version < ApiVersion(44);
    if config.mac_address.is_empty() {
        if is_old {
            let endpoints = &mut request.networking_config.endpoints_config;
            endpoints.iter_mut().for_each(|(_, endpoint)| endpoint.mac_address.clear());
        }
        return None;
    }
    if is_old {
        return None;
    }
    if network::is_mode(&request.host_config.network_mode) {
        config.mac_address.clear();
    }
    let warning = "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.";
    Some(warning.to_owned())
}

/// dockerd's warnings about settings that have no effect, or a bad one.
fn warnings(request: &CreateRequest) -> Vec<String> {
    let host = &request.host_config;
    let publishes = !host.port_bindings.is_empty() || host.publish_all_ports;
    let warnings = [
        (
            host.oom_kill_disable == Some(true) && host.memory == 0,
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running \
             out of resources.",
        ),
        (host.mounts.iter().any(|mount| mount.kind == "image"), "Image mount is an experimental feature"),
        (host.cpu_percent != 0, "linux does not support CPU percent. Percent discarded."),
        (
            host.network_mode == "host" && publishes,
            "Published ports are discarded when using host network mode",
        ),
    ];
    warnings.iter().filter(|(holds, _)| *holds).map(|(_, warning)| (*warning).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapted(json: &str, minor: u16) -> Result<(CreateRequest, Vec<String>)> {
        let mut request = CreateRequest::from_slice(json.as_bytes()).unwrap();
        let warnings = adapt(&mut request, ApiVersion(minor))?;
        Ok((request, warnings))
    }

    #[test]
    fn an_older_client_gets_what_it_expects() {
        let json = r#"{"Healthcheck": {"StartInterval": 5000000}, "HostConfig": {"AutoRemove": true, "ConsoleSize": [1, 2],
            "Annotations": {"a": "b"}, "PidsLimit": -1,
            "Mounts": [{"Type": "bind", "BindOptions": {"CreateMountpoint": true}, "TmpfsOptions": {"Mode": 1}}]}}"#;
        let (old, _) = adapted(json, 24).unwrap();
        let host = &old.host_config;
        assert_eq!(
            (host.auto_remove, host.ipc_mode.as_str(), host.console_size),
            (false, "shareable", [0, 0])
        );
        assert!(host.annotations.is_empty() && host.pids_limit.is_none());
        assert!(!host.mounts[0].bind_options.clone().unwrap().create_mountpoint);
        assert!(
            host.mounts[0].tmpfs_options.is_none()
                && old.config.healthcheck.unwrap().start_interval.is_none()
        );
        let (new, _) = adapted(json, 51).unwrap();
        let host = &new.host_config;
        assert_eq!((host.auto_remove, host.ipc_mode.as_str(), host.console_size), (true, "", [1, 2]));
        assert!(host.mounts[0].tmpfs_options.is_some() && host.annotations.len() == 1);
    }

    #[test]
    fn an_address_for_the_container_is_deprecated() {
        let json = r#"{"MacAddress": "02:42:ac:11:00:02", "HostConfig": {"NetworkMode": "mine"}}"#;
        for (minor, count) in [(43, 0), (44, 1)] {
            let (request, warnings) = adapted(json, minor).unwrap();
            assert_eq!((request.config.mac_address.as_str(), warnings.len()), ("02:42:ac:11:00:02", count));
        }
        // Without a network there is nothing that could have it.
        let alone = r#"{"MacAddress": "02:42:ac:11:00:02", "HostConfig": {"NetworkMode": "none"}}"#;
        assert_eq!(adapted(alone, 44).unwrap().0.config.mac_address, "");
        let unknown = r#"{"NetworkingConfig": {"EndpointsConfig": {"default": {"MacAddress": "b"}}}}"#;
        assert_eq!(adapted(unknown, 43).unwrap().0.networking_config.endpoints_config[0].1.mac_address, "");
    }

    #[test]
    fn what_has_no_effect_is_said() {
        let json = r#"{"HostConfig": {"OomKillDisable": true, "CpuPercent": 3, "NetworkMode": "host",
            "PublishAllPorts": true}}"#;
        assert_eq!(adapted(json, 51).unwrap().1.len(), 3);
        assert!(adapted("{}", 51).unwrap().1.is_empty());
        let two = r#"{"NetworkingConfig": {"EndpointsConfig": {"a": null, "b": {}}}}"#;
        assert!(adapted(two, 43).is_err() && adapted(two, 44).is_ok());
    }
}
