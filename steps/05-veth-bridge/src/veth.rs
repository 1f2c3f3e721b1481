//! A veth pair with an end in each of two network namespaces, and a bridge on the host that all veth pairs are attached to.
//!
//! ```text
//!  host                                             container
//!  eth0 ── forwarding, NAT (nat.rs) ── boxes        lo
//!                                      10.105.0.1
//!                                       ├── box2-4711 ──────── eth0  10.105.0.2, default via 10.105.0.1
//!                                       └── box3-4715 ──────── eth0  of another
//! ```
//!
//! Nothing is written down but in the kernel. That a veth pair is called `box2-4711` says that 10.105.0.2 is taken, by
//! process 4711; that there is no cable, that the bridge can go; and the bridge's alias, whether forwarding is ours to
//! switch off. Who reads and then changes these holds a lock on the network namespace itself.
//!
//! Another way is to move a real card inside (it is gone outside), or to share one (macvlan, ipvlan). The veth pair
//! and the bridge are what everybody uses, since they ask nothing of the network that the host is in: out there
//! no address is used but the host's.

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
/// From the addresses that are nobody's on the internet (RFC 1918), a corner of 10.0.0.0/8 in which home
/// routers and VPNs are rare.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 105, 0, 1);
const PREFIX: u8 = 24;

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";
/// An alias is a note that an administrator may put on a link. The kernel keeps it and never reads it.
const SWITCHED_ON: &str = "ip_forward was 0";
/// Where the directories of links are, or would be: what the supervisor is given stands for a link of that name.
const LINKS: &str = "/sys/class/net";

// From linux/veth.h and linux/if_link.h.
// What a kind of link has to say about itself is nested below IFLA_LINKINFO, with numbers that each kind begins anew.
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BRPORT_MODE: u16 = 4;
const VETH_INFO_PEER: u16 = 1;

/// A place at the bridge. Dropped, the veth pair is gone, and with the last one the bridge.
/// Bridge and address are there before the container is; the veth pair comes when there is a namespace to put its
/// other end into.
pub struct Network {
    /// The container's.
    pub address: Ipv4Addr,
    /// What the host's end of its veth pair is called.
    link: String,
    // In this order: the supervisor, for whom the next one's drop waits, takes it too.
    lock: Option<Flock<File>>,
    _supervisor: Supervisor,
}

/// Makes the bridge, unless there is one, and finds an address. Without the right to, nothing.
/// Which address is free is asked of the kernel each time and kept in no file, which could be wrong after a
/// crash. That is a race between two that ask at once, hence the lock.
pub fn prepare(wanted: bool) -> Result<Option<Network>> {
    let lock = lock()?;
    let number = (2..=254)
        .find(|number| veths().iter().all(|veth| !veth.starts_with(&format!("box{number}-"))))
        .context("every address of 10.105.0.0/24 is taken")?;
    // At most 15 bytes: the kernel keeps 16 for a name and its zero.
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
            let hint = "hint: a bridge on the host is root's. In a bottle you are root of everything:\n      \
                        unshare -Urn, and there this command again";
            if wanted {
                return Err(error.context(hint).context("--publish"));
            }
            report::say(
                "note: a network of lo alone: a bridge on the host is root's (unshare -Urn for a lab in a bottle)",
            );
            Ok(None)
        }
        made => made.map(|()| Some(network)),
    }
}

/// On a file that every process in this network namespace has, and nobody outside of it.
/// The file is the namespace itself, and flock(2) is let go by the kernel when its holder dies.
fn lock() -> Result<Flock<File>> {
    let file = File::open("/proc/self/ns/net").context("open /proc/self/ns/net")?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno).context("flock(/proc/self/ns/net)")
}

/// The names of all veth pairs: in each line of this file a name is what precedes the colon.
/// A line for each link of this network namespace, whatever kind it is: the oldest way to ask, and the shortest.
fn veths() -> Vec<String> {
    let text = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let names = text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim());
    let is_veth = |name: &&str| name.starts_with("box") && name.contains('-');
    names.filter(is_veth).map(String::from).collect()
}

/// A switch, of software. With an address it is a link of the host's too, and so the containers' gateway.
/// Like every link of software it is one message: what it is called, and what kind it is.
fn make_bridge() -> Result<()> {
    let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
    let bridge = Message::new(libc::RTM_NEWLINK, CREATE, &ifinfo(0, libc::IFF_UP))
        .text(libc::IFLA_IFNAME, BRIDGE)
        // By itself it would take the lowest of its veth pairs', and change it as they come and go.
        .attr(libc::IFLA_ADDRESS, [2, 0, 10, 105, 0, 1])
        .nest(libc::IFLA_LINKINFO, &[], |info| info.text(IFLA_INFO_KIND, "bridge"));
    match kernel.call(&format!("RTM_NEWLINK({BRIDGE}, bridge, up)"), vec![bridge]) {
        // Another container's, and so is the address.
        Err(error) if error.downcast_ref() == Some(&Errno::EEXIST) => {}
        made => {
            made?;
            // Before the address, with which a route of ours would come. What is there by now the supervisor takes away.
            check_routes(&mut kernel)?;
        }
    }
    match add_address(&mut kernel, BRIDGE, GATEWAY) {
        Err(error) if error.downcast_ref() == Some(&Errno::EEXIST) => {}
        added => added?,
    }
    // Without this the kernel throws away what is not for itself.
    // A machine is no router unless told: a packet that came by one link and is for nobody here does not leave
    // by another.
    if fs::read_to_string(FORWARDING).with_context(|| format!("read {FORWARDING}"))?.trim() == "0" {
        // Said before it is done: at whatever line we are killed, whoever goes last knows.
        let alias = Message::new(libc::RTM_SETLINK, libc::NLM_F_ACK, &ifinfo(index(BRIDGE)?, 0));
        let alias = alias.attr(libc::IFLA_IFALIAS, SWITCHED_ON);
        kernel.call(&format!("RTM_SETLINK({BRIDGE}, alias {SWITCHED_ON:?})"), vec![alias])?;
        switch(FORWARDING, "1")?;
    }
    Ok(())
}

const ROUTED: &str = "hint: this lesson knows one network only: take that route away (ip route del …), or try it in a\n      \
                      bottle, which has none: unshare -Urn, and there this command again";

/// The kernel would not mind a second route to the same place: of two the longer prefix counts, or else the older. Either
/// way somebody would get no answers any more, the host's office VPN or our containers.
/// Docker and podman look for another network then. Here one is enough to show what there is to show.
fn check_routes(kernel: &mut Socket) -> Result<()> {
    // In a question nothing of rtmsg counts but the family.
    let all = Message::new(libc::RTM_GETROUTE, libc::NLM_F_DUMP, &rtmsg(0, 0, 0, 0));
    for answer in kernel.call("RTM_GETROUTE(all)", vec![all])? {
        // rtmsg again: the second byte is the length of the prefix, the fifth the table.
        let [_, length, _, _, table, ..] = answer[..] else { continue };
        let find = |wanted| {
            let mut attributes = attributes(answer.get(12..).unwrap_or_default());
            attributes
                .find(|(kind, _)| *kind == wanted)
                .and_then(|(_, value)| <[u8; 4]>::try_from(value).ok())
        };
        // Without a destination it is the default route, which leaves room for any other.
        let Some(destination) = find(libc::RTA_DST) else { continue };
        // Two networks overlap if they are the same as far as the shorter prefix goes.
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

/// Lets packets from 127.0.0.1 leave by the bridge, and their answers come back by it: "martians" otherwise.
/// 127.0.0.0/8 is this machine and nothing else (RFC 1122), so the kernel drops such an address wherever it
/// comes by a veth pair. The switch says that on this link it may.
pub fn route_localnet() -> Result<()> {
    switch(&format!("/proc/sys/net/ipv4/conf/{BRIDGE}/route_localnet"), "1")
}

/// Sysctls are files, and those of the network are each namespace's own.
/// The paths are the same in each; which network is meant is decided by who opens the file.
fn switch(file: &str, value: &str) -> Result<()> {
    let before = fs::read_to_string(file).unwrap_or_default();
    fs::write(file, value)
        .context("hint: inside a container /proc/sys is read-only: run that one with --privileged")
        .with_context(|| format!("write {value:?} to {file}"))?;
    report::trace(format!("write {value:?} to {file}   was {:?}", before.trim()));
    Ok(())
}

impl Network {
    /// Makes the veth pair: one end at the bridge, the other in the namespace of `pid`. They are born together, and when
    /// either goes, with its namespace for instance, so does the other.
    pub fn attach(&mut self, pid: Pid) -> Result<()> {
        // One message for both ends. It needs a pid and not the namespace's file, and the process is there: at
        // its sync_pipe.
        let veth = Message::new(libc::RTM_NEWLINK, CREATE, &ifinfo(0, libc::IFF_UP))
            .text(libc::IFLA_IFNAME, &self.link)
            // It begins its life plugged in, and up.
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
        // Whoever asks for a port that leads back to themselves: where br_netfilter is on, as with docker, that packet goes
        // out by the veth pair it came by, and a bridge does not do such things unless told.
        let hairpin = Message::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, &ifinfo(index(&self.link)?, 0)).nest(
            libc::IFLA_LINKINFO,
            &[],
            |info| {
                info.text(IFLA_INFO_SLAVE_KIND, "bridge")
                    .nest(IFLA_INFO_SLAVE_DATA, &[], |data| data.attr(IFLA_BRPORT_MODE, [1]))
            },
        );
        kernel.call(&format!("RTM_NEWLINK({}, hairpin on)", self.link), vec![hairpin])?;
        // The name is taken now, for all to see.
        self.lock = None;
        Ok(())
    }
}

/// On the inside: everything up, an address, and the way to everywhere else. Without an address only lo.
/// No capability over the host is asked for here: the namespace is the container's own, and in it we are root.
pub fn configure(address: Option<Ipv4Addr>) -> Result<()> {
    let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
    // Every namespace has one from the beginning, and it is off.
    // Programs that talk to themselves at 127.0.0.1 get "Network is unreachable" without it.
    kernel.call("RTM_SETLINK(lo, up)", vec![up("lo")?])?;
    let Some(address) = address else { return Ok(()) };
    // Address, link, route, in this order: a route by a gateway is taken only if the gateway can be reached already.
    add_address(&mut kernel, "eth0", address)?;
    kernel.call("RTM_SETLINK(eth0, up)", vec![up("eth0")?])?;
    let fixed = rtmsg(libc::RT_TABLE_MAIN, libc::RTPROT_BOOT, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST);
    let route = Message::new(libc::RTM_NEWROUTE, CREATE, &fixed).attr(libc::RTA_GATEWAY, GATEWAY.octets());
    kernel.call(&format!("RTM_NEWROUTE(default via {GATEWAY})"), vec![route])?;
    Ok(())
}

/// The servers to ask for names, for a root of our own: the host's. Where systemd answers on 127.0.0.53 that is no address
/// for anybody else, since each network has a 127.0.0.53 of its own; so there it is the servers that systemd asks, which it
/// keeps in a file for just this (systemd-resolved.service(8)).
pub fn name_servers(root: &Path) -> Result<()> {
    let files = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];
    let text = files.into_iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    let path = root.join("etc/resolv.conf");
    // A copy: who is root inside may write to it.
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

/// Answer me; make it; and it is an error if it is there.
/// Without the last flag the kernel would change the link that is there, whoever's it is.
const CREATE: i32 = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// The fixed part of what is about links: family, type, index, flags, and which of the flags are meant.
/// The kernel changes those flags alone that the last number names: to switch a link on is not to switch off all else.
fn ifinfo(index: u32, flags: i32) -> Vec<u8> {
    [0, index, flags as u32, flags as u32].into_iter().flat_map(u32::to_ne_bytes).collect()
}

/// The fixed part of what is about routes: family, lengths of destination and source, type of service, which are all 0 for a
/// default route; the table, who made it, how far away it leads, its type, flags.
fn rtmsg(table: u8, maker: u8, scope: u8, kind: u8) -> [u8; 12] {
    [libc::AF_INET as u8, 0, 0, 0, table, maker, scope, kind, 0, 0, 0, 0]
}

/// The kernel calls links by number: names can be changed.
/// A name can also be taken by another link between two calls; a number is not used again so soon.
fn index(link: &str) -> Result<u32> {
    if_nametoindex(link).with_context(|| format!("if_nametoindex({link})"))
}

/// Switches a link on. A new one is off, and sends nothing.
fn up(link: &str) -> Result<Message> {
    Ok(Message::new(libc::RTM_SETLINK, libc::NLM_F_ACK, &ifinfo(index(link)?, libc::IFF_UP)))
}

/// With its network: the kernel makes the route to that by itself.
/// 10.105.0.2/24 says two things: who I am, and that the 254 others are reached by this link without a gateway.
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

/// For the supervisor: the link that `path` stands for. The bridge only after all veth pairs.
/// The veth pair is gone already if the container's namespace is, since the kernel deletes the links in it. After a
/// kill -9 of us alone that may take a moment, and then it is this that deletes it.
fn remove(path: &Path) -> io::Result<()> {
    let link = path.file_name().unwrap_or_default().to_string_lossy();
    let is_bridge = link == BRIDGE;
    let removed = lock().and_then(|_lock| {
        let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
        let Ok(index) = if_nametoindex(&*link) else { return Ok(false) };
        // Somebody still needs it, and will take it away in turn.
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
        // What we may not remove we have not made.
        Err(error) if error.downcast_ref() == Some(&Errno::EPERM) => Err(ErrorKind::NotFound.into()),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// If it was one of us who has switched it on, and nobody has done anything about it since.
/// To leave a machine a router that was none would be to leave a door open. To switch it off when somebody else
/// relies on it would cut them off.
fn restore_forwarding(kernel: &mut Socket, bridge: u32) -> Result<()> {
    let message = Message::new(libc::RTM_GETLINK, libc::NLM_F_ACK, &ifinfo(bridge, 0));
    let answers = kernel.call(&format!("RTM_GETLINK({BRIDGE})"), vec![message])?;
    let mut found = answers.iter().flat_map(|answer| attributes(answer.get(16..).unwrap_or_default()));
    let is_ours =
        found.any(|(kind, value)| kind == libc::IFLA_IFALIAS && value.starts_with(SWITCHED_ON.as_bytes()));
    let is_on = fs::read_to_string(FORWARDING).is_ok_and(|value| value.trim() == "1");
    if is_ours && is_on { switch(FORWARDING, "0") } else { Ok(()) }
}
