//! Makes the request that docker's command line would send from the flags of `run`, `create` and `exec`. The crate
//! `docker` parses the texts; files that flags name are read here.

use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use hull_docker::flags::{
    cdi, device, env, hosts, ipc, link, log, mount, namespace, network, pairs, port, restart, security,
    tmpfs, ulimit, userns, volume,
};
use hull_docker::time;
use hull_docker::wire::Empty;
use hull_docker::wire::config::Config;
use hull_docker::wire::container::{CreateRequest, NetworkingConfig};
use hull_docker::wire::host_config::{HostConfig, IdMappings, PortMap};
use hull_engine::Detail;
use hull_network::mac::Mac;

use super::network_flags::NetworkArgs;
use super::options::{CreateArgs, IsolationArgs, Rest};
use super::userns_flags::UsernsArgs;
use super::values::{bytes, read, read_all, read_if_given, text};
use crate::ui::hints;

impl CreateArgs {
    /// The request's image is empty where the command line names none.
    pub fn request(&self, detach: bool) -> Result<CreateRequest> {
        let (image, command) = Rest::split(self.rest.as_ref()).unwrap_or_default();
        let mut request = CreateRequest {
            config: self.config(image, command, detach)?,
            host_config: self.host_config()?,
            ..CreateRequest::default()
        };
        self.limits.apply(&mut request.host_config)?;
        self.cgroup.apply(&mut request.host_config);
        self.isolation.apply(&mut request)?;
        self.runtime.apply(&mut request.host_config)?;
        self.userns.apply(&mut request.host_config)?;
        self.network.apply(&mut request)?;
        self.add_mounts(&mut request)?;
        Ok(request)
    }

    fn config(&self, image: &str, command: &[String], detach: bool) -> Result<Config> {
        let mut config = Config {
            hostname: text(&self.isolation.hostname),
            domainname: text(&self.isolation.domainname),
            user: text(&self.user),
            tty: self.tty,
            open_stdin: self.interactive,
            env: self.environment()?,
            cmd: (!command.is_empty()).then(|| command.to_vec()),
            healthcheck: self.health.request()?,
            image: image.to_owned(),
            working_dir: text(&self.workdir),
            entrypoint: self.entrypoint.clone().map(|program| vec![program]),
            labels: pairs::labels(&texts(&self.label_file)?, &self.label).map_err(Error::msg)?,
            stop_signal: self.stop_signal.clone(),
            stop_timeout: read_if_given("--stop-timeout", self.stop_timeout.as_deref(), time::stop_timeout)?,
            ..Config::default()
        };
        self.attach.apply(&mut config, detach)?;
        Ok(config)
    }

    /// With `--env-host` this command's own variables come first.
    fn environment(&self) -> Result<Vec<String>> {
        let mut env = if self.podman.env_host { crate::environment::all() } else { vec![] };
        env.extend(environment(&self.env_file, &self.env)?);
        Ok(env)
    }

    fn host_config(&self) -> Result<HostConfig> {
        let ulimits = read_all("--ulimit", &self.ulimit, ulimit::parse)?;
        let (named, nodes): (Vec<String>, Vec<String>) =
            self.device.iter().cloned().partition(|text| cdi::is_name(text));
        let mut host = HostConfig {
            auto_remove: self.rm,
            annotations: pairs::parse("annotation", &self.annotation).map_err(Error::msg)?,
            group_add: self.group_add.clone(),
            init: self.init.0,
            volumes_from: self.volumes_from.clone(),
            volume_driver: text(&self.volume_driver),
            readonly_rootfs: self.read_only,
            shm_size: bytes("--shm-size", self.shm_size.as_deref())?,
            devices: read_all("--device", &nodes, device::parse)?,
            device_requests: self.runtime.device_requests(named)?,
            device_cgroup_rules: self.device_cgroup_rule.clone(),
            ulimits: ulimit::last_of_each(ulimits),
            oom_score_adj: self.oom_score_adj.map(i64::from),
            restart_policy: read("--restart", &self.restart, restart::parse)?,
            ..HostConfig::default()
        };
        host.log_config.kind = text(&self.log_driver);
        host.log_config.config = self
            .log_opt
            .iter()
            .map(|text| log::option(text))
            .collect::<Result<_, _>>()
            .map_err(Error::msg)?;
        Ok(host)
    }

    fn add_mounts(&self, request: &mut CreateRequest) -> Result<()> {
        let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
        for text in &self.volume {
            let bind = volume::absolute(text, &here)
                .map_err(Error::msg)
                .with_context(|| format!("invalid volume specification {text:?}"))?;
            match bind.contains(':') {
                true => request.host_config.binds.push(bind),
                false => drop(request.config.volumes.insert(bind, Empty {})),
            }
        }
        for text in &self.mount {
            let mount = mount::parse(text, &here).map_err(Error::msg);
            request.host_config.mounts.push(mount.with_context(|| format!("invalid --mount {text:?}"))?);
        }
        for text in &self.tmpfs {
            let (target, options) = tmpfs::parse(text).map_err(Error::msg)?;
            request.host_config.tmpfs.insert(target, options);
        }
        Ok(())
    }
}

impl IsolationArgs {
    fn apply(&self, request: &mut CreateRequest) -> Result<()> {
        let host = &mut request.host_config;
        let ipc = read_if_given("--ipc", self.ipc.as_deref(), ipc::parse)?;
        host.ipc_mode = ipc.map(|mode| mode.to_string()).unwrap_or_default();
        host.cgroupns_mode = namespace_mode("--cgroupns", &self.cgroupns)?;
        // For these two docker has no value that means a namespace of the container's own.
        host.pid_mode = unless_private(namespace_mode("--pid", &self.pid)?);
        host.uts_mode = unless_private(namespace_mode("--uts", &self.uts)?);
        host.cap_add = security::capabilities(&self.cap_add);
        host.cap_drop = security::capabilities(&self.cap_drop);
        host.privileged = self.privileged;
        host.sysctls = pairs::parse("sysctl", &self.sysctl).map_err(Error::msg)?;
        host.security_opt =
            self.security_opt.iter().map(|text| security_option(text)).collect::<Result<_>>()?;
        Ok(())
    }
}

impl UsernsArgs {
    fn apply(&self, host: &mut HostConfig) -> Result<()> {
        host.userns_mode = text(&self.userns);
        read("--userns", &host.userns_mode, userns::parse)?;
        for (flag, maps) in [("--uidmap", &self.uidmap), ("--gidmap", &self.gidmap)] {
            read_all(flag, maps, userns::map)?;
        }
        let ids = IdMappings {
            uid_map: self.uidmap.clone(),
            gid_map: self.gidmap.clone(),
            sub_uid_name: text(&self.subuidname),
            sub_gid_name: text(&self.subgidname),
        };
        host.id_mappings = (ids != IdMappings::default()).then_some(ids);
        Ok(())
    }
}

fn namespace_mode(flag: &str, given: &Option<String>) -> Result<String> {
    Ok(read_if_given(flag, given.as_deref(), namespace::parse)?
        .map_or_else(String::new, |mode| mode.to_string()))
}

fn unless_private(mode: String) -> String {
    if mode == "private" { String::new() } else { mode }
}

/// The flag names the file of a seccomp policy; the request contains the policy itself.
fn security_option(text: &str) -> Result<String> {
    use security::{Seccomp, SecurityOption};
    match security::parse(text).map_err(Error::msg)? {
        SecurityOption::Seccomp(Seccomp::Policy(file)) => {
            let policy =
                std::fs::read_to_string(&file).with_context(|| format!("opening seccomp profile {file}"))?;
            Ok(format!("seccomp={policy}"))
        }
        _ => Ok(text.to_owned()),
    }
}

impl NetworkArgs {
    fn apply(&self, request: &mut CreateRequest) -> Result<()> {
        let networks = read_all("--network", &self.network, attachment)?;
        let flags = network::Attachment {
            ip: self.ip,
            ip6: self.ip6,
            link_local: read_all("--link-local-ip", &self.link_local_ip, network::link_local)?,
            mac: read_if_given("--mac-address", self.mac_address.as_deref(), mac)?,
            aliases: self.network_alias.clone(),
            ..network::Attachment::default()
        };
        let (mode, endpoints_config) = network::combine(networks, flags).map_err(Error::msg)?;
        request.networking_config = NetworkingConfig { endpoints_config };
        let host = &mut request.host_config;
        host.network_mode = mode;
        for mapping in read_all("--publish", &self.publish, published)?.into_iter().flatten() {
            let port = mapping.container.to_string();
            request.config.exposed_ports.insert(port.clone(), Empty {});
            let bindings: &mut PortMap = &mut host.port_bindings;
            bindings.entry(port).or_default().get_or_insert_default().push(mapping.binding());
        }
        for port in read_all("--expose", &self.expose, exposed)?.into_iter().flatten() {
            request.config.exposed_ports.insert(port.to_string(), Empty {});
        }
        host.publish_all_ports = self.publish_all;
        host.links = self.link.clone();
        for text in &self.link {
            read("--link", text, link::parse)?;
        }
        host.dns = self.dns.iter().map(ToString::to_string).collect();
        host.dns_search = read_all("--dns-search", &self.dns_search, hosts::search_domain)?;
        host.dns_options = self.dns_option.clone();
        // An invalid entry is sent unchanged: the engine refuses it.
        let entry = |text: &String| hosts::parse(text).map_or_else(|_| text.clone(), |host| host.to_string());
        host.extra_hosts = self.add_host.iter().map(entry).collect();
        Ok(())
    }
}

fn attachment(text: &str) -> Result<network::Attachment, String> {
    let asked = network::parse(text)?;
    if let Some(address) = &asked.mac {
        mac(address)?;
    }
    Ok(asked)
}

fn mac(text: &str) -> Result<String, String> {
    match text.parse::<Mac>() {
        Ok(_) => Ok(text.to_owned()),
        // The hint is part of the message, because the hint line says where the flag is explained.
        Err(error) => {
            let hint = Detail::of_network(&error).and_then(hints::hint).unwrap_or_default();
            Err(format!("{error}: {hint}"))
        }
    }
}

fn published(text: &str) -> Result<Vec<port::Mapping>, String> {
    port::parse(text).map_err(|why| explain_port(text, &why))
}

fn exposed(text: &str) -> Result<Vec<port::Port>, String> {
    port::parse_exposed(text).map_err(|why| explain_port(text, &why))
}

fn explain_port(text: &str, why: &str) -> String {
    format!("invalid port mapping {text:?}: {why}: {}", port::EXPECTED)
}

/// `--env-file` first, then `-e`. A name without a value takes the value from hull's own environment.
pub fn environment(files: &[PathBuf], given: &[String]) -> Result<Vec<String>> {
    let mut entries = Vec::new();
    for (file, text) in files.iter().zip(texts(files)?) {
        let read = env::parse_file(&text).map_err(|why| Error::msg(format!("{}:{why}", file.display())))?;
        entries.extend(read);
    }
    given.iter().try_for_each(|entry| env::check(entry)).map_err(Error::msg)?;
    entries.extend_from_slice(given);
    Ok(env::resolve(entries, crate::environment::variable))
}

fn texts(files: &[PathBuf]) -> Result<Vec<String>> {
    let read = |file: &Path| {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
    };
    files.iter().map(|file| read(file)).collect()
}
