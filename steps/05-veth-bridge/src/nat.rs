//! Address translation for outgoing and incoming connections: a table of nf_tables per container.
//!
//! ```text
//! out:        10.105.0.2 ──▶ postrouting: masquerade ──▶ the server sees the host's address
//! in:         a client ──▶ prerouting: dnat to 10.105.0.2:8000 ──▶ the bridge
//! localhost:  127.0.0.1 ──▶ output: dnat to 10.105.0.2:8000 ──▶ postrouting: masquerade ──▶ the bridge
//! ```
//!
//! `nft list ruleset` prints the table like this:
//!
//! ```text
//! chain raw         { type filter hook prerouting priority raw; policy accept;
//!                     iifname "boxes" ip daddr 127.0.0.0/8 drop }
//! chain prerouting  { type nat hook prerouting priority dstnat; policy accept;
//!                     fib daddr type local tcp dport 8080 dnat to 10.105.0.2:8000 }
//! chain output      { type nat hook output priority -100; policy accept;
//!                     fib daddr type local tcp dport 8080 dnat to 10.105.0.2:8000 }
//! chain postrouting { type nat hook postrouting priority srcnat; policy accept;
//!                     ip saddr 10.105.0.2 oifname != "boxes" masquerade
//!                     ip daddr 10.105.0.2 ct status dnat ip saddr 127.0.0.0/8 masquerade
//!                     ip daddr 10.105.0.2 ct status dnat ip saddr 10.105.0.0/24 masquerade }
//! ```
//!
//! Each rule decides for the first packet of a connection. Connection tracking (conntrack) remembers
//! the decision and applies it to the connection's other packets in both directions.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsRawFd;

use anyhow::{Context, Error, Result};
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReuseAddr;
use nix::sys::socket::{Shutdown, SockProtocol, setsockopt, shutdown};

use crate::netlink::{Message, Socket, attributes};
use crate::nftables as nft;
use crate::report;
use crate::veth::{BRIDGE, route_localnet};

/// A port of the host, and the port of the container that receives its connections.
pub type Port = (u16, u16);

/// A container's translations. A drop of this value removes them, because the kernel removes a
/// table when the socket that owns the table is closed.
pub struct Nat {
    /// The socket that owns the table.
    _table: Socket,
    /// Sockets that reserve the ports. They never receive a connection.
    _ports: Vec<TcpListener>,
}

/// Creates the table `name` for a container with this address. This function runs on the host
/// before the clone, so that no container has started if it fails.
pub fn open(name: &str, address: Ipv4Addr, ports: &[Port]) -> Result<Nat> {
    // The reservation comes first, because it changes nothing on the host.
    let reserved =
        ports.iter().map(|(outer, _)| reserve(*outer).and_then(refuse_connections)).collect::<Result<_>>()?;
    let mut content = chains(name);
    content.extend(masquerade(name, address));
    for port in ports {
        content.extend(dnat(name, address, *port));
    }
    if !ports.is_empty() {
        content.extend(reply_through_host(name, address));
        content.extend(guard_loopback(name));
    }
    let mut table = Socket::open(SockProtocol::NetlinkNetFilter).map_err(hint)?;
    let published: String =
        ports.iter().map(|(outer, inner)| format!(", {outer} -> {address}:{inner}")).collect();
    let call = format!("NFT_MSG_NEWTABLE({name}, ours: masquerade {address}{published})");
    nft::create_table(&mut table, &call, name, content).map_err(hint)?;
    warn_of_drops(&mut table)?;
    // This setting comes last, because it is safe only behind the rule of guard_loopback.
    if !ports.is_empty() {
        route_localnet()?;
    }
    Ok(Nat { _table: table, _ports: reserved })
}

/// The table's four chains. They are base chains: the kernel runs them at a hook. The priority of
/// `raw` is below that of connection tracking (-200) and of any dnat, so this chain still sees the
/// destination that the sender wrote into the packet.
pub fn chains(table: &str) -> Vec<Message> {
    vec![
        nft::chain(table, "raw", "filter", libc::NF_INET_PRE_ROUTING, -300),
        nft::chain(table, "prerouting", "nat", libc::NF_INET_PRE_ROUTING, -100),
        nft::chain(table, "output", "nat", libc::NF_INET_LOCAL_OUT, -100),
        nft::chain(table, "postrouting", "nat", libc::NF_INET_POST_ROUTING, 100),
    ]
}

/// The rule for outgoing connections, in the chain `postrouting`:
///
///     ip saddr 10.105.0.2 oifname != "boxes" masquerade
///
/// A server elsewhere has no route to 10.105.0.2, so the packet leaves with the host's address.
/// Packets that stay on the bridge keep their source, so containers see each other's real
/// addresses.
pub fn masquerade(table: &str, address: Ipv4Addr) -> Vec<Message> {
    let leaves = [nft::ip_saddr(&address.octets()), nft::oifname_is_not(BRIDGE), nft::masquerade()];
    vec![nft::rule(table, "postrouting", &leaves)]
}

/// Reserves a port of the host by listening on it.
///
/// A dnat rule changes a packet before the kernel looks for a listening socket. So a rule for port
/// 8080 would take the port away from a program that listens on it, and no program would get an
/// error. bind(2) fails with EADDRINUSE if another program has the port.
pub fn reserve(port: u16) -> Result<TcpListener> {
    let bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    let is_taken = matches!(&bound, Err(error) if error.kind() == ErrorKind::AddrInUse);
    let bound = bound.map_err(Error::new);
    let bound =
        if is_taken { bound.context("hint: `ss -ltnp` shows which program has the port") } else { bound };
    bound.with_context(|| format!("port {port} of the host: bind(0.0.0.0:{port})"))
}

/// Makes the socket refuse connections. It keeps its port. The dnat rule does not exist yet, so the
/// kernel would accept a connection here, and the client would wait for an answer in vain.
///
/// shutdown(2) ends the listening. Two sockets with SO_REUSEADDR can share a port unless one of them
/// listens (socket(7)), so the option, which TcpListener sets, has to go.
fn refuse_connections(listener: TcpListener) -> Result<TcpListener> {
    shutdown(listener.as_raw_fd(), Shutdown::Read).context("shutdown(the reserved port)")?;
    setsockopt(&listener, ReuseAddr, &false).context("setsockopt(SO_REUSEADDR)")?;
    Ok(listener)
}

/// The rule for incoming connections to a published port:
///
///     fib daddr type local tcp dport 8080 dnat to 10.105.0.2:8000
///
/// Two chains have it: `prerouting` for packets that come in through a link, and `output` for
/// packets of the host's own programs. Without `fib daddr type local` the rule would redirect the
/// container's own connections to port 8080 of any server.
pub fn dnat(table: &str, address: Ipv4Addr, (outer, inner): Port) -> Vec<Message> {
    let parts = [nft::fib_daddr_type_local(), nft::tcp_dport(outer), nft::dnat_to(address, inner)];
    vec![nft::rule(table, "prerouting", &parts), nft::rule(table, "output", &parts)]
}

/// The rules that make replies come back to the host, which has to translate them:
///
///     ip daddr 10.105.0.2 ct status dnat ip saddr 127.0.0.0/8 masquerade
///     ip daddr 10.105.0.2 ct status dnat ip saddr 10.105.0.0/24 masquerade
///
/// The container would send a reply to 127.0.0.1 to itself, and a reply to another container
/// directly across the bridge, from an address that the other container has not connected to. With
/// a masqueraded source both replies go to the host. Connections to the container's own address
/// have no dnat status and keep their source.
pub fn reply_through_host(table: &str, address: Ipv4Addr) -> Vec<Message> {
    let octets = address.octets();
    let from = |source: &[u8]| {
        let parts = [nft::ip_daddr(&octets), nft::ct_status_dnat(), nft::ip_saddr(source), nft::masquerade()];
        nft::rule(table, "postrouting", &parts)
    };
    vec![from(&[127]), from(&octets[..3])]
}

/// The rule that protects services on the host's 127.0.0.1, in the chain `raw`:
///
///     iifname "boxes" ip daddr 127.0.0.0/8 drop
///
/// route_localnet makes the host accept packets to 127.0.0.1 from the bridge. Without this rule a
/// container could send such packets itself.
pub fn guard_loopback(table: &str) -> Vec<Message> {
    vec![nft::rule(table, "raw", &[nft::iifname(BRIDGE), nft::ip_daddr(&[127]), nft::drop_packet()])]
}

/// Adds a hint for kernels without nf_tables. The kernel loads a module at its first use. This
/// fails after an upgrade of the kernel without a reboot.
fn hint(error: Error) -> Error {
    match error.downcast_ref() {
        Some(Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::ENOENT) => error
            .context("hint: this kernel has no nf_tables (modprobe nf_tables), or is older than Linux 5.12"),
        _ => error,
    }
}

/// Warns of another table that drops forwarded packets. docker's table does. A packet passes the
/// chains of every table: a drop is final, and an accept ends only the chain that it is in.
fn warn_of_drops(kernel: &mut Socket) -> Result<()> {
    for answer in kernel.call("NFT_MSG_GETCHAIN(all)", vec![nft::list_chains()])? {
        let find =
            |bytes, wanted| attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
        let bytes = answer.get(4..).unwrap_or_default();
        let hook = find(bytes, nft::CHAIN_HOOK).and_then(|hook| find(hook, 1));
        let forwards = hook == Some(&libc::NF_INET_FORWARD.to_be_bytes()[..]);
        if forwards && find(bytes, nft::CHAIN_POLICY) == Some(&libc::NF_DROP.to_be_bytes()[..]) {
            let text =
                |kind| String::from_utf8_lossy(find(bytes, kind).unwrap_or_default()).replace('\0', "");
            report::say(format_args!(
                "note: the chain {} of the table {} drops forwarded packets, those of this container too. If it is docker's:\n      \
                 iptables -I DOCKER-USER -i {BRIDGE} -j ACCEPT; iptables -I DOCKER-USER -o {BRIDGE} -j ACCEPT",
                text(nft::CHAIN_NAME),
                text(1)
            ));
        }
    }
    Ok(())
}
