//! Switches below /proc/sys/net, of the network namespace the calling thread is in: see proc_sys_net(5) and the kernel's
//! Documentation/networking/ip-sysctl.rst. [`crate::namespace::within`] leads into another one.

use std::fs;
use std::io;

use crate::error::{Context, Result};

/// Turns the host into a router for IPv4, or for IPv6. True when it was not one before: it stays one after the last
/// container, for nobody could tell who else has come to depend on it.
pub fn enable_forwarding(ipv6: bool) -> Result<bool> {
    let path = if ipv6 { "ipv6/conf/all/forwarding" } else { "ipv4/ip_forward" };
    if read(path)? == "1" {
        return Ok(false);
    }
    write(path, "1").map(|()| true)
}

/// Lets packets from 127.0.0.0/8 out to a bridge, so that a port published on localhost can be led to a container.
///
/// It lets them in as well: a container could reach what listens on the host's 127.0.0.1 only. The packet filter must
/// stand before it is switched on.
pub fn enable_route_localnet(link: &str) -> Result<()> {
    crate::links::check_name(link)?;
    write(&format!("ipv4/conf/{link}/route_localnet"), "1")
}

/// Whether links to come have IPv6; `lo` keeps its ::1. A kernel without IPv6 is fine.
///
/// Their addresses can be used at once: nobody is asked whether he has them already.
pub fn allow_ipv6_on_new_links(allow: bool) -> Result<()> {
    on_new_links("disable_ipv6", if allow { "0" } else { "1" })?;
    if allow { on_new_links("accept_dad", "0") } else { Ok(()) }
}

/// Takes IPv6 from a link. One that only carries others' frames would otherwise give itself an address, ask for routers,
/// and be reached at it.
pub fn disable_ipv6(link: &str) -> Result<()> {
    crate::links::check_name(link)?;
    match write(&format!("ipv6/conf/{link}/disable_ipv6"), "1") {
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(()),
        written => written,
    }
}

fn on_new_links(switch: &str, value: &str) -> Result<()> {
    match write(&format!("ipv6/conf/default/{switch}"), value) {
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(()),
        written => written,
    }
}

/// A switch by its path below /proc/sys/net; `None` where the kernel has none of this name.
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

/// In one write: these files take their value at each.
fn write(path: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/{path}");
    let mut file = fs::OpenOptions::new().write(true).open(&path).context(|| format!("open {path}"))?;
    io::Write::write_all(&mut file, value.as_bytes()).context(|| format!("write {value} to {path}"))
}
