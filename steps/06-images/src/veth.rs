//! A veth pair with an end in each of two network namespaces, and a bridge on the host that all
//! veth pairs are attached to.
//!
//! ```text
//!  host                                             container
//!  eth0 ── forwarding, NAT (nat.rs) ── boxes        lo
//!                                      10.105.0.1
//!                                       ├── box2-4711 ──────── eth0  10.105.0.2, default via 10.105.0.1
//!                                       └── box3-4715 ──────── eth0  of another
//! ```
//!
//! All state is in the kernel. A link called `box2-4711` says that process 4711 has the address
//! 10.105.0.2; without any such link the bridge can be removed; the bridge's alias says whether
//! ip_forward was switched on for it. A process that reads and then changes these holds a lock on the
//! network namespace.
//!
//! Alternatives are to move a physical interface into the namespace, or to share one (macvlan,
//! ipvlan). A veth pair and a bridge are the usual choice because they ask nothing of the host's
//! network: no address but the host's is used there.

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
/// From the private addresses (RFC 1918): a part of 10.0.0.0/8 that home routers and VPNs seldom
/// use.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 105, 0, 1);
const PREFIX: u8 = 24;

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";
/// A link's alias is a free text, which the kernel keeps and does not read.
const SWITCHED_ON: &str = "ip_forward was 0";
/// The directory that has an entry for each link; the supervisor is given such a path for the link
/// it has to remove.
const LINKS: &str = "/sys/class/net";

// From linux/veth.h and linux/if_link.h. What a kind of link has to say about itself is nested
// below IFLA_LINKINFO, with numbers that each kind begins anew.
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BRPORT_MODE: u16 = 4;
const VETH_INFO_PEER: u16 = 1;

/// A container's connection to the bridge. Dropping it removes the veth pair, and with the last one
/// the bridge. Bridge and address are reserved before the container exists; the veth pair is
/// created when there is a namespace for its other end.
pub struct Network {
    /// The container's address.
    pub address: Ipv4Addr,
    /// The name of the host's end.
    link: String,
    // Dropped in this order: the supervisor needs the lock, and dropping it waits for that.
    lock: Option<Flock<File>>,
    _supervisor: Supervisor,
}

/// Creates the bridge if there is none, and finds a free address. Returns nothing without the
/// privilege to do so. The kernel is asked each time which addresses are free; a file could be
/// wrong after a crash. The lock keeps two callers from choosing the same.
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
    match make_bridge() {
        Err(error) if error.downcast_ref() == Some(&Errno::EPERM) => {
            let hint = "hint: a bridge on the host takes root. In a network namespace of your own you are root:\n      \
                        unshare -Urn, and there this command again";
            if wanted {
                return Err(error.context(hint).context("--publish"));
            }
            report::say(
                "note: no network but lo: a bridge on the host takes root (unshare -Urn: root of your own network)",
            );
            Ok(None)
        }
        made => made.map(|()| Some(network)),
    }
}

/// Locks the network namespace's own file, which every process in it shares. The kernel releases a
/// flock(2) when its holder dies.
fn lock() -> Result<Flock<File>> {
    let file = File::open("/proc/self/ns/net").context("open /proc/self/ns/net")?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno).context("flock(/proc/self/ns/net)")
}

/// The names of the host's ends of all veth pairs. /proc/net/dev has a line for each link of the
/// network namespace; the name precedes the colon.
fn veths() -> Vec<String> {
    let text = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let names = text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    let is_veth = |name: &&str| name.starts_with("box") && name.contains('-');
    names.filter(is_veth).map(String::from).collect()
}

/// Creates the bridge, a switch in software. With an address it is an interface of the host too,
/// and the containers' gateway.
fn make_bridge() -> Result<()> {
    let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
    let bridge = Message::new(libc::RTM_NEWLINK, CREATE, &ifinfo(0, libc::IFF_UP))
        .text(libc::IFLA_IFNAME, BRIDGE)
        // Without a fixed MAC address it takes the lowest of its members' and changes it as they
        // come and go.
        .attr(libc::IFLA_ADDRESS, [2, 0, 10, 105, 0, 1])
        .nest(libc::IFLA_LINKINFO, &[], |info| info.text(IFLA_INFO_KIND, "bridge"));
    match kernel.call(&format!("RTM_NEWLINK({BRIDGE}, bridge, up)"), vec![bridge]) {
        // Another container has created it, with its address.
        Err(error) if error.downcast_ref() == Some(&Errno::EEXIST) => {}
        made => {
            made?;
            // Checked before the address is added, which adds a route. After an error the
            // supervisor removes the bridge.
            check_routes(&mut kernel)?;
        }
    }
    match add_address(&mut kernel, BRIDGE, GATEWAY) {
        Err(error) if error.downcast_ref() == Some(&Errno::EEXIST) => {}
        added => added?,
    }
    // Without ip_forward the kernel drops packets that come by one link and are for a host behind
    // another one.
    if fs::read_to_string(FORWARDING).with_context(|| format!("read {FORWARDING}"))?.trim() == "0" {
        // Recorded before it is done, so that the last container can undo it, even if this process
        // is killed.
        let alias = Message::new(libc::RTM_SETLINK, libc::NLM_F_ACK, &ifinfo(index(BRIDGE)?, 0));
        let alias = alias.attr(libc::IFLA_IFALIAS, SWITCHED_ON);
        kernel.call(&format!("RTM_SETLINK({BRIDGE}, alias {SWITCHED_ON:?})"), vec![alias])?;
        switch(FORWARDING, "1")?;
    }
    Ok(())
}

const ROUTED: &str = "hint: this lesson knows one network only: delete that route (ip route del …), or try it in a\n      \
                      network namespace of your own, which has none: unshare -Urn, and there this command again";

/// Refuses to use the subnet if the host has a route that overlaps with it. The kernel would accept
/// a second route and prefer the longer prefix or the older one, so either the host's VPN or the
/// containers would get no answers. (docker and podman choose another subnet.)
fn check_routes(kernel: &mut Socket) -> Result<()> {
    // For a dump only the family in rtmsg counts.
    let all = Message::new(libc::RTM_GETROUTE, libc::NLM_F_DUMP, &rtmsg(0, 0, 0, 0));
    for answer in kernel.call("RTM_GETROUTE(all)", vec![all])? {
        // An rtmsg: the second byte is the length of the prefix, the fifth the table.
        let [_, length, _, _, table, ..] = answer[..] else { continue };
        let find = |wanted| {
            let mut attributes = attributes(answer.get(12..).unwrap_or_default());
            attributes
                .find(|(kind, _)| *kind == wanted)
                .and_then(|(_, value)| <[u8; 4]>::try_from(value).ok())
        };
        // Without a destination it is the default route, which conflicts with nothing.
        let Some(destination) = find(libc::RTA_DST) else { continue };
        // Two subnets overlap if they agree up to the shorter prefix.
        let mask = u32::MAX.checked_shl(32 - u32::from(length.min(PREFIX))).unwrap_or(0);
        let differ = u32::from_be_bytes(destination) ^ u32::from(GATEWAY);
        if table == libc::RT_TABLE_MAIN && differ & mask == 0 {
            let link = if_indextoname(find(libc::RTA_OIF).map_or(0, u32::from_ne_bytes)).unwrap_or_default();
            let route = format!("{}/{length} dev {}", Ipv4Addr::from(destination), link.to_string_lossy());
            let taken = anyhow!(
                "10.105.0.0/{PREFIX} is to be the containers', and this machine has a route there: {route}"
            );
            return Err(taken.context(ROUTED));
        }
    }
    Ok(())
}

/// Lets packets from 127.0.0.1 leave by the bridge, and their answers come in by it. 127.0.0.0/8 is
/// the machine itself (RFC 1122), so the kernel otherwise drops such a packet as "martian" when it
/// comes in by a link.
pub fn route_localnet() -> Result<()> {
    switch(&format!("/proc/sys/net/ipv4/conf/{BRIDGE}/route_localnet"), "1")
}

/// Sets a sysctl. Those of the network belong to the network namespace of the process that opens
/// the file.
fn switch(file: &str, value: &str) -> Result<()> {
    let before = fs::read_to_string(file).unwrap_or_default();
    fs::write(file, value)
        .context("hint: inside a container /proc/sys is read-only: run that one with --privileged")
        .with_context(|| format!("write {value:?} to {file}"))?;
    report::trace(format!("write {value:?} to {file}   was {:?}", before.trim()));
    Ok(())
}

impl Network {
    /// Creates the veth pair: one end on the bridge, the other in the namespace of `pid`. When one
    /// end goes, with its namespace for instance, the other one goes too.
    pub fn attach(&mut self, pid: Pid) -> Result<()> {
        // One message creates both ends. The namespace is given by the pid of the child, which
        // waits on the sync pipe.
        let veth = Message::new(libc::RTM_NEWLINK, CREATE, &ifinfo(0, libc::IFF_UP))
            .text(libc::IFLA_IFNAME, &self.link)
            // It is attached to the bridge and up from the beginning.
            .attr(libc::IFLA_MASTER, index(BRIDGE)?.to_ne_bytes())
            .nest(libc::IFLA_LINKINFO, &[], |info| {
                info.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, &[], |data| {
                    data.nest(VETH_INFO_PEER, &ifinfo(0, 0), |peer| {
                        peer.text(libc::IFLA_IFNAME, "eth0")
                            .attr(libc::IFLA_NET_NS_PID, pid.as_raw().to_ne_bytes())
                    })
                })
            });
        let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
        let call = format!("RTM_NEWLINK({}, veth, up, at {BRIDGE}; its other end eth0 of {pid})", self.link);
        kernel.call(&call, vec![veth])?;
        // For a container that connects to its own published port: with br_netfilter, as docker
        // loads it, that packet has to leave by the port of the bridge that it came in by, which a
        // bridge does only in hairpin mode.
        let hairpin = Message::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, &ifinfo(index(&self.link)?, 0)).nest(
            libc::IFLA_LINKINFO,
            &[],
            |info| {
                info.text(IFLA_INFO_SLAVE_KIND, "bridge")
                    .nest(IFLA_INFO_SLAVE_DATA, &[], |data| data.attr(IFLA_BRPORT_MODE, [1]))
            },
        );
        kernel.call(&format!("RTM_NEWLINK({}, hairpin on)", self.link), vec![hairpin])?;
        // The link exists now, so others see that the address is taken.
        self.lock = None;
        Ok(())
    }
}

/// Configures the container's network, in the child: links up, address, default route. Without an
/// address only lo. It takes no privilege on the host: the network namespace belongs to the
/// container's user namespace.
pub fn configure(address: Option<Ipv4Addr>) -> Result<()> {
    let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
    // Each network namespace has a lo, which is down at first. Without it programs cannot reach
    // themselves at 127.0.0.1.
    kernel.call("RTM_SETLINK(lo, up)", vec![up("lo")?])?;
    let Some(address) = address else { return Ok(()) };
    // In this order: a route by a gateway is accepted only if the gateway is reachable.
    add_address(&mut kernel, "eth0", address)?;
    kernel.call("RTM_SETLINK(eth0, up)", vec![up("eth0")?])?;
    let fixed = rtmsg(libc::RT_TABLE_MAIN, libc::RTPROT_BOOT, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST);
    let route = Message::new(libc::RTM_NEWROUTE, CREATE, &fixed).attr(libc::RTA_GATEWAY, GATEWAY.octets());
    kernel.call(&format!("RTM_NEWROUTE(default via {GATEWAY})"), vec![route])?;
    Ok(())
}

/// Writes the host's name servers into a root directory. Where systemd-resolved answers on
/// 127.0.0.53, which no other network namespace can reach, they are the servers that it asks; it
/// keeps them in a file for this purpose (systemd-resolved.service(8)).
pub fn name_servers(root: &Path) -> Result<()> {
    let files = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];
    let text = files.into_iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    let path = root.join("etc/resolv.conf");
    // A copy, because root inside may write to it.
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

/// Acknowledge, create, and fail if it exists. Without NLM_F_EXCL the kernel would change an
/// existing link.
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

/// Links are identified by number: a name can change, or be given to another link between two
/// calls.
fn index(link: &str) -> Result<u32> {
    if_nametoindex(link).with_context(|| format!("if_nametoindex({link})"))
}

/// Sets a link up; a new one is down.
fn up(link: &str) -> Result<Message> {
    Ok(Message::new(libc::RTM_SETLINK, libc::NLM_F_ACK, &ifinfo(index(link)?, libc::IFF_UP)))
}

/// Adds an address with its prefix; the kernel adds the route to that subnet itself. 10.105.0.2/24
/// says that the other 254 addresses are reached by this link without a gateway.
fn add_address(kernel: &mut Socket, link: &str, address: Ipv4Addr) -> Result<()> {
    // ifaddrmsg: family, length of the prefix, flags, scope, index.
    let mut fixed = vec![libc::AF_INET as u8, PREFIX, 0, 0];
    fixed.extend(index(link)?.to_ne_bytes());
    let message = Message::new(libc::RTM_NEWADDR, CREATE, &fixed)
        .attr(libc::IFA_LOCAL, address.octets())
        .attr(libc::IFA_ADDRESS, address.octets());
    kernel.call(&format!("RTM_NEWADDR({link}, {address}/{PREFIX})"), vec![message])?;
    Ok(())
}

/// Removes the link that `path` names; called by the supervisor. The bridge is removed only after
/// the last veth pair. A veth pair is gone already if the container's network namespace is; after a
/// SIGKILL of this program that may take a moment, and then this removes it.
fn remove(path: &Path) -> io::Result<()> {
    let link = path.file_name().unwrap_or_default().to_string_lossy();
    let is_bridge = link == BRIDGE;
    let removed = lock().and_then(|_lock| {
        let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
        let Ok(index) = if_nametoindex(&*link) else { return Ok(false) };
        // Other containers use it; the last of them removes it.
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
        // Without the privilege to remove it, this program did not create it.
        Err(error) if error.downcast_ref() == Some(&Errno::EPERM) => Err(ErrorKind::NotFound.into()),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Switches ip_forward off again if one of these programs switched it on and nobody has changed it
/// since. Left on, it would make the machine a router; switched off while others rely on it, it
/// would cut them off.
fn restore_forwarding(kernel: &mut Socket, bridge: u32) -> Result<()> {
    let message = Message::new(libc::RTM_GETLINK, libc::NLM_F_ACK, &ifinfo(bridge, 0));
    let answers = kernel.call(&format!("RTM_GETLINK({BRIDGE})"), vec![message])?;
    let mut found = answers.iter().flat_map(|answer| attributes(answer.get(16..).unwrap_or_default()));
    let is_ours =
        found.any(|(kind, value)| kind == libc::IFLA_IFALIAS && value.starts_with(SWITCHED_ON.as_bytes()));
    let is_on = fs::read_to_string(FORWARDING).is_ok_and(|value| value.trim() == "1");
    if is_ours && is_on { switch(FORWARDING, "0") } else { Ok(()) }
}
