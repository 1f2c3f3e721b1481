//! Network devices of the host that a container takes over (config-linux.md, "Network Devices").
//!
//! A device loses its addresses when it moves to another namespace, so they are read before and added again afterwards.
//! The parent moves a device, because that takes privileges over both namespaces. The child brings it up inside.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use hull_netlink::{CREATE, Message, Protocol, REPLACE, Reply, Socket, namespace, u32_at};
use nix::errno::Errno;
use nix::libc;

use crate::error::{Error, Result, Step};
use crate::spec::Spec;

/// A device as it is on the host, and the name that it gets in the container.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    outside: String,
    inside: String,
    index: u32,
    up: bool,
    /// For each address that an administrator or a program has added: the body of the `RTM_NEWADDR` that adds it again.
    addresses: Vec<Vec<u8>>,
}

/// Finds the devices that the bundle names. The parent calls it before it makes anything.
pub(crate) fn find_all(spec: &Spec) -> Result<Vec<Device>> {
    let Some(linux) = spec.linux.as_ref().filter(|linux| !linux.net_devices.is_empty()) else {
        return Ok(Vec::new());
    };
    let mut socket = Socket::open(Protocol::Route)?;
    let addresses = permanent_addresses(&mut socket)?;
    let device = |(outside, device): (&String, &crate::spec::NetDevice)| {
        let inside = device.name.as_ref().filter(|name| !name.is_empty()).unwrap_or(outside).clone();
        let (index, up) = find(&mut socket, outside)?;
        let own = |body: &&Vec<u8>| body[4..8] == index.to_ne_bytes();
        let addresses = addresses.iter().filter(own).cloned().collect();
        Ok(Device { outside: outside.clone(), inside, index, up, addresses })
    };
    linux.net_devices.iter().map(device).collect()
}

/// Devices that were moved into a container's network namespace, and the way to undo it.
#[derive(Debug)]
pub(crate) struct Moved {
    namespace: OwnedFd,
    devices: Vec<Device>,
}

impl Moved {
    /// Moves all of the devices, or none.
    pub(crate) fn to(namespace: OwnedFd, devices: &[Device]) -> Result<Self> {
        let mut socket = Socket::open(Protocol::Route)?;
        let mut moved = Self { namespace, devices: Vec::new() };
        for device in devices {
            let action = || format!("move the network device {}", device.outside);
            if let Err(error) =
                change_namespace(&mut socket, device.index, &device.inside, &moved.namespace, action)
            {
                return Err(error.with_cleanup(moved.undo()));
            }
            moved.devices.push(device.clone());
        }
        Ok(moved)
    }

    /// Moves the devices back to the host with the names, addresses and states that they had. Continues after errors,
    /// and returns all of them.
    pub(crate) fn undo(&self) -> Vec<Error> {
        if self.devices.is_empty() {
            return Vec::new();
        }
        let mut errors = Vec::new();
        let moved = namespace::current().map_err(Error::from).and_then(|host| {
            namespace::within(self.namespace.as_fd(), || -> Result<()> {
                let mut socket = Socket::open(Protocol::Route)?;
                errors.extend(self.devices.iter().filter_map(|one| move_back(&mut socket, one, &host).err()));
                Ok(())
            })
        });
        errors.extend(moved.err());
        for device in &self.devices {
            let on_host = Device { inside: device.outside.clone(), ..device.clone() };
            errors.extend(set_up(&[on_host], false).err());
        }
        errors
    }
}

/// Called in the container's network namespace.
fn move_back(socket: &mut Socket, device: &Device, host: &OwnedFd) -> Result<()> {
    let (index, _) = find(socket, &device.inside)?;
    let action = || format!("move the network device {} back", device.outside);
    change_namespace(socket, index, &device.outside, host, action)
}

/// Adds the devices' addresses and brings the devices up, in the caller's network namespace: all of them, or only those
/// that were up before they moved.
pub(crate) fn set_up(devices: &[Device], all: bool) -> Result<()> {
    if devices.is_empty() {
        return Ok(());
    }
    let mut socket = Socket::open(Protocol::Route)?;
    for device in devices {
        let action = || format!("set up the network device {}", device.inside);
        let (index, _) = find(&mut socket, &device.inside)?;
        for body in &device.addresses {
            let mut body = body.clone();
            body[4..8].copy_from_slice(&index.to_ne_bytes());
            socket.request(Message::new(libc::RTM_NEWADDR, CREATE | REPLACE, &body), action)?;
        }
        if all || device.up {
            let up = libc::IFF_UP as u32;
            socket.request(Message::new(libc::RTM_NEWLINK, 0, &ifinfomsg(index, up)), action)?;
        }
    }
    Ok(())
}

/// A device's index, and whether it is up.
fn find(socket: &mut Socket, name: &str) -> Result<(u32, bool)> {
    let action = || format!("find the network device {name}");
    let mut message = Message::new(libc::RTM_GETLINK, 0, &ifinfomsg(0, 0));
    message.put_text(libc::IFLA_IFNAME, name);
    let index_and_flags = |reply: Reply<'_>| Some((u32_at(reply.payload, 4)?, u32_at(reply.payload, 8)?));
    match socket.query(message, action, index_and_flags)? {
        Some((index, flags)) => Ok((index, flags & libc::IFF_UP as u32 != 0)),
        None => Err(Errno::ENODEV).step(action),
    }
}

/// Moves a device to another network namespace under a new name.
fn change_namespace(
    socket: &mut Socket,
    index: u32,
    name: &str,
    namespace: &OwnedFd,
    action: impl Fn() -> String,
) -> Result<()> {
    let mut message = Message::new(libc::RTM_NEWLINK, 0, &ifinfomsg(index, 0));
    message.put_text(libc::IFLA_IFNAME, name);
    message.put_u32(libc::IFLA_NET_NS_FD, namespace.as_raw_fd() as u32);
    Ok(socket.request(message, action)?)
}

/// The addresses that have to be added again: permanent ones (not from DHCP or router advertisements) with global scope.
/// The kernel itself makes the others.
fn permanent_addresses(socket: &mut Socket) -> Result<Vec<Vec<u8>>> {
    const PERMANENT: u8 = libc::IFA_F_PERMANENT as u8;
    const GLOBAL: u8 = libc::RT_SCOPE_UNIVERSE;
    // struct ifaddrmsg: family, prefix length, flags, scope, index.
    let permanent = |reply: Reply<'_>| match reply.payload {
        [_, _, flags, GLOBAL, _, _, _, _, ..] if flags & PERMANENT != 0 => Some(reply.payload.to_vec()),
        _ => None,
    };
    let message = Message::new(libc::RTM_GETADDR, 0, &[0; 8]);
    Ok(socket.dump(message, || "read the addresses of network devices".into(), permanent)?)
}

/// `struct ifinfomsg` (rtnetlink(7)): family, type, index, flags, and which flags to change. All of `flags` are set.
fn ifinfomsg(index: u32, flags: u32) -> Vec<u8> {
    [[0; 4], index.to_ne_bytes(), flags.to_ne_bytes(), flags.to_ne_bytes()].concat()
}

/// Checks that the names are ones that the kernel accepts (`dev_valid_name`), and that no two devices get the same one.
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
