//! Address translation for outgoing and incoming connections, by a table of nf_tables per
//! container.
//!
//! ```text
//! out:        10.105.0.2 ──▶ postrouting: masquerade ──▶ the world sees the host; conntrack turns the answers back
//! in:         the world ──▶ prerouting: dnat to 10.105.0.2:80 ──▶ forwarded to the bridge
//! localhost:  127.0.0.1 ──▶ output: dnat, for what starts here passes no prerouting ──▶ postrouting: masquerade, for
//!             nobody answers to 127.0.0.1 but to themselves
//! ```
//!
//! What `nft list ruleset` shows of it:
//!
//! ```text
//! chain raw         type filter hook prerouting priority -300   iifname boxes ip daddr 127.0.0.0/8 drop
//! chain prerouting  type nat    hook prerouting priority -100   fib daddr type local tcp dport 8080 dnat to 10.105.0.2:80
//! chain output      type nat    hook output     priority -100   the same
//! chain postrouting type nat    hook postrouting priority 100   ip saddr 10.105.0.2 oifname != boxes masquerade
//!                                             ip daddr 10.105.0.2 ct status dnat ip saddr 127.0.0.0/8 masquerade
//!                                             … the same for 10.105.0.0/24, or a sibling would be answered directly
//! ```
//!
//! The table is owned by a socket of this program (Linux 5.12): when that is closed, for whatever
//! reason, the kernel removes the table.
//!
//! nf_tables is the packet filter behind `nft`, and on most machines behind `iptables`. A chain is
//! attached to a hook, one of the points that every packet passes in the kernel; connection
//! tracking (conntrack) applies to a whole connection what was decided for its first packet.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Error, Result};
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

use crate::netlink::{Message, Socket, attributes};
use crate::report;
use crate::veth::{BRIDGE, route_localnet};

/// A port of the host, and the container's port that it is forwarded to.
pub type Port = (u16, u16);

/// A container's translations. Dropping it removes them. A table per container, rather than rules
/// in a shared one, can be removed by its name.
pub struct Nat {
    /// The socket that owns the table.
    _table: Socket,
    /// Listening sockets that reserve the ports. They get no connections.
    _ports: Vec<TcpListener>,
}

// From linux/netfilter/nf_tables.h: kinds of attributes. nf_tables' numbers are big-endian.
const TABLE_FLAGS: u16 = 2;
const TABLE_OWNER: u32 = 2;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;

/// Creates the table `name`. This runs on the host and before the clone, so that nothing has
/// started if it fails.
pub fn open(name: &str, address: Ipv4Addr, ports: &[Port]) -> Result<Nat> {
    // Reserving a port changes nothing, so it comes first.
    let reserved = ports.iter().map(|(outer, _)| reserve(*outer)).collect::<Result<_>>()?;
    let mut table = Socket::open(SockProtocol::NetlinkNetFilter).map_err(hint)?;
    let mut batch = vec![begin_or_end(libc::NFNL_MSG_BATCH_BEGIN)];
    batch.push(message(libc::NFT_MSG_NEWTABLE, name).attr(TABLE_FLAGS, TABLE_OWNER.to_be_bytes()));
    // Priority -300 is before connection tracking (-200) and before any dnat: a packet to
    // 127.0.0.0/8 has come in by the bridge.
    batch.push(chain(name, "raw", "filter", libc::NF_INET_PRE_ROUTING, -300));
    batch.push(chain(name, "prerouting", "nat", libc::NF_INET_PRE_ROUTING, -100));
    batch.push(chain(name, "output", "nat", libc::NF_INET_LOCAL_OUT, -100));
    batch.push(chain(name, "postrouting", "nat", libc::NF_INET_POST_ROUTING, 100));
    // route_localnet would let a container send packets to the host's 127.0.0.1.
    batch.push(rule(name, "raw", &[interface(META_IIFNAME, EQUAL), to(&[127]), verdict(libc::NF_DROP)]));
    // Twice: for connections from elsewhere, and for those of this machine.
    for (outer, inner) in ports {
        for chain in ["prerouting", "output"] {
            batch.push(rule(name, chain, &[to_this_machine(), to_port(*outer), dnat(address, *inner)]));
        }
    }
    // Not within the bridge: containers see each other's own addresses.
    let leaves = [from(&address.octets()), interface(META_OIFNAME, NOT_EQUAL), masquerade()];
    batch.push(rule(name, "postrouting", &leaves));
    // Connections from this machine and from other containers, whose answers would not pass through
    // this host's translation.
    for source in [&[127][..], &address.octets()[..3]] {
        // With a masqueraded source the answer comes back here and is translated; otherwise it
        // would reach the client directly, from an address that it has not connected to.
        let turned = [to(&address.octets()), was_turned(), from(source), masquerade()];
        batch.push(rule(name, "postrouting", &turned));
    }
    batch.push(begin_or_end(libc::NFNL_MSG_BATCH_END));
    let published: String =
        ports.iter().map(|(outer, inner)| format!(", {outer} -> {address}:{inner}")).collect();
    table
        .call(&format!("NFT_MSG_NEWTABLE({name}, ours: masquerade {address}{published})"), batch)
        .map_err(hint)?;
    warn_of_drops(&mut table)?;
    // Last, because it is safe only after the rule above is in place.
    if !ports.is_empty() {
        route_localnet()?;
    }
    Ok(Nat { _table: table, _ports: reserved })
}

/// Adds a hint for kernels without nf_tables. Modules are loaded on first use, which fails after a
/// kernel upgrade without a reboot.
fn hint(error: Error) -> Error {
    match error.downcast_ref() {
        Some(Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::ENOENT) => error
            .context("hint: this kernel has no nf_tables (modprobe nf_tables), or is older than Linux 5.12"),
        _ => error,
    }
}

/// Reserves a port of the host. A dnat rule comes before the lookup of sockets, so it would take
/// the port away from a program that listens on it. Holding a socket on the port, as docker does by
/// its proxy, makes bind(2) fail with EADDRINUSE for the second.
fn reserve(port: u16) -> Result<TcpListener> {
    let bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    let taken = matches!(&bound, Err(error) if error.kind() == ErrorKind::AddrInUse);
    let bound = bound.map_err(Error::new);
    let bound = if taken { bound.context("hint: somebody has it: ss -ltnp shows who") } else { bound };
    bound.with_context(|| format!("port {port} of the host: bind(0.0.0.0:{port})"))
}

/// Warns of another table that drops forwarded packets, as docker's does. A packet has to pass all
/// tables: a drop is final, and an accept holds for its own table only.
fn warn_of_drops(kernel: &mut Socket) -> Result<()> {
    let all = Message::new(kind(libc::NFT_MSG_GETCHAIN), libc::NLM_F_DUMP, &[libc::AF_INET as u8, 0, 0, 0]);
    for answer in kernel.call("NFT_MSG_GETCHAIN(all)", vec![all])? {
        let find =
            |bytes, wanted| attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
        let bytes = answer.get(4..).unwrap_or_default();
        let hook = find(bytes, CHAIN_HOOK).and_then(|hook| find(hook, 1));
        let forwards = hook == Some(&libc::NF_INET_FORWARD.to_be_bytes()[..]);
        if forwards && find(bytes, CHAIN_POLICY) == Some(&libc::NF_DROP.to_be_bytes()[..]) {
            let text =
                |kind| String::from_utf8_lossy(find(bytes, kind).unwrap_or_default()).replace('\0', "");
            report::say(format_args!(
                "note: table {} drops in its chain {} what is forwarded, and so this container's packets. Docker does;\n      \
                 iptables -I DOCKER-USER -i {BRIDGE} -j ACCEPT; iptables -I DOCKER-USER -o {BRIDGE} -j ACCEPT",
                text(1),
                text(CHAIN_NAME)
            ));
        }
    }
    Ok(())
}

/// The type of a message: the upper byte is the netfilter subsystem, 10 for nf_tables, and the
/// lower one its message.
fn kind(message: i32) -> u16 {
    (libc::NFNL_SUBSYS_NFTABLES << 8 | message) as u16
}

/// A message with its fixed part: family, version, and a resource id that only the ends of a batch
/// use.
fn message(number: i32, table: &str) -> Message {
    let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_APPEND;
    Message::new(kind(number), flags, &[libc::AF_INET as u8, 0, 0, 0]).text(1, table)
}

/// The begin or end of a batch, which is applied as a whole: packets see the rules before it or
/// after it.
fn begin_or_end(kind: i32) -> Message {
    Message::new(kind as u16, 0, &[0, 0, 0, libc::NFNL_SUBSYS_NFTABLES as u8])
}

/// A base chain, attached to a hook; chains on a hook run in the order of their priorities. Its
/// type decides what it sees: "filter" every packet, "nat" the first packet of each connection.
fn chain(table: &str, name: &str, kind: &str, hook: i32, priority: i32) -> Message {
    message(libc::NFT_MSG_NEWCHAIN, table)
        .text(CHAIN_NAME, name)
        .nest(CHAIN_HOOK, &[], |place| place.attr(1, hook.to_be_bytes()).attr(2, priority.to_be_bytes()))
        .text(CHAIN_TYPE, kind)
}

/// A rule is a small program: each expression loads a value into a register, compares it, or acts.
/// A failed comparison ends the rule.
fn rule(table: &str, chain: &str, expressions: &[Vec<Expression>]) -> Message {
    message(libc::NFT_MSG_NEWRULE, table).text(2, chain).nest(4, &[], |list| {
        expressions.iter().flatten().fold(list, |list, (name, values)| {
            list.nest(1, &[], |element| {
                element.text(1, name).nest(2, &[], |data| {
                    values.iter().fold(data, |data, (kind, value)| match value {
                        Value::Number(number) => data.attr(*kind, number.to_be_bytes()),
                        Value::Bytes(bytes) => data.nest(*kind, &[], |data| data.attr(1, bytes)),
                        Value::Verdict(code) => data.nest(*kind, &[], |data| {
                            data.nest(2, &[], |data| data.attr(1, code.to_be_bytes()))
                        }),
                    })
                })
            })
        })
    })
}

/// An expression: its name, and its attributes by kind. `tcp dport 8080` takes four of these: load
/// the protocol, compare, load the port, compare.
type Expression = (&'static str, Vec<(u16, Value)>);

/// Numbers are big-endian on every machine; bytes are compared as they are.
enum Value {
    Number(i32),
    /// As in the packet or the register.
    Bytes(Vec<u8>),
    /// What is done with the packet.
    Verdict(i32),
}
use Value::{Bytes, Number, Verdict};

// Keys of metadata that the packet itself does not contain: incoming and outgoing interface,
// protocol.
const META_IIFNAME: i32 = 6;
const META_OIFNAME: i32 = 7;
const META_L4PROTO: i32 = 16;
const EQUAL: i32 = 0;
const NOT_EQUAL: i32 = 1;

/// Compares register 1, which every expression here uses, with the given bytes. Register 0 is the
/// verdict.
fn compare(how: i32, with: Vec<u8>) -> Expression {
    ("cmp", vec![(1, Number(1)), (2, Number(how)), (3, Bytes(with))])
}

/// Loads `length` bytes at `offset` in the network header (1) or the transport header (2). In IPv4
/// the source address is at 12 and the destination at 16; in TCP the destination port is at 2.
fn load(header: i32, offset: i32, length: usize) -> Expression {
    ("payload", vec![(1, Number(1)), (2, Number(header)), (3, Number(offset)), (4, Number(length as i32))])
}

/// Loads metadata that the kernel keeps with each packet.
fn meta(key: i32) -> Expression {
    ("meta", vec![(1, Number(1)), (2, Number(key))])
}

/// Matches the first bytes of the source address: one byte for 127.0.0.0/8, four for a single
/// address.
fn from(prefix: &[u8]) -> Vec<Expression> {
    vec![load(1, 12, prefix.len()), compare(EQUAL, prefix.to_vec())]
}

fn to(prefix: &[u8]) -> Vec<Expression> {
    vec![load(1, 16, prefix.len()), compare(EQUAL, prefix.to_vec())]
}

/// Matches TCP and its destination port. Other protocols have something else at that offset. Ports
/// are in network byte order.
fn to_port(port: u16) -> Vec<Expression> {
    let is_tcp = compare(EQUAL, vec![libc::IPPROTO_TCP as u8]);
    vec![meta(META_L4PROTO), is_tcp, load(2, 2, 2), compare(EQUAL, port.to_be_bytes().into())]
}

/// Matches any address of the host. Without it a container's own connection to port 8080 of any
/// server would be redirected.
fn to_this_machine() -> Vec<Expression> {
    // Look up the type of route of the destination: RTN_LOCAL.
    let look = ("fib", vec![(1, Number(1)), (2, Number(3)), (3, Number(2))]);
    vec![look, compare(EQUAL, u32::from(libc::RTN_LOCAL).to_ne_bytes().into())]
}

/// Matches an interface by name, padded with zeroes to IFNAMSIZ. By name and not by number, the
/// rule also holds for a bridge that is created later.
fn interface(key: i32, how: i32) -> Vec<Expression> {
    let mut name = BRIDGE.as_bytes().to_vec();
    name.resize(libc::IFNAMSIZ, 0);
    vec![meta(key), compare(how, name)]
}

/// Matches connections whose destination was changed by dnat (bit 5 of the status). A connection to
/// the container's own address keeps its source address.
fn was_turned() -> Vec<Expression> {
    let bit = (1_u32 << 5).to_ne_bytes().to_vec();
    let mask = vec![(1, Number(1)), (2, Number(1)), (3, Number(4)), (4, Bytes(bit)), (5, Bytes(vec![0; 4]))];
    vec![("ct", vec![(1, Number(1)), (2, Number(2))]), ("bitwise", mask), compare(NOT_EQUAL, vec![0; 4])]
}

/// Sets the verdict (register 0).
fn verdict(code: i32) -> Vec<Expression> {
    vec![("immediate", vec![(1, Number(0)), (2, Verdict(code))])]
}

/// Changes the destination. It is decided for the first packet; conntrack does the same for the
/// others, and the reverse for the answers.
fn dnat(address: Ipv4Addr, port: u16) -> Vec<Expression> {
    let put = |register, value| ("immediate", vec![(1, Number(register)), (2, Bytes(value))]);
    let change = vec![(1, Number(1)), (2, Number(libc::AF_INET)), (3, Number(1)), (5, Number(2))];
    vec![put(1, address.octets().into()), put(2, port.to_be_bytes().into()), ("nat", change)]
}

/// Changes the source to the address of the outgoing interface. The port stays the same if it is
/// free.
fn masquerade() -> Vec<Expression> {
    vec![("masq", vec![])]
}
