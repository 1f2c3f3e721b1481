//! `GET /info`.

use hull_docker::wire::info::Info;

use crate::api::Api;
use crate::failure::Result;
use crate::http::Exchange;
use crate::version::ApiVersion;

pub fn info(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let mut info = api.engine.info()?;
    (api.complete_info)(&mut info);
    exchange.json(200, &in_version(info, exchange.version()))
}

/// Adds and removes the keys that only some versions have.
fn in_version(mut info: Info, version: ApiVersion) -> Info {
    info.rootless = None;
    if version < ApiVersion(25) {
        // The options had no names yet.
        for option in &mut info.security_options {
            let name = option.split(',').next().unwrap_or_default();
            *option = name.trim_start_matches("name=").to_owned();
        }
    }
    if version < ApiVersion(42) {
        info.kernel_memory = Some(false);
    }
    if version < ApiVersion(47) {
        info.registry_config.nondistributable_networks = Some(vec![]);
        info.registry_config.nondistributable_hosts = Some(vec![]);
    }
    if version < ApiVersion(49) {
        info.firewall_backend = None;
        for commit in [&mut info.containerd_commit, &mut info.runc_commit, &mut info.init_commit] {
            commit.expected = Some(commit.id.clone());
        }
    }
    if version < ApiVersion(50) {
        info.bridge_nf_iptables = Some(false);
        info.bridge_nf_ip6tables = Some(false);
        info.discovered_devices.clear();
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_and_go_with_versions() {
        let info =
            || Info { security_options: vec!["name=seccomp,profile=builtin".into()], ..Info::default() };
        let newest = in_version(info(), ApiVersion::NEWEST);
        assert_eq!(
            (newest.bridge_nf_iptables, newest.kernel_memory, newest.init_commit.expected),
            (None, None, None)
        );
        let oldest = in_version(info(), ApiVersion::OLDEST);
        assert_eq!(oldest.security_options, ["seccomp"]);
        assert_eq!((oldest.bridge_nf_iptables, oldest.kernel_memory), (Some(false), Some(false)));
        assert!(oldest.init_commit.expected.is_some() && oldest.firewall_backend.is_none());
    }
}
