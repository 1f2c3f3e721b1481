//! `Config`: what runs in the container, and as whom.

use hull_docker::wire::config::{Config, Healthcheck};
use hull_docker::wire::container::CreateRequest;

use super::{health, host, invalid, mounts, networks, non_empty, on_one_line, refuse};
use crate::error::{Error, Result};
use crate::records::options::{AttachedStreams, CreateOptions, NetworkMode};

/// The name and the platform are not in a request's body; the caller sets them.
impl TryFrom<CreateRequest> for CreateOptions {
    type Error = Error;

    fn try_from(request: CreateRequest) -> Result<Self> {
        let CreateRequest { config, host_config: host, networking_config } = request;
        let mounts = mounts::all(&config, &host)?;
        let (mode, attachments) = networks::of(&host, &networking_config)?;
        let networks = networks::with_mac(&config.mac_address, mode, attachments)?;
        let ports = networks::ports(&config, &host)?;
        let links = networks::links(&host, &networking_config)?;
        let mut options = host::options(host)?;
        options.links = links;
        options.mounts = mounts;
        (options.network, options.networks) = networks;
        if config.network_disabled {
            // What a network would need is left out, too.
            (options.network, options.networks) = (NetworkMode::None, vec![]);
        }
        (options.publish, options.expose) = ports;
        options.bare_ports = config.exposed_ports.keys().filter_map(|port| port.parse().ok()).collect();
        apply(config, &mut options)?;
        Ok(options)
    }
}

fn apply(config: Config, options: &mut CreateOptions) -> Result<()> {
    // OnBuild and Shell are for images. A health check is the one thing in a container that would use the shell.
    let uses_shell = |check: &Healthcheck| check.test.first().is_some_and(|word| word == "CMD-SHELL");
    refuse(&[(!config.shell.is_empty() && config.healthcheck.as_ref().is_some_and(uses_shell), "Shell")])?;
    if let Some(entry) = config.env.iter().find(|entry| entry.is_empty() || entry.starts_with('=')) {
        return Err(invalid("environment variable", entry));
    }
    let attached = AttachedStreams {
        stdin: config.attach_stdin,
        stdout: config.attach_stdout,
        stderr: config.attach_stderr,
    };
    options.detach = !(attached.stdin || attached.stdout || attached.stderr);
    options.image = config.image;
    options.command = config.cmd.unwrap_or_default();
    options.entrypoint = config.entrypoint;
    on_one_line("Hostname", [&config.hostname])?;
    on_one_line("Domainname", [&config.domainname])?;
    options.hostname = non_empty(config.hostname);
    options.domainname = non_empty(config.domainname);
    if let Some(wrong) = config.env.iter().find(|entry| entry.is_empty() || entry.starts_with('=')) {
        return Err(invalid("environment variable", format!("{wrong:?} has no name")));
    }
    // A bare name is a variable that the caller does not have.
    options.env = config.env.into_iter().filter(|entry| entry.contains('=')).collect();
    options.labels = config.labels;
    options.working_dir = non_empty(config.working_dir);
    options.user = non_empty(config.user);
    options.healthcheck = health::checked(config.healthcheck)?;
    options.tty = config.tty;
    options.interactive = config.open_stdin;
    options.attached = Some(attached).filter(|attached| *attached != options.attached_streams());
    options.stdin_once = Some(config.stdin_once).filter(|once| *once != options.stdin_once());
    options.stop_signal = config.stop_signal.and_then(non_empty);
    options.stop_timeout = config.stop_timeout.map(stop_timeout).transpose()?;
    Ok(())
}

/// docker's -1, "forever", is the longest there is.
fn stop_timeout(seconds: i64) -> Result<u32> {
    match seconds {
        -1 => Ok(u32::MAX),
        _ => u32::try_from(seconds).map_err(|_| invalid("StopTimeout", "it is a number of seconds, or -1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_request_asks_for_dockers_defaults() {
        let options = CreateOptions::try_from(CreateRequest::default()).unwrap();
        let log = options.log.clone();
        assert_eq!((log.max_size, log.max_file), (Some(20 << 20), Some(5)));
        assert_eq!(options, CreateOptions { detach: true, log, ..CreateOptions::default() });
        assert_eq!(options.network, NetworkMode::Default);
    }

    #[test]
    fn what_hull_does_not_have_is_refused_by_its_key() {
        for key in ["IOMaximumBandwidth", "IOMaximumIOps"] {
            let request: CreateRequest =
                serde_json::from_str(&format!("{{\"HostConfig\": {{{key:?}: 2}}}}")).unwrap();
            let refused = CreateOptions::try_from(request).unwrap_err().to_string();
            assert!(refused.contains(key), "{refused}");
        }
    }

    #[test]
    fn a_variable_without_a_value_is_left_out() {
        let config = Config {
            env: vec!["A=1".into(), "B".into()],
            entrypoint: Some(vec![String::new()]),
            stop_timeout: Some(-1),
            ..Config::default()
        };
        let options = CreateOptions::try_from(CreateRequest { config, ..Default::default() }).unwrap();
        assert_eq!((options.env, options.entrypoint), (vec!["A=1".to_owned()], Some(vec![String::new()])));
        assert_eq!(options.stop_timeout, Some(u32::MAX));
    }
}
