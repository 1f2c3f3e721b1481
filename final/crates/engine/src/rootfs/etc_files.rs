//! /etc/hosts, /etc/hostname and /etc/resolv.conf of a container, written at each start and bind-mounted from its run
//! directory.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;

use hull_docker::flags::hosts;

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::net::Endpoint;
use crate::records::options::{CreateOptions, NetworkMode};
use crate::records::record::Record;
use crate::records::state::Status;

/// Their names, below /etc and in the run directory.
pub(crate) const NAMES: [&str; 3] = ["resolv.conf", "hostname", "hosts"];

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Enough for any resolver, and little enough that a container cannot fill the machine's memory with it.
const SIZE: &str = "size=1m,nr_inodes=16,mode=755";

/// The directory of a container's files: a small file system of their own in the monitor's mount namespace.
pub(crate) fn directory(engine: &Engine, record: &Record) -> PathBuf {
    engine.root().container_run_dir(&record.id).join("etc")
}

/// Mounts it; the container may write there.
pub(crate) fn mount(engine: &Engine, record: &Record) -> Result<()> {
    let directory = directory(engine, record);
    let context = || format!("mount a file system at {}", directory.display());
    hull_storage::directory::make_dirs(&directory, 0o755)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    nix::mount::mount(Some("tmpfs"), &directory, Some("tmpfs"), flags, Some(SIZE)).context(context)
}

/// Refuses before anything is made what [`write()`] could not write.
pub(crate) fn check(options: &CreateOptions) -> Result<()> {
    added_hosts(options, LOCALHOST).map(drop)
}

pub(crate) fn write(engine: &Engine, record: &Record) -> Result<()> {
    let directory = directory(engine, record);
    let put = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text)
            .and_then(|()| own(&path, record))
            .context(|| format!("write {}", path.display()))
    };
    if let NetworkMode::Container(other) = &record.options.network {
        return NAMES.into_iter().try_for_each(|name| put(name, &theirs(engine, other, name)?));
    }
    put("hostname", &format!("{}\n", record.hostname))?;
    let endpoints = crate::net::endpoints(engine.root(), &record.id)?;
    let linked = crate::net::hosts_lines(engine.root(), record, &endpoints)?;
    put("hosts", &(hosts(record, &endpoints)? + &linked))?;
    put("resolv.conf", &resolv_conf(&record.options, crate::net::has_resolver(&endpoints)))
}

/// Gives a file to the container's root, if the host's root is nobody in there.
fn own(path: &Path, record: &Record) -> std::io::Result<()> {
    match &record.id_maps {
        Some(maps) => {
            let (uid, gid) = maps.root();
            std::os::unix::fs::chown(path, Some(uid), Some(gid))
        }
        None => Ok(()),
    }
}

/// Writes the container's own resolver into a running container's /etc/resolv.conf. A file that was changed inside
/// stays as it is, as in docker.
pub(crate) fn name_own_resolver(engine: &Engine, record: &Record) -> Result<()> {
    let directory = directory(engine, record);
    let path = directory.join("resolv.conf");
    match read_own(&directory, "resolv.conf") {
        Ok(text) if text == resolv_conf(&record.options, false) => {
            std::fs::write(&path, resolv_conf(&record.options, true))
                .context(|| format!("write {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// A container that shares another one's network also gets its names. They are read from the files that the other
/// monitor has mounted: the other container can write to these, but can neither replace them nor redirect the path.
fn theirs(engine: &Engine, other: &str, name: &str) -> Result<String> {
    let other = engine.find(other)?;
    let state = engine.snapshot_after_start(&other.id)?.state.filter(|state| state.init.is_some());
    let state = state
        .ok_or_else(|| crate::records::state::wrong_state("join the network of", &other, Status::Exited))?;
    let directory = directory(engine, &other);
    let below = directory.strip_prefix("/").unwrap_or(&directory);
    read_own(&Path::new(&format!("/proc/{}/root", state.monitor.pid)).join(below), name)
        .context(|| format!("read /etc/{name} of {}", other.name))
}

/// Reads the file without blocking, because a process in the container may hold a lease on it (fcntl(2)).
fn read_own(directory: &Path, name: &str) -> std::io::Result<String> {
    let directory = std::fs::File::open(directory)?;
    let bytes = hull_sys::untrusted::read(&directory, Path::new(name), 1 << 20)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn hosts(record: &Record, endpoints: &[Endpoint]) -> Result<String> {
    let gateway = crate::net::gateway(endpoints);
    if record.options.network == NetworkMode::Host {
        let mut text = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        text.push_str(&added_hosts(&record.options, LOCALHOST)?);
        return Ok(text);
    }
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n\
         ::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::\tip6-localnet\n\
         ff00::\tip6-mcastprefix\n\
         ff02::1\tip6-allnodes\n\
         ff02::2\tip6-allrouters\n",
    );
    text.push_str(&added_hosts(&record.options, gateway.unwrap_or(LOCALHOST))?);
    let names = own_names(&record.hostname, record.options.domainname.as_deref());
    let user_mode = match record.options.network {
        NetworkMode::UserMode(program) => crate::net::user_mode_address(program)?,
        _ => None,
    };
    for address in endpoints.iter().flat_map(|endpoint| &endpoint.addresses).chain(&user_mode) {
        let _ = writeln!(text, "{address}\t{names}");
    }
    Ok(text)
}

/// A host's names as hosts(5) wants them: the one with its domain first, then the short one.
fn own_names(hostname: &str, domain: Option<&str>) -> String {
    let full = domain.map_or_else(|| hostname.to_owned(), |domain| format!("{hostname}.{domain}"));
    match full.split_once('.') {
        Some((short, _)) if !short.is_empty() => format!("{full} {short}"),
        _ => full,
    }
}

/// docker's `host-gateway` is the host as the container sees it.
fn added_hosts(options: &CreateOptions, gateway: IpAddr) -> Result<String> {
    let mut text = String::new();
    for entry in &options.add_hosts {
        let host =
            hosts::parse(entry).map_err(|why| Error::Invalid { what: format!("host {entry:?}"), why })?;
        let address = match host.address {
            hosts::Address::Ip(ip) => ip,
            hosts::Address::Gateway => gateway,
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{address}\t{}", host.name);
    }
    Ok(text)
}

/// The command line's servers, or the host's. A container with a network of its own cannot reach a resolver on the
/// host's loopback. One that shares the host's network can. For one with a user-mode network, pasta or slirp4netns asks
/// the host's resolver in its place.
///
/// With `own_resolver` the only server is hull's resolver in the container. `ndots:0` makes the C library ask for a name as
/// it is before it appends search domains, because the names of other containers have no dot.
fn resolv_conf(options: &CreateOptions, own_resolver: bool) -> String {
    let host = read_host_resolv_conf();
    let loopback_reachable = options.network == NetworkMode::Host;
    let mut text = String::new();
    let keep = |line: &&str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["nameserver", address, ..] => {
            let on_loopback = || address.parse().is_ok_and(|address: IpAddr| address.is_loopback());
            !own_resolver && options.dns.is_empty() && (loopback_reachable || !on_loopback())
        }
        ["search" | "domain", ..] => options.dns_search.is_empty(),
        ["options", ..] => options.dns_options.is_empty(),
        _ => false,
    };
    for line in host.lines().filter(keep) {
        let _ = writeln!(text, "{line}");
    }
    if let NetworkMode::UserMode(program) = options.network
        && options.dns.is_empty()
        && !text.lines().any(|line| line.starts_with("nameserver"))
    {
        let _ = writeln!(text, "nameserver {}", crate::net::user_mode_resolver(program));
    }
    if own_resolver {
        let _ = writeln!(text, "nameserver {}", hull_network::dns::ADDRESS);
        // The last setting counts (resolv.conf(5)). Names on a network usually have no dots; `--dns-option` can change it.
        if !text.contains("ndots:") {
            text.push_str("options ndots:0\n");
        }
    }
    for server in options.dns.iter().filter(|_| !own_resolver) {
        let _ = writeln!(text, "nameserver {server}");
    }
    // docker's `--dns-search .` is no search at all.
    if !options.dns_search.is_empty() && options.dns_search != ["."] {
        let _ = writeln!(text, "search {}", options.dns_search.join(" "));
    }
    if !options.dns_options.is_empty() {
        let _ = writeln!(text, "options {}", options.dns_options.join(" "));
    }
    text
}

fn read_host_resolv_conf() -> String {
    // Behind systemd-resolved /etc/resolv.conf names a stub on loopback; the real servers are beside it.
    let paths = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];
    let texts = paths.iter().map(Path::new).filter_map(|path| std::fs::read_to_string(path).ok());
    texts.into_iter().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_servers_replace_the_hosts() {
        let options = CreateOptions {
            dns: vec!["192.0.2.1".into()],
            dns_search: vec![".".into()],
            ..CreateOptions::default()
        };
        let text = resolv_conf(&options, false);
        assert_eq!(text.lines().filter(|line| line.starts_with("nameserver")).count(), 1);
        assert!(!text.contains("search"));
    }

    #[test]
    fn a_name_with_a_domain_comes_before_the_short_one() {
        assert_eq!(own_names("web", None), "web");
        assert_eq!(own_names("web.example.org", None), "web.example.org web");
        assert_eq!(own_names("web", Some("example.org")), "web.example.org web");
    }

    #[test]
    fn a_host_entry_needs_an_address() {
        let with = |entry: &str| CreateOptions { add_hosts: vec![entry.into()], ..CreateOptions::default() };
        assert_eq!(added_hosts(&with("db:192.0.2.7"), LOCALHOST).unwrap(), "192.0.2.7\tdb\n");
        assert_eq!(added_hosts(&with("six:::1"), LOCALHOST).unwrap(), "::1\tsix\n");
        assert!(
            added_hosts(&with("db"), LOCALHOST).is_err()
                && added_hosts(&with(":192.0.2.7"), LOCALHOST).is_err()
        );
    }
}
