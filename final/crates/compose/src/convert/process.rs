//! What runs in the container, as whom, and what happens when it ends.

use hull_composefile::model::{Duration, HealthCheck, Service};
use hull_docker::wire::Empty;
use hull_docker::wire::config::{self, Config};
use hull_docker::wire::host_config::RestartPolicy;

use super::{Around, Wanted, error, image};
use crate::Result;

/// All but the labels and the anonymous volumes.
pub fn config(around: &Around<'_>, service: &Service, wanted: &Wanted<'_>) -> Result<Config> {
    let attach_stdin = wanted.one_off().is_some_and(|one_off| one_off.attach_stdin);
    Ok(Config {
        hostname: service.hostname.clone(),
        domainname: service.domainname.clone(),
        user: service.user.clone(),
        attach_stdin,
        attach_stdout: true,
        attach_stderr: true,
        exposed_ports: exposed_ports(service),
        tty: service.tty,
        open_stdin: service.stdin_open,
        stdin_once: attach_stdin && service.stdin_open,
        env: environment(around, service),
        cmd: service.command.0.clone(),
        healthcheck: service
            .healthcheck
            .as_ref()
            .map(|check| healthcheck(around, service, check))
            .transpose()?,
        image: image(around.project, service),
        working_dir: service.working_dir.clone(),
        network_disabled: service.network_mode == "disabled",
        entrypoint: service.entrypoint.0.clone(),
        stop_signal: Some(service.stop_signal.clone()).filter(|signal| !signal.is_empty()),
        stop_timeout: service.stop_grace_period.as_ref().map(|period| period.0 / 1_000_000_000),
        ..Config::default()
    })
}

/// The service's variables over those for proxies. A name without a value is one that nobody has set.
fn environment(around: &Around<'_>, service: &Service) -> Vec<String> {
    let mut all: std::collections::BTreeMap<&String, Option<&String>> =
        around.proxies.iter().map(|(key, value)| (key, Some(value))).collect();
    all.extend(service.environment.iter().map(|(key, value)| (key, value.as_ref())));
    let line = |(key, value): (&String, Option<&String>)| match value {
        Some(value) => format!("{key}={value}"),
        None => key.clone(),
    };
    all.into_iter().map(line).collect()
}

fn exposed_ports(service: &Service) -> std::collections::BTreeMap<String, Empty> {
    let published = service.ports.iter().map(|port| format!("{}/{}", port.target, port.protocol));
    service.expose.0.iter().cloned().chain(published).map(|port| (port, Empty {})).collect()
}

fn healthcheck(around: &Around<'_>, service: &Service, check: &HealthCheck) -> Result<config::Healthcheck> {
    if check.start_interval.is_some() && check.start_period.is_none() {
        let path = ["services", &service.name, "healthcheck", "start_interval"];
        return Err(error(around.project, &path, "it needs start_period, whose checks have this interval"));
    }
    let time = |duration: &Option<Duration>| {
        duration.as_ref().map(|duration| duration.0).filter(|duration| *duration != 0)
    };
    Ok(config::Healthcheck {
        test: if check.disable { vec!["NONE".to_owned()] } else { check.test.0.clone() },
        interval: time(&check.interval),
        timeout: time(&check.timeout),
        start_period: time(&check.start_period),
        start_interval: time(&check.start_interval),
        retries: check.retries.map(|retries| retries as i64).filter(|retries| *retries != 0),
    })
}

/// `deploy.restart_policy` wins over `restart`.
pub fn restart_policy(service: &Service) -> RestartPolicy {
    if let Some(policy) = service.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref()) {
        return RestartPolicy {
            name: condition(&policy.condition),
            maximum_retry_count: policy.max_attempts.unwrap_or(0) as i64,
        };
    }
    let (name, count) = service.restart.split_once(':').unwrap_or((&service.restart, "0"));
    RestartPolicy { name: condition(name), maximum_retry_count: count.parse().unwrap_or(0) }
}

/// The engine's name of a condition of `deploy.restart_policy`.
fn condition(name: &str) -> String {
    match name {
        "none" => "no",
        "any" => "always",
        other => other,
    }
    .to_owned()
}
