//! Links: bridges, veth pairs, macvlans, VXLANs. See rtnetlink(7), veth(4) and the kernel's include/uapi/linux/if_link.h.

mod macvlan;
pub mod vxlan;

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

pub use macvlan::{MacvlanMode, create_macvlan};

use crate::error::{Error, Result};
use crate::mac::Mac;
use crate::netlink::{CREATE_NEW, Message, Reply, Socket, u32_at};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_PROTINFO: u16 = 12;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_PID: u16 = 19;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const VETH_INFO_PEER: u16 = 1;

const IFF_UP: u32 = 1;
/// The operational state "up" (RFC 2863; linux/if.h, `IF_OPER_UP`).
const OPERATIONAL: u8 = 6;
const AF_UNSPEC: u8 = 0;
const AF_BRIDGE: u8 = 7;
/// `struct ifinfomsg`: family, type, index, flags, which flags to change.
const IFINFOMSG: usize = 16;

/// A link as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    /// `bridge`, `veth`, `macvlan` …; `None` for hardware and `lo`.
    pub kind: Option<String>,
    pub mac: Option<Mac>,
    pub mtu: u32,
    pub up: bool,
    /// The index of the bridge that the link is a port of.
    pub master: Option<u32>,
    /// The index of a veth's peer or of a macvlan's parent, possibly in another namespace.
    pub link: Option<u32>,
}

/// The network namespace that a link is created in.
#[derive(Debug, Clone, Copy)]
pub enum Namespace<'a> {
    Fd(BorrowedFd<'a>),
    Pid(u32),
}

/// A bridge to be created.
#[derive(Debug, Clone)]
pub struct Bridge<'a> {
    pub name: &'a str,
    /// Without an address of its own a bridge takes the lowest one of its ports. That would change with its ports, while
    /// containers have the old one in their neighbour caches.
    pub mac: Mac,
    pub mtu: u32,
}

/// A veth pair to be created.
#[derive(Debug, Clone)]
pub struct Veth<'a> {
    /// The name of the end in this namespace, which becomes a port of the bridge with the index `master`.
    pub name: &'a str,
    pub master: Option<u32>,
    pub mtu: u32,
    pub peer: Peer<'a>,
}

/// A link that is created inside a namespace, with its final name. So it never exists on the host.
#[derive(Debug, Clone)]
pub struct Peer<'a> {
    pub name: &'a str,
    pub mac: Option<Mac>,
    pub namespace: Namespace<'a>,
}

/// Checks a link's name: the kernel's rule (`dev_valid_name`), but without `%`, which the kernel would replace by a number.
pub fn check_name(name: &str) -> Result<()> {
    let why = match name {
        "" | "." | ".." => "no link can be called so",
        _ if name.len() > 15 => "the kernel has room for 15 bytes",
        _ if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) => {
            "it has a character that is better not in a name"
        }
        _ => return Ok(()),
    };
    Err(Error::InvalidLinkName { name: name.to_owned(), why })
}

/// Creates a bridge. It is down: bringing it up is the last step of its configuration.
pub fn create_bridge(socket: &mut Socket, bridge: &Bridge<'_>) -> Result<()> {
    check_name(bridge.name)?;
    let mut message = new_link(bridge.name, bridge.mtu, 0);
    message.put(IFLA_ADDRESS, &bridge.mac.0);
    message.put_nested(IFLA_LINKINFO, |info| info.put_text(IFLA_INFO_KIND, "bridge"));
    Ok(socket.request(message, || format!("create the bridge {}", bridge.name))?)
}

/// Creates a veth pair. The end in this namespace becomes a port of the bridge and is up; the peer is down.
pub fn create_veth(socket: &mut Socket, veth: &Veth<'_>) -> Result<()> {
    check_name(veth.name)?;
    check_name(veth.peer.name)?;
    let mut message = new_link(veth.name, veth.mtu, IFF_UP);
    if let Some(master) = veth.master {
        message.put_u32(IFLA_MASTER, master);
    }
    message.put_nested(IFLA_LINKINFO, |info| {
        info.put_text(IFLA_INFO_KIND, "veth");
        info.put_nested(IFLA_INFO_DATA, |data| {
            // The peer's description is a whole RTM_NEWLINK message, with its ifinfomsg header (veth.c).
            data.put_nested(VETH_INFO_PEER, |peer| {
                peer.append(&ifinfomsg(AF_UNSPEC, 0, 0, 0));
                put_peer(peer, &veth.peer, veth.mtu);
            });
        });
    });
    Ok(socket.request(message, || format!("create the veth pair {} and {}", veth.name, veth.peer.name))?)
}

fn new_link(name: &str, mtu: u32, flags: u32) -> Message {
    let mut message = Message::new(RTM_NEWLINK, CREATE_NEW, &ifinfomsg(AF_UNSPEC, 0, flags, flags));
    message.put_text(IFLA_IFNAME, name);
    message.put_u32(IFLA_MTU, mtu);
    message
}

fn put_peer(message: &mut Message, peer: &Peer<'_>, mtu: u32) {
    message.put_text(IFLA_IFNAME, peer.name);
    message.put_u32(IFLA_MTU, mtu);
    if let Some(mac) = peer.mac {
        message.put(IFLA_ADDRESS, &mac.0);
    }
    match peer.namespace {
        Namespace::Fd(fd) => message.put_u32(IFLA_NET_NS_FD, fd.as_raw_fd() as u32),
        Namespace::Pid(pid) => message.put_u32(IFLA_NET_NS_PID, pid),
    }
}

/// Finds a link by its name. `None` if no link has it.
pub fn find(socket: &mut Socket, name: &str) -> Result<Option<Link>> {
    let mut message = Message::new(RTM_GETLINK, 0, &ifinfomsg(AF_UNSPEC, 0, 0, 0));
    message.put_text(IFLA_IFNAME, name);
    Ok(socket.query(message, || format!("look up the link {name}"), read_link)?)
}

/// Like [`find`], but fails if there is no such link.
pub fn get(socket: &mut Socket, name: &str) -> Result<Link> {
    find(socket, name)?.ok_or_else(|| Error::NoSuchLink(name.to_owned()))
}

/// Finds a link by its index. `None` if no link has it.
pub fn find_by_index(socket: &mut Socket, index: u32) -> Result<Option<Link>> {
    let message = Message::new(RTM_GETLINK, 0, &ifinfomsg(AF_UNSPEC, index, 0, 0));
    Ok(socket.query(message, || format!("look up link {index}"), read_link)?)
}

/// Lists all links of the namespace.
pub fn list(socket: &mut Socket) -> Result<Vec<Link>> {
    let message = Message::new(RTM_GETLINK, 0, &ifinfomsg(AF_UNSPEC, 0, 0, 0));
    Ok(socket.dump(message, || "list the links".into(), read_link)?)
}

fn read_link(reply: Reply<'_>) -> Option<Link> {
    let attributes = reply.attributes(IFINFOMSG);
    let kind = || attributes.get(IFLA_LINKINFO)?.nested().get(IFLA_INFO_KIND)?.text();
    Some(Link {
        index: u32_at(reply.payload, 4)?,
        up: u32_at(reply.payload, 8)? & IFF_UP != 0,
        name: attributes.get(IFLA_IFNAME)?.text()?.to_owned(),
        kind: kind().map(str::to_owned),
        mac: attributes.get(IFLA_ADDRESS).and_then(|value| value.array()).map(Mac),
        mtu: attributes.get(IFLA_MTU)?.u32()?,
        master: attributes.get(IFLA_MASTER).and_then(|value| value.u32()),
        link: attributes.get(IFLA_LINK).and_then(|value| value.u32()),
    })
}

pub fn set_up(socket: &mut Socket, index: u32) -> Result<()> {
    let message = Message::new(RTM_SETLINK, 0, &ifinfomsg(AF_UNSPEC, index, IFF_UP, IFF_UP));
    Ok(socket.request(message, || format!("bring link {index} up"))?)
}

pub fn set_down(socket: &mut Socket, index: u32) -> Result<()> {
    let message = Message::new(RTM_SETLINK, 0, &ifinfomsg(AF_UNSPEC, index, 0, IFF_UP));
    Ok(socket.request(message, || format!("bring link {index} down"))?)
}

/// How long to wait until the kernel has destroyed a network namespace: usually a few hundred milliseconds, longer when
/// many are destroyed at once.
const NAMESPACE_TIMEOUT: Duration = Duration::from_secs(10);

/// The same for a macvlan. The kernel refuses a MAC address that another macvlan of the parent has (EADDRINUSE). If the
/// container was restarted, that is its previous link, whose namespace the kernel destroys in the background: wait for it.
pub fn set_up_macvlan(socket: &mut Socket, index: u32) -> Result<()> {
    let deadline = Instant::now() + NAMESPACE_TIMEOUT;
    loop {
        match set_up(socket, index) {
            Err(error) if error.errno() == Some(libc::EADDRINUSE) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

/// Waits until a link carries packets. Until then the kernel drops what is sent over it, and a bridge drops what it receives
/// from it. An ARP request that is dropped is repeated only after a second.
///
/// When both ends of a veth pair are up, a kernel worker updates their operational state. Since Linux 6.8 a query of the link
/// does that at once. Before, and if the peer goes down in the meantime, this waits up to 100 ms.
pub fn await_operational(socket: &mut Socket, name: &str) -> Result<()> {
    for _ in 0..100 {
        let mut message = Message::new(RTM_GETLINK, 0, &ifinfomsg(AF_UNSPEC, 0, 0, 0));
        message.put_text(IFLA_IFNAME, name);
        let state = |reply: Reply<'_>| reply.attributes(IFINFOMSG).get(IFLA_OPERSTATE)?.u8();
        let state = socket.query(message, || format!("query the state of {name}"), state)?;
        if state.is_none_or(|state| state == OPERATIONAL) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Renames a link. Before Linux 6.6 it has to be down.
pub fn rename(socket: &mut Socket, index: u32, name: &str) -> Result<()> {
    check_name(name)?;
    change(socket, index, |m| m.put_text(IFLA_IFNAME, name), || format!("rename link {index} to {name}"))
}

/// Makes a link a port of a bridge; with `None`, removes it from its bridge.
pub fn set_master(socket: &mut Socket, index: u32, master: Option<u32>) -> Result<()> {
    let bridge = master.unwrap_or(0);
    let action = || format!("make link {index} a port of link {bridge}");
    change(socket, index, |m| m.put_u32(IFLA_MASTER, bridge), action)
}

/// Isolates a bridge's port: no frame is forwarded between it and other isolated ports (bridge(8), `isolated`; Linux 4.18).
///
/// The `inet` rules cannot do this, because frames between ports of a bridge do not pass them.
pub fn isolate_port(socket: &mut Socket, index: u32) -> Result<()> {
    set_port_flag(socket, index, IFLA_BRPORT_ISOLATED, || format!("isolate the bridge port {index}"))
}

/// Allows frames to leave a bridge's port by which they came in (bridge(8), `hairpin`). A container that connects to its own
/// published port needs this if bridges call iptables (br_netfilter): then the packet is translated in the bridge and
/// forwarded back, without being routed.
pub fn enable_hairpin(socket: &mut Socket, index: u32) -> Result<()> {
    set_port_flag(socket, index, IFLA_BRPORT_MODE, || {
        format!("enable hairpin mode of the bridge port {index}")
    })
}

fn set_port_flag(socket: &mut Socket, index: u32, flag: u16, action: impl Fn() -> String) -> Result<()> {
    let mut message = Message::new(RTM_SETLINK, 0, &ifinfomsg(AF_BRIDGE, index, 0, 0));
    message.put_nested(IFLA_PROTINFO, |port| port.put_u8(flag, 1));
    Ok(socket.request(message, action)?)
}

/// Deletes a link. With one end of a veth pair the kernel deletes the other.
///
/// This takes 15 to 60 ms, because the kernel waits for all users of the link. Links are also destroyed with their network
/// namespace, in the background; so a container's links are better left to that.
pub fn delete(socket: &mut Socket, index: u32) -> Result<()> {
    let message = Message::new(RTM_DELLINK, 0, &ifinfomsg(AF_UNSPEC, index, 0, 0));
    Ok(socket.request(message, || format!("delete link {index}"))?)
}

/// Moves a link to another network namespace, where it is called `name`. It is down there, and has no addresses.
pub fn move_to(socket: &mut Socket, index: u32, name: &str, namespace: BorrowedFd<'_>) -> Result<()> {
    check_name(name)?;
    // A link is renamed only while it is down.
    set_down(socket, index)?;
    let action = || format!("move link {index} to another network namespace as {name}");
    let put = |message: &mut Message| {
        message.put_text(IFLA_IFNAME, name);
        message.put_u32(IFLA_NET_NS_FD, namespace.as_raw_fd() as u32);
    };
    change(socket, index, put, action)
}

/// Sets a link's hardware address and the size of its packets, if they are given. The link is down.
pub fn change_ethernet(socket: &mut Socket, index: u32, mac: Option<Mac>, mtu: Option<u32>) -> Result<()> {
    if mac.is_none() && mtu.is_none() {
        return Ok(());
    }
    let put = |message: &mut Message| {
        if let Some(mac) = mac {
            message.put(IFLA_ADDRESS, &mac.0);
        }
        if let Some(mtu) = mtu {
            message.put_u32(IFLA_MTU, mtu);
        }
    };
    change(socket, index, put, || format!("set the hardware address and the MTU of link {index}"))
}

fn change(
    socket: &mut Socket,
    index: u32,
    what: impl FnOnce(&mut Message),
    action: impl Fn() -> String,
) -> Result<()> {
    let mut message = Message::new(RTM_SETLINK, 0, &ifinfomsg(AF_UNSPEC, index, 0, 0));
    what(&mut message);
    Ok(socket.request(message, action)?)
}

/// `struct ifinfomsg` (rtnetlink(7)). Flags outside `change` are left as they are.
fn ifinfomsg(family: u8, index: u32, flags: u32, change: u32) -> [u8; IFINFOMSG] {
    let mut bytes = [0; IFINFOMSG];
    bytes[0] = family;
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..16].copy_from_slice(&change.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests;
