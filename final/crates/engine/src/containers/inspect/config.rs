//! `Config` of `inspect`: what runs in the container.

use hull_docker::wire::Empty;
use hull_docker::wire::config::Config;

use crate::net::exposed_ports;
use crate::records::record::Record;

pub(super) fn describe(record: &Record) -> Config {
    let options = &record.options;
    let process = &record.process;
    let attached = options.attached_streams();
    let or_null = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let anonymous = record.mounts.iter().filter(|mount| mount.anonymous);
    Config {
        hostname: record.hostname.clone(),
        domainname: options.domainname.clone().unwrap_or_default(),
        user: process.user.clone(),
        attach_stdin: attached.stdin,
        attach_stdout: attached.stdout,
        attach_stderr: attached.stderr,
        exposed_ports: exposed_ports(record),
        tty: options.tty,
        open_stdin: options.interactive,
        stdin_once: options.stdin_once(),
        env: process.env.clone(),
        cmd: or_null(&process.command),
        healthcheck: record.healthcheck.clone(),
        image: options.image.clone(),
        volumes: anonymous.map(|mount| (mount.destination.display().to_string(), Empty {})).collect(),
        working_dir: process.working_dir.clone(),
        entrypoint: or_null(&process.entrypoint),
        labels: record.labels.clone(),
        stop_signal: options.stop_signal.clone(),
        stop_timeout: options.stop_timeout.map(i64::from),
        // What hull does not have is unset.
        ..Config::default()
    }
}
