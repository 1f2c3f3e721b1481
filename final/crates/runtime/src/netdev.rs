//! Network devices of the host's that a container takes over (config-linux.md, "Network Devices"), by rtnetlink(7).
//!
//! A device that moves loses its addresses: they are read before, and given back on the other side. The parent moves it,
//! which takes rights over both namespaces; the child sets it up.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::error::{Error, Result, Step};
use crate::spec::Spec;

/// One device, and what it is to be inside.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    outside: String,
    inside: String,
    index: u32,
    up: bool,
    /// Bodies of `RTM_NEWADDR`, of the addresses that somebody gave it.
    addresses: Vec<Vec<u8>>,
}

/// In the parent, before anything is made.
pub(crate) fn look(spec: &Spec) -> Result<Vec<Device>> {
    let Some(linux) = spec.linux.as_ref().filter(|linux| !linux.net_devices.is_empty()) else {
        return Ok(Vec::new());
    };
    let route = Route::open()?;
    let addresses = route.addresses()?;
    let device = |(outside, device): (&String, &crate::spec::NetDevice)| {
        let inside = device.name.as_ref().filter(|name| !name.is_empty()).unwrap_or(outside).clone();
        let (index, up) = route.find(outside)?;
        let own = |body: &&Vec<u8>| body[4..8] == index.to_ne_bytes();
        let addresses = addresses.iter().filter(own).cloned().collect();
        Ok(Device { outside: outside.clone(), inside, index, up, addresses })
    };
    linux.net_devices.iter().map(device).collect()
}

/// Devices that are in a container's network namespace, until it is known that they may stay there.
#[derive(Debug)]
pub(crate) struct Moved {
    namespace: OwnedFd,
    devices: Vec<Device>,
}

impl Moved {
    /// Moves them, or none.
    pub(crate) fn to(namespace: OwnedFd, devices: &[Device]) -> Result<Self> {
        let route = Route::open()?;
        let mut moved = Self { namespace, devices: Vec::new() };
        for device in devices {
            let done = route.relocate(device.index, &device.inside, &moved.namespace);
            if let Err(error) = done.step(|| format!("move the network device {}", device.outside)) {
                moved.back();
                return Err(error);
            }
            moved.devices.push(device.clone());
        }
        Ok(moved)
    }

    /// As they were. The error that brought us here is the one to tell.
    pub(crate) fn back(&self) {
        let Ok(own) = std::fs::File::open("/proc/self/ns/net") else { return };
        if self.devices.is_empty()
            || hull_sys::process::setns(self.namespace.as_fd(), libc::CLONE_NEWNET).is_err()
        {
            return;
        }
        if let Ok(route) = Route::open() {
            for device in &self.devices {
                if let Ok((index, _)) = route.find(&device.inside) {
                    let _ = route.relocate(index, &device.outside, &own);
                }
            }
        }
        let _ = hull_sys::process::setns(own.as_fd(), libc::CLONE_NEWNET);
        let there =
            self.devices.iter().map(|device| Device { inside: device.outside.clone(), ..device.clone() });
        let _ = set_up(&there.collect::<Vec<_>>(), false);
    }
}

/// In the namespace that they are in now: addresses, and up; or up only those that were before.
pub(crate) fn set_up(devices: &[Device], all: bool) -> Result<()> {
    if devices.is_empty() {
        return Ok(());
    }
    let route = Route::open()?;
    for device in devices {
        let step = || format!("set up the network device {}", device.inside);
        let (index, _) = route.find(&device.inside)?;
        for body in &device.addresses {
            let mut body = body.clone();
            body[4..8].copy_from_slice(&index.to_ne_bytes());
            route
                .request(libc::RTM_NEWADDR, (libc::NLM_F_CREATE | libc::NLM_F_REPLACE) as u16, &body)
                .step(step)?;
        }
        if all || device.up {
            let up = libc::IFF_UP as u32;
            route.request(libc::RTM_NEWLINK, 0, &link(index, up, up)).step(step)?;
        }
    }
    Ok(())
}

/// A socket that speaks with the network namespace it was made in.
struct Route(OwnedFd);

/// `struct nlmsghdr`.
const HEADER: usize = 16;

impl Route {
    fn open() -> Result<Self> {
        // NETLINK_ROUTE is protocol 0.
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)
            .step(|| "open a netlink socket".into())
            .map(Self)
    }

    /// A device's index, and whether it is up.
    fn find(&self, name: &str) -> Result<(u32, bool)> {
        let body = [link(0, 0, 0), attribute(libc::IFLA_IFNAME, &[name.as_bytes(), &[0]].concat())].concat();
        let answer =
            self.request(libc::RTM_GETLINK, 0, &body).step(|| format!("find the network device {name}"))?;
        let number = |at: usize| {
            answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes)
        };
        match (number(4), number(8)) {
            (Some(index), Some(flags)) => Ok((index, flags & libc::IFF_UP as u32 != 0)),
            _ => Err(Error::Said(format!("the kernel tells nothing of the network device {name}"))),
        }
    }

    fn relocate(&self, index: u32, name: &str, namespace: impl AsFd) -> nix::Result<()> {
        let fd = namespace.as_fd().as_raw_fd();
        let name = attribute(libc::IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
        let body = [link(index, 0, 0), name, attribute(libc::IFLA_NET_NS_FD, &fd.to_ne_bytes())].concat();
        self.request(libc::RTM_NEWLINK, 0, &body).map(drop)
    }

    /// Those that are not the kernel's own to give: permanent, and known beyond the machine.
    fn addresses(&self) -> Result<Vec<Vec<u8>>> {
        const PERMANENT: u8 = libc::IFA_F_PERMANENT as u8;
        const GLOBAL: u8 = libc::RT_SCOPE_UNIVERSE;
        let step = || "read the addresses of network devices".to_owned();
        self.send(libc::RTM_GETADDR, libc::NLM_F_DUMP as u16, &[0; 8]).step(step)?;
        let mut found = Vec::new();
        loop {
            for (kind, body) in self.receive().step(step)? {
                match i32::from(kind) {
                    libc::NLMSG_DONE => return Ok(found),
                    libc::NLMSG_ERROR => check(&body).step(step)?,
                    // struct ifaddrmsg: family, prefix length, flags, scope, index.
                    _ if body.len() >= 8 && body[2] & PERMANENT != 0 && body[3] == GLOBAL => found.push(body),
                    _ => {}
                }
            }
        }
    }

    /// The body of the answer; empty where there is only an acknowledgement.
    fn request(&self, kind: u16, flags: u16, body: &[u8]) -> nix::Result<Vec<u8>> {
        self.send(kind, flags | libc::NLM_F_ACK as u16, body)?;
        let mut answer = Vec::new();
        loop {
            for (kind, body) in self.receive()? {
                if i32::from(kind) == libc::NLMSG_ERROR {
                    return check(&body).map(|()| answer);
                }
                answer = body;
            }
        }
    }

    fn send(&self, kind: u16, flags: u16, body: &[u8]) -> nix::Result<()> {
        let length = (HEADER + body.len()) as u32;
        let flags = flags | libc::NLM_F_REQUEST as u16;
        let message = [
            &length.to_ne_bytes()[..],
            &kind.to_ne_bytes(),
            &flags.to_ne_bytes(),
            // A sequence number and a port, which the kernel fills in.
            &[0; 8],
            body,
        ]
        .concat();
        rustix::net::send(&self.0, &message, SendFlags::empty()).map(drop).map_err(errno)
    }

    /// Type and body of each message of a packet.
    fn receive(&self) -> nix::Result<Vec<(u16, Vec<u8>)>> {
        let mut packet = vec![0; 32 * 1024];
        let received =
            rustix::io::retry_on_intr(|| rustix::net::recv(&self.0, &mut packet[..], RecvFlags::empty()));
        packet.truncate(received.map_err(errno)?.0);
        let mut messages = Vec::new();
        let mut rest = &packet[..];
        while let Some((header, _)) = rest.split_first_chunk::<HEADER>() {
            let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
            let Some(body) = rest.get(HEADER..length) else { break };
            messages.push((u16::from_ne_bytes([header[4], header[5]]), body.to_vec()));
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(messages)
    }
}

/// `struct nlmsgerr` begins with a negative errno; zero is an acknowledgement.
fn check(body: &[u8]) -> nix::Result<()> {
    match body.first_chunk::<4>().map(|code| i32::from_ne_bytes(*code)) {
        Some(0) => Ok(()),
        Some(code) => Err(Errno::from_raw(-code)),
        None => Err(Errno::EBADMSG),
    }
}

/// `struct ifinfomsg`.
fn link(index: u32, flags: u32, change: u32) -> Vec<u8> {
    [[0; 4], index.to_ne_bytes(), flags.to_ne_bytes(), change.to_ne_bytes()].concat()
}

/// `struct rtattr`, padded.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = (4 + value.len()) as u16;
    let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

/// What the kernel takes for a device's name (`dev_valid_name`), each once.
pub(crate) fn check_names(spec: &Spec) -> Result<()> {
    let Some(linux) = &spec.linux else { return Ok(()) };
    let mut inside = Vec::new();
    for (outside, device) in &linux.net_devices {
        let name = device.name.as_ref().filter(|name| !name.is_empty()).unwrap_or(outside);
        for name in [outside, name] {
            let is_valid = (1..16).contains(&name.len())
                && !matches!(name.as_str(), "." | "..")
                && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"/:%".contains(&byte));
            if !is_valid {
                return Err(Error::Invalid(format!(
                    "linux.netDevices: {name:?} is no name of a network device"
                )));
            }
        }
        if inside.contains(name) {
            return Err(Error::Invalid(format!("linux.netDevices: two devices cannot both be {name:?}")));
        }
        inside.push(name.clone());
    }
    Ok(())
}
