//! The options that every RUN gets, and `--network` and `--security` of one.

use hull_docker::wire::container::CreateRequest;
use hull_docker::wire::host_config::HostConfig;
use hull_engine::options::{CreateOptions, NetworkMode};

use crate::dockerfile::Run;
use crate::request::Request;
use crate::{Error, Result};

/// The name that steps see, BuildKit's: the machine's own would be in what they make.
const HOSTNAME: &str = "buildkitsandbox";

/// What has to be allowed for the host's network.
const NETWORK: &str = "network.host";

/// What has to be allowed for a step with the rights of `--privileged`.
const SECURITY: &str = "security.insecure";

pub(super) fn of(request: &Request, network: Option<&str>, security: Option<&str>) -> Result<CreateOptions> {
    let run = &request.run;
    let number = |what: &str, number: Option<u64>| {
        i64::try_from(number.unwrap_or(0))
            .map_err(|_| Error::Invalid { what: what.into(), why: "it is too large".into() })
    };
    let host_config = HostConfig {
        network_mode: network_mode(request, network)?.into(),
        extra_hosts: run.add_hosts.clone(),
        shm_size: number("--shm-size", run.shm_size)?,
        ulimits: run.ulimits.clone(),
        cgroup_parent: run.cgroup_parent.clone().unwrap_or_default(),
        memory: number("--memory", run.memory)?,
        memory_swap: run.memory_swap.unwrap_or_default(),
        cpu_shares: number("--cpu-shares", run.cpu_shares)?,
        cpu_period: number("--cpu-period", run.cpu_period)?,
        cpu_quota: run.cpu_quota.unwrap_or_default(),
        cpuset_cpus: run.cpuset_cpus.clone().unwrap_or_default(),
        cpuset_mems: run.cpuset_mems.clone().unwrap_or_default(),
        security_opt: run.security_opt.clone(),
        privileged: is_insecure(request, security)?,
        ..HostConfig::default()
    };
    let options = CreateOptions::try_from(CreateRequest { host_config, ..CreateRequest::default() })?;
    // With the host's network the name is the host's, as in every container.
    let hostname = (options.network != NetworkMode::Host).then(|| HOSTNAME.to_owned());
    Ok(CreateOptions { hostname, ..options })
}

/// Whether the build allows what a RUN asks for. Asked of all of them before the first one runs: a step that is in the
/// cache needs the same rights.
pub(crate) fn check(request: &Request, run: &Run) -> Result<()> {
    network_mode(request, run.network.as_deref())?;
    is_insecure(request, run.security.as_deref()).map(drop)
}

/// The mode of the step. One that the whole build was given is allowed by that.
fn network_mode<'a>(request: &'a Request, asked: Option<&str>) -> Result<&'a str> {
    let of_build = request.run.network.as_deref().unwrap_or("default");
    match asked {
        None | Some("default") => Ok(of_build),
        Some("none") => Ok("none"),
        Some("host") if of_build == "host" || allows(request, NETWORK) => Ok("host"),
        Some("host") => Err(not_allowed("--network=host", NETWORK)),
        Some(other) => Err(Error::Invalid {
            what: format!("--network={other}"),
            why: "the network of a RUN is default, none or host".into(),
        }),
    }
}

fn is_insecure(request: &Request, asked: Option<&str>) -> Result<bool> {
    match asked {
        None | Some("sandbox") => Ok(false),
        Some("insecure") if allows(request, SECURITY) => Ok(true),
        Some("insecure") => Err(not_allowed("--security=insecure", SECURITY)),
        Some(other) => Err(Error::Invalid {
            what: format!("--security={other}"),
            why: "it is sandbox or insecure".into(),
        }),
    }
}

fn allows(request: &Request, entitlement: &str) -> bool {
    request.allow.iter().any(|allowed| allowed == entitlement)
}

fn not_allowed(what: &str, entitlement: &str) -> Error {
    Error::Invalid {
        what: what.into(),
        why: format!("{entitlement} is not allowed: add --allow {entitlement}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_network_and_more_rights_have_to_be_allowed() {
        let mut request = Request::default();
        let network = |request: &Request, asked| of(request, asked, None).map(|options| options.network);
        assert_eq!(network(&request, None).unwrap(), NetworkMode::Default);
        assert_eq!(network(&request, Some("none")).unwrap(), NetworkMode::None);
        let error = network(&request, Some("host")).unwrap_err().to_string();
        assert!(error.contains("--allow network.host"), "{error}");
        let error = of(&request, None, Some("insecure")).unwrap_err().to_string();
        assert!(error.contains("--allow security.insecure"), "{error}");
        request.allow = vec![NETWORK.into(), SECURITY.into()];
        assert_eq!(network(&request, Some("host")).unwrap(), NetworkMode::Host);
        assert!(of(&request, None, Some("insecure")).unwrap().privileged);
        request = Request::default();
        request.run.network = Some("host".into());
        assert_eq!(network(&request, Some("host")).unwrap(), NetworkMode::Host);
        assert_eq!(network(&request, Some("default")).unwrap(), NetworkMode::Host);
    }

    #[test]
    fn the_name_of_the_machine_is_the_same_everywhere() {
        assert_eq!(of(&Request::default(), None, None).unwrap().hostname.as_deref(), Some(HOSTNAME));
    }
}
