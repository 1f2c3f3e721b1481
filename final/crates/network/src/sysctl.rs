//! Settings below /proc/sys/net, of the calling thread's network namespace: see proc_sys_net(5) and the kernel's
//! Documentation/networking/ip-sysctl.rst. [`crate::namespace::within`] runs code in another namespace.

use std::fs;
use std::io;

use crate::error::{IoContext, Result};

/// Enables forwarding of IPv4, or of IPv6. True if it was disabled before. It stays enabled after the last container,
/// because other programs may have come to rely on it.
pub fn enable_forwarding(ipv6: bool) -> Result<bool> {
    let path = if ipv6 { "ipv6/conf/all/forwarding" } else { "ipv4/ip_forward" };
    if read(path)? == "1" {
        return Ok(false);
    }
    write(path, "1").map(|()| true)
}

/// Allows packets from 127.0.0.0/8 to be routed to a bridge, so that a port published at 127.0.0.1 can be forwarded.
///
/// It allows the other direction too: a container could reach what listens on the host's loopback only. The rules that
/// prevent this have to exist before.
pub fn enable_route_localnet(link: &str) -> Result<()> {
    crate::links::check_name(link)?;
    write(&format!("ipv4/conf/{link}/route_localnet"), "1")
}

/// Sets a setting of one link: `net`, a family, `conf` or `neigh`, a word for the link and the setting's own name.
pub fn set_of_link(key: &[&str], link: &str, value: &str) -> Result<()> {
    crate::links::check_name(link)?;
    let parts: Vec<&str> =
        key.iter().skip(1).map(|part| if *part == "IFNAME" { link } else { part }).collect();
    write(&parts.join("/"), value)
}

/// Sets whether links that are created later have IPv6. `lo` keeps its ::1. A kernel without IPv6 is no error.
///
/// If they have, duplicate address detection is disabled, so that their addresses can be used at once.
pub fn allow_ipv6_on_new_links(allow: bool) -> Result<()> {
    on_new_links("disable_ipv6", if allow { "0" } else { "1" })?;
    if allow { on_new_links("accept_dad", "0") } else { Ok(()) }
}

/// Disables IPv6 on a link. A link that only forwards frames would otherwise assign itself a link-local address, solicit
/// routers, and be reachable.
pub fn disable_ipv6(link: &str) -> Result<()> {
    crate::links::check_name(link)?;
    match write(&format!("ipv6/conf/{link}/disable_ipv6"), "1") {
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(()),
        written => written,
    }
}

fn on_new_links(name: &str, value: &str) -> Result<()> {
    match write(&format!("ipv6/conf/default/{name}"), value) {
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(()),
        written => written,
    }
}

/// Reads a setting by its path below /proc/sys/net. `None` if the kernel does not have it.
pub fn get(path: &str) -> Result<Option<String>> {
    match read(path) {
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(None),
        value => value.map(Some),
    }
}

fn read(path: &str) -> Result<String> {
    let path = format!("/proc/sys/net/{path}");
    Ok(fs::read_to_string(&path).context(|| format!("read {path}"))?.trim().to_owned())
}

/// Writes a setting in one call, because the kernel parses the value of each write(2) by itself.
fn write(path: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/{path}");
    let mut file = fs::OpenOptions::new().write(true).open(&path).context(|| format!("open {path}"))?;
    io::Write::write_all(&mut file, value.as_bytes()).context(|| format!("write {value} to {path}"))
}
