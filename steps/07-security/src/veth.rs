//! A veth pair with an end in each of two network namespaces, and a bridge on the host that connects
//! all veth pairs.
//!
//! ```text
//!  host                                             container
//!  eth0 ── forwarding, NAT (nat.rs) ── boxes        lo
//!                                      10.105.0.1
//!                                       ├── box2-4711 ──────── eth0  10.105.0.2, default via 10.105.0.1
//!                                       └── box3-4715 ──────── eth0  of another container
//! ```
//!
//! The kernel holds all state. A link called `box2-4711` says that process 4711 uses the address
//! 10.105.0.2. When there is no such link, the bridge is not needed any more. The alias of the
//! bridge says whether these programs switched ip_forward on. A process that reads this state in
//! order to change it holds a lock on the network namespace until the change is done.
//!
//! There are alternatives: a physical link can be moved into the namespace, or can be shared
//! (macvlan, ipvlan). A veth pair and a bridge are the usual choice, because they need nothing from
//! the host's network: other machines see only the host's own address.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::net::if_::{if_indextoname, if_nametoindex};
use nix::sys::socket::SockProtocol;
use nix::unistd::Pid;

use crate::netlink::{Message, Socket, attributes};
use crate::report;
use crate::supervisor::Supervisor;

pub const BRIDGE: &str = "boxes";
/// A private address (RFC 1918), from a part of 10.0.0.0/8 that home routers and VPNs seldom use.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 105, 0, 1);
const PREFIX: u8 = 24;

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";
/// The bridge's alias. An alias is any text that the kernel stores with a link.
const SWITCHED_ON: &str = "ip_forward was 0";
/// The directory with an entry for each link. The supervisor identifies a link by its path in this
/// directory.
const LINKS: &str = "/sys/class/net";

// From linux/veth.h and linux/if_link.h. The properties of a single kind of link are nested below
// IFLA_LINKINFO. Each kind numbers its properties from 1.
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BRPORT_MODE: u16 = 4;
const VETH_INFO_PEER: u16 = 1;

/// A container's connection to the bridge. A drop of this value removes the veth pair, and also the
/// bridge if this was the last veth pair. The bridge is made and the address is reserved before the
/// container exists. The veth pair is created when there is a namespace for its other end.
pub struct Network {
    /// The container's address.
    pub address: Ipv4Addr,
    /// The name of the host's end.
    link: String,
    // Fields are dropped in this order. The drop of the supervisor waits until the supervisor has
    // removed the links, and the supervisor needs the lock for that.
    lock: Option<Flock<File>>,
    _supervisor: Supervisor,
}

/// Creates the bridge if there is none, and finds a free address. Returns None if this process may
/// not create links. The kernel says which addresses are free, because a file could be wrong after
/// a crash. The lock prevents two containers from choosing the same address.
pub fn prepare(wanted: bool) -> Result<Option<Network>> {
    let lock = lock()?;
    let number = (2..=254)
        .find(|number| veths().iter().all(|veth| !veth.starts_with(&format!("box{number}-"))))
        .context("every address of 10.105.0.0/24 is taken")?;
    // A link's name has at most 15 bytes and a zero byte.
    let link = format!("box{number}-{}", std::process::id());
    let supervisor =
        Supervisor::start(&[Path::new(LINKS).join(&link), Path::new(LINKS).join(BRIDGE)], remove)?;
    let network = Network {
        address: Ipv4Addr::new(10, 105, 0, number),
        link,
        lock: Some(lock),
        _supervisor: supervisor,
    };
    match ensure_bridge() {
        Err(error) if error.downcast_ref() == Some(&Errno::EPERM) => {
            let hint = "hint: only root may create a bridge on the host. `unshare -Urn` starts a shell that is root\n      \
                        of a network namespace of its own: run this command there";
            if wanted {
                return Err(error.context(hint).context("--publish"));
            }
            report::say(
                "note: the container has only lo, because only root may create a bridge on the host. Try it in `unshare -Urn`",
            );
            Ok(None)
        }
        made => made.map(|()| Some(network)),
    }
}

/// Locks the file of the network namespace, which is the same file for every process in it. The
/// kernel releases a flock(2) when its holder dies.
fn lock() -> Result<Flock<File>> {
    let file = File::open("/proc/self/ns/net").context("open /proc/self/ns/net")?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno).context("flock(/proc/self/ns/net)")
}

/// The names of the host's ends of all veth pairs. /proc/net/dev has a line for each link of the
/// network namespace, with the name before the colon.
fn veths() -> Vec<String> {
    let text = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let names = text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    let is_veth = |name: &&str| name.starts_with("box") && name.contains('-');
    names.filter(is_veth).map(String::from).collect()
}

/// Creates the bridge with the gateway's address, and lets the host forward packets. The process of
/// another container may have done any of this already.
fn ensure_bridge() -> Result<()> {
    let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
    match make_bridge(&mut kernel) {
        Err(error) if error.downcast_ref() == Some(&Errno::EEXIST) => {}
        made => {
            made?;
            // This check comes before the address, because the address adds a route. After an error
            // the supervisor removes the bridge.
            check_routes(&mut kernel)?;
        }
    }
    match add_address(&mut kernel, BRIDGE, GATEWAY) {
        Err(error) if error.downcast_ref() == Some(&Errno::EEXIST) => {}
        added => added?,
    }
    enable_forwarding(&mut kernel)
}

/// Creates the bridge, a switch in software, and sets it up:
///
///     ip link add boxes address 02:00:0a:69:00:01 up type bridge
///
/// A bridge with an address is also a link of the host itself, so it can be the gateway of the
/// containers.
pub fn make_bridge(kernel: &mut Socket) -> Result<()> {
    let bridge = Message::new(libc::RTM_NEWLINK, CREATE, &ifinfo(0, libc::IFF_UP))
        .text(libc::IFLA_IFNAME, BRIDGE)
        // Without its own MAC address, a bridge uses the lowest address of its members, and this
        // address changes when members come and go.
        .attr(libc::IFLA_ADDRESS, [2, 0, 10, 105, 0, 1])
        .nest(libc::IFLA_LINKINFO, &[], |info| info.text(IFLA_INFO_KIND, "bridge"));
    kernel.call(&format!("RTM_NEWLINK({BRIDGE}, bridge, up)"), vec![bridge]).map(drop)
}

/// Switches ip_forward on. Without it, the kernel drops a packet that comes in through one link and
/// has to leave through another.
fn enable_forwarding(kernel: &mut Socket) -> Result<()> {
    if fs::read_to_string(FORWARDING).with_context(|| format!("read {FORWARDING}"))?.trim() != "0" {
        return Ok(());
    }
    // This note comes first, so that the process of the last container can switch forwarding off
    // again, even if this process is killed.
    let alias = Message::new(libc::RTM_SETLINK, libc::NLM_F_ACK, &ifinfo(index(BRIDGE)?, 0));
    let alias = alias.attr(libc::IFLA_IFALIAS, SWITCHED_ON);
    kernel.call(&format!("RTM_SETLINK({BRIDGE}, alias {SWITCHED_ON:?})"), vec![alias])?;
    switch(FORWARDING, "1")
}

const ROUTED: &str = "hint: this lesson knows only one network. Delete the route (`ip route del`), or use a network namespace\n      \
                      of your own, which has no routes: run this command in `unshare -Urn`";

/// Refuses to use the subnet if the host has a route that overlaps with it. The kernel would accept a
/// second route and prefer the longer prefix or the older one, so either the host's VPN or the
/// containers would receive no replies. docker and podman choose another subnet.
fn check_routes(kernel: &mut Socket) -> Result<()> {
    // In a request for all routes only the family in rtmsg has a meaning.
    let all = Message::new(libc::RTM_GETROUTE, libc::NLM_F_DUMP, &rtmsg(0, 0, 0, 0));
    for answer in kernel.call("RTM_GETROUTE(all)", vec![all])? {
        // An rtmsg: the second byte is the length of the prefix, the fifth byte is the table.
        let [_, length, _, _, table, ..] = answer[..] else { continue };
        let find = |wanted| {
            let mut attributes = attributes(answer.get(12..).unwrap_or_default());
            attributes
                .find(|(kind, _)| *kind == wanted)
                .and_then(|(_, value)| <[u8; 4]>::try_from(value).ok())
        };
        // The default route has no destination, and does not overlap with the subnet.
        let Some(destination) = find(libc::RTA_DST) else { continue };
        // Two subnets overlap if they agree up to the shorter prefix.
        let mask = u32::MAX.checked_shl(32 - u32::from(length.min(PREFIX))).unwrap_or(0);
        let differ = u32::from_be_bytes(destination) ^ u32::from(GATEWAY);
        if table == libc::RT_TABLE_MAIN && differ & mask == 0 {
            let link = if_indextoname(find(libc::RTA_OIF).map_or(0, u32::from_ne_bytes)).unwrap_or_default();
            let route = format!("{}/{length} dev {}", Ipv4Addr::from(destination), link.to_string_lossy());
            let taken = anyhow!(
                "the containers need 10.105.0.0/{PREFIX}, and this machine has a route that overlaps with it: {route}"
            );
            return Err(taken.context(ROUTED));
        }
    }
    Ok(())
}

/// Lets packets from 127.0.0.1 leave through the bridge, and lets their replies come in through it.
/// The addresses 127.0.0.0/8 mean the machine itself (RFC 1122). So the kernel normally drops a
/// packet with such an address if it leaves or comes in by a link other than lo, and calls it
/// "martian".
pub fn route_localnet() -> Result<()> {
    switch(&format!("/proc/sys/net/ipv4/conf/{BRIDGE}/route_localnet"), "1")
}

/// Sets a sysctl. A network sysctl belongs to the network namespace of the process that opens the
/// file.
fn switch(file: &str, value: &str) -> Result<()> {
    let before = fs::read_to_string(file).unwrap_or_default();
    fs::write(file, value)
        .context("hint: inside a container /proc/sys is read-only: start that container with --privileged")
        .with_context(|| format!("write {value:?} to {file}"))?;
    report::trace(format!("write {value:?} to {file}   was {:?}", before.trim()));
    Ok(())
}

impl Network {
    /// Connects the network namespace of `pid` to the bridge.
    pub fn attach(&mut self, pid: Pid) -> Result<()> {
        let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
        make_veth(&mut kernel, &self.link, pid)?;
        allow_hairpin(&mut kernel, &self.link)?;
        // The link exists, so the processes of other containers see that the address is taken.
        self.lock = None;
        Ok(())
    }
}

/// Creates the veth pair with one message. One end is on the bridge, and the other end is in the
/// network namespace of `pid`:
///
///     ip link add box2-4711 up master boxes type veth peer name eth0 netns 4713
///
/// When one end is removed, for instance because its namespace ends, the kernel removes the other.
pub fn make_veth(kernel: &mut Socket, link: &str, pid: Pid) -> Result<()> {
    let veth = Message::new(libc::RTM_NEWLINK, CREATE, &ifinfo(0, libc::IFF_UP))
        .text(libc::IFLA_IFNAME, link)
        .attr(libc::IFLA_MASTER, index(BRIDGE)?.to_ne_bytes())
        .nest(libc::IFLA_LINKINFO, &[], |info| {
            info.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, &[], |data| {
                // The other end is a link with its own attributes. The pid is that of the child,
                // which waits on the sync pipe.
                data.nest(VETH_INFO_PEER, &ifinfo(0, 0), |peer| {
                    peer.text(libc::IFLA_IFNAME, "eth0")
                        .attr(libc::IFLA_NET_NS_PID, pid.as_raw().to_ne_bytes())
                })
            })
        });
    let call = format!("RTM_NEWLINK({link}, veth, up, at {BRIDGE}; its other end eth0 of {pid})");
    kernel.call(&call, vec![veth]).map(drop)
}

/// Lets the bridge send a packet back through the link through which the packet came in:
///
///     ip link set box2-4711 type bridge_slave hairpin on
///
/// A container that connects to its own published port needs this where the kernel filters packets
/// within a bridge too (br_netfilter, which docker loaded at every start until version 27).
fn allow_hairpin(kernel: &mut Socket, link: &str) -> Result<()> {
    let hairpin = Message::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, &ifinfo(index(link)?, 0)).nest(
        libc::IFLA_LINKINFO,
        &[],
        |info| {
            info.text(IFLA_INFO_SLAVE_KIND, "bridge")
                .nest(IFLA_INFO_SLAVE_DATA, &[], |data| data.attr(IFLA_BRPORT_MODE, [1]))
        },
    );
    kernel.call(&format!("RTM_NEWLINK({link}, hairpin on)"), vec![hairpin]).map(drop)
}

/// Configures the container's own links. It runs in the child, inside the network namespace:
///
///     ip link set lo up
///     ip address add 10.105.0.2/24 dev eth0
///     ip link set eth0 up
///     ip route add default via 10.105.0.1
///
/// Without an address there is only lo. This needs no privilege on the host, because the network
/// namespace belongs to the container's user namespace.
pub fn configure(address: Option<Ipv4Addr>) -> Result<()> {
    let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
    // Each network namespace has its own lo, which is down at first. While it is down, the
    // container's programs cannot reach each other at 127.0.0.1.
    kernel.call("RTM_SETLINK(lo, up)", vec![up("lo")?])?;
    let Some(address) = address else { return Ok(()) };
    // The order matters: the kernel accepts a route through a gateway only if it can reach the
    // gateway.
    add_address(&mut kernel, "eth0", address)?;
    kernel.call("RTM_SETLINK(eth0, up)", vec![up("eth0")?])?;
    let fixed = rtmsg(libc::RT_TABLE_MAIN, libc::RTPROT_BOOT, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST);
    let route = Message::new(libc::RTM_NEWROUTE, CREATE, &fixed).attr(libc::RTA_GATEWAY, GATEWAY.octets());
    kernel.call(&format!("RTM_NEWROUTE(default via {GATEWAY})"), vec![route]).map(drop)
}

/// Writes the host's name servers into a root directory. On many hosts /etc/resolv.conf names
/// systemd-resolved at 127.0.0.53, which other network namespaces cannot reach. systemd-resolved
/// keeps a file with the servers that it asks itself (systemd-resolved.service(8)).
pub fn name_servers(root: &Path) -> Result<()> {
    let files = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];
    let text = files.into_iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    let path = root.join("etc/resolv.conf");
    // The container gets a copy, because root inside the container may write to the file.
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

/// The flags mean: acknowledge, create, and fail if the object exists. Without NLM_F_EXCL the
/// kernel would change the existing object.
const CREATE: i32 = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// The fixed part of a message about links: family, type, index, flags, and the mask of the flags
/// to change.
fn ifinfo(index: u32, flags: i32) -> Vec<u8> {
    [0, index, flags as u32, flags as u32].into_iter().flat_map(u32::to_ne_bytes).collect()
}

/// The fixed part of a message about routes: family; lengths of destination and source and the type
/// of service, all 0 for a default route; table, origin, scope, type, flags.
fn rtmsg(table: u8, maker: u8, scope: u8, kind: u8) -> [u8; 12] {
    [libc::AF_INET as u8, 0, 0, 0, table, maker, scope, kind, 0, 0, 0, 0]
}

/// Messages name a link by its number, because a name can change between two messages, or be given
/// to another link.
fn index(link: &str) -> Result<u32> {
    if_nametoindex(link).with_context(|| format!("if_nametoindex({link})"))
}

/// Sets a link up. A new link is down.
fn up(link: &str) -> Result<Message> {
    Ok(Message::new(libc::RTM_SETLINK, libc::NLM_F_ACK, &ifinfo(index(link)?, libc::IFF_UP)))
}

/// Gives a link an address:
///
///     ip address add 10.105.0.1/24 dev boxes
///
/// The kernel also adds a route: with /24, packets to the addresses 10.105.0.0 to 10.105.0.255
/// leave through this link, without a gateway.
pub fn add_address(kernel: &mut Socket, link: &str, address: Ipv4Addr) -> Result<()> {
    // ifaddrmsg: family, length of the prefix, flags, scope, index.
    let mut fixed = vec![libc::AF_INET as u8, PREFIX, 0, 0];
    fixed.extend(index(link)?.to_ne_bytes());
    let message = Message::new(libc::RTM_NEWADDR, CREATE, &fixed)
        .attr(libc::IFA_LOCAL, address.octets())
        .attr(libc::IFA_ADDRESS, address.octets());
    kernel.call(&format!("RTM_NEWADDR({link}, {address}/{PREFIX})"), vec![message]).map(drop)
}

/// Removes the link that `path` names. The supervisor calls it. It removes the bridge only after the
/// last veth pair. A veth pair usually disappears with the container's network namespace. After a
/// SIGKILL of this program the namespace may exist a moment longer, and then this function removes
/// the veth pair.
fn remove(path: &Path) -> io::Result<()> {
    let link = path.file_name().unwrap_or_default().to_string_lossy();
    let is_bridge = link == BRIDGE;
    let removed = lock().and_then(|_lock| {
        let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
        let Ok(index) = if_nametoindex(&*link) else { return Ok(false) };
        // Other containers use the bridge. The last of them removes it.
        if is_bridge && !veths().is_empty() {
            return Ok(false);
        }
        if is_bridge {
            restore_forwarding(&mut kernel, index)?;
        }
        let message = Message::new(libc::RTM_DELLINK, libc::NLM_F_ACK, &ifinfo(index, 0));
        kernel.call(&format!("RTM_DELLINK({link})"), vec![message])?;
        Ok(true)
    });
    match removed {
        Ok(true) => Ok(()),
        Ok(false) => Err(ErrorKind::NotFound.into()),
        // A process that may not remove a link has not created it.
        Err(error) if error.downcast_ref() == Some(&Errno::EPERM) => Err(ErrorKind::NotFound.into()),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Switches ip_forward off if one of these programs switched it on and it is still on. While it is
/// on, the machine is a router. If it was on before, other programs may need it, so it stays on.
fn restore_forwarding(kernel: &mut Socket, bridge: u32) -> Result<()> {
    let message = Message::new(libc::RTM_GETLINK, libc::NLM_F_ACK, &ifinfo(bridge, 0));
    let answers = kernel.call(&format!("RTM_GETLINK({BRIDGE})"), vec![message])?;
    let mut found = answers.iter().flat_map(|answer| attributes(answer.get(16..).unwrap_or_default()));
    let is_ours =
        found.any(|(kind, value)| kind == libc::IFLA_IFALIAS && value.starts_with(SWITCHED_ON.as_bytes()));
    let is_on = fs::read_to_string(FORWARDING).is_ok_and(|value| value.trim() == "1");
    if is_ours && is_on { switch(FORWARDING, "0") } else { Ok(()) }
}
