//! Addresses translated on the way out and on the way in, by a table of nf_tables per container.
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
//! The table belongs to a socket of ours (Linux 5.12). Whatever ends us closes that, and the kernel removes the table.
//!
//! nf_tables is the packet filter behind `nft`, and behind `iptables` on most machines by now. A chain hangs at
//! one of the places that each packet passes in the kernel, its hook; connection tracking (conntrack) remembers
//! for each connection what was changed in its first packet.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Error, Result};
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

use crate::netlink::{Message, Socket, attributes};
use crate::report;
use crate::veth::{BRIDGE, route_localnet};

/// A port of the host, and the one of the container that it leads to.
pub type Port = (u16, u16);

/// A container's translations. Dropped, they are gone.
/// A table of its own for each container, and not a few rules in one of everybody's: what is to be taken away
/// again is then one thing with one name.
pub struct Nat {
    /// Open for as long as the table is to be there.
    _table: Socket,
    /// Nobody ever gets through to these: they keep others from the ports, and others' from being taken.
    _ports: Vec<TcpListener>,
}

// From linux/netfilter/nf_tables.h: the kinds of attributes. Numbers in them are big-endian.
const TABLE_FLAGS: u16 = 2;
const TABLE_OWNER: u32 = 2;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;

/// `name` is the table's.
/// On the host, and before the clone: whatever refuses, no container has begun.
pub fn open(name: &str, address: Ipv4Addr, ports: &[Port]) -> Result<Nat> {
    // What may fail without having changed anything comes first.
    let reserved = ports.iter().map(|(outer, _)| reserve(*outer)).collect::<Result<_>>()?;
    let mut table = Socket::open(SockProtocol::NetlinkNetFilter).map_err(hint)?;
    let mut batch = vec![begin_or_end(libc::NFNL_MSG_BATCH_BEGIN)];
    batch.push(message(libc::NFT_MSG_NEWTABLE, name).attr(TABLE_FLAGS, TABLE_OWNER.to_be_bytes()));
    // Before connection tracking (-200), and so before any dnat: what still says 127.0.0.0/8 here has come in
    // by a veth pair like that.
    batch.push(chain(name, "raw", "filter", libc::NF_INET_PRE_ROUTING, -300));
    batch.push(chain(name, "prerouting", "nat", libc::NF_INET_PRE_ROUTING, -100));
    batch.push(chain(name, "output", "nat", libc::NF_INET_LOCAL_OUT, -100));
    batch.push(chain(name, "postrouting", "nat", libc::NF_INET_POST_ROUTING, 100));
    // With route_localnet a container could send packets to the host's own 127.0.0.1.
    batch.push(rule(name, "raw", &[interface(META_IIFNAME, EQUAL), to(&[127]), verdict(libc::NF_DROP)]));
    // Twice, for what comes from elsewhere and for what this machine says to itself.
    for (outer, inner) in ports {
        for chain in ["prerouting", "output"] {
            batch.push(rule(name, chain, &[to_this_machine(), to_port(*outer), dnat(address, *inner)]));
        }
    }
    // Not what stays on the bridge: two containers see each other by their own addresses.
    let leaves = [from(&address.octets()), interface(META_OIFNAME, NOT_EQUAL), masquerade()];
    batch.push(rule(name, "postrouting", &leaves));
    // Whoever would be answered by a way that does not lead back through us: this machine, and the container's siblings.
    for source in [&[127][..], &address.octets()[..3]] {
        // Then conntrack turns the answer back here, on its way; otherwise it would go straight to them, from
        // an address that they have not asked.
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
    // Last, and only for those who need it: until the rules are there a container could use it.
    if !ports.is_empty() {
        route_localnet()?;
    }
    Ok(Nat { _table: table, _ports: reserved })
}

/// A kernel without it answers as if it had not understood.
/// Modules are loaded when they are first asked for, unless the kernel is another one than the directory of its
/// modules, as after an upgrade without a restart.
fn hint(error: Error) -> Error {
    match error.downcast_ref() {
        Some(Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::ENOENT) => error
            .context("hint: this kernel has no nf_tables (modprobe nf_tables), or is older than Linux 5.12"),
        _ => error,
    }
}

/// What the kernel would not do: say that a program of the host has the port already, and would lose it to the rules.
/// A dnat comes before anybody looks which sockets there are. So we hold one of our own on the port, as docker
/// does with its proxy: then bind(2) is EADDRINUSE for the second to come, be it we or they.
fn reserve(port: u16) -> Result<TcpListener> {
    let bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    let taken = matches!(&bound, Err(error) if error.kind() == ErrorKind::AddrInUse);
    let bound = bound.map_err(Error::new);
    let bound = if taken { bound.context("hint: somebody has it: ss -ltnp shows who") } else { bound };
    bound.with_context(|| format!("port {port} of the host: bind(0.0.0.0:{port})"))
}

/// An accept of ours cannot undo the drop of another table. Docker's is the one that people have.
/// All tables have a say, each in the order of its priority: a drop ends the packet, an accept only this
/// table's part in it. So the one who drops has to be told, not the kernel.
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

/// Netfilter has many parts, and each numbers its own messages: the part is in the upper byte.
/// nf_tables is part 10 of netfilter; conntrack is 1, and has messages of its own under the same small numbers.
fn kind(message: i32) -> u16 {
    (libc::NFNL_SUBSYS_NFTABLES << 8 | message) as u16
}

/// The fixed part: family, version, and a number that only the ends of a batch have a use for: for whom it is.
fn message(number: i32, table: &str) -> Message {
    let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_APPEND;
    Message::new(kind(number), flags, &[libc::AF_INET as u8, 0, 0, 0]).text(1, table)
}

/// Between these all is done, or nothing.
/// What is seen by packets is the table before the batch or the one after it.
fn begin_or_end(kind: i32) -> Message {
    Message::new(kind as u16, 0, &[0, 0, 0, libc::NFNL_SUBSYS_NFTABLES as u8])
}

/// A list of rules that hangs at a place which packets pass. Of several there the lowest priority comes first.
/// The type decides what its rules may do and when it is asked: "filter" for each packet, "nat" for the first
/// one of a connection and for no other.
fn chain(table: &str, name: &str, kind: &str, hook: i32, priority: i32) -> Message {
    message(libc::NFT_MSG_NEWCHAIN, table)
        .text(CHAIN_NAME, name)
        .nest(CHAIN_HOOK, &[], |place| place.attr(1, hook.to_be_bytes()).attr(2, priority.to_be_bytes()))
        .text(CHAIN_TYPE, kind)
}

/// A small program: each expression loads into a register, compares one, or acts. A comparison that fails ends it.
/// iptables has a struct for each thing that it can look at, and a kernel module for each struct. Here there
/// are some thirty small expressions, and what can be said with them is nft's affair and not the kernel's.
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

/// Its name, and its attributes by kind.
/// What nft prints as `tcp dport 8080` is four of these: load the protocol, compare it, load the port, compare it.
type Expression = (&'static str, Vec<(u16, Value)>);

/// nf_tables has each number big-endian, whatever the machine is. Bytes are compared as they are.
enum Value {
    Number(i32),
    /// As they are in the packet, or in the register.
    Bytes(Vec<u8>),
    /// What becomes of the packet.
    Verdict(i32),
}
use Value::{Bytes, Number, Verdict};

// What can be asked about a packet that is not in it: the link it came by or goes by, and its protocol.
const META_IIFNAME: i32 = 6;
const META_OIFNAME: i32 = 7;
const META_L4PROTO: i32 = 16;
const EQUAL: i32 = 0;
const NOT_EQUAL: i32 = 1;

/// Register 1 with bytes that are given. Everything here loads into that one.
/// A register is 16 bytes of memory for one packet's way through the chain. Number 0 is the verdict.
fn compare(how: i32, with: Vec<u8>) -> Expression {
    ("cmp", vec![(1, Number(1)), (2, Number(how)), (3, Bytes(with))])
}

/// `length` bytes of the packet, from `offset` in the network header (1) or the transport header (2).
/// By offset, as a header has it on the wire: in IPv4 the source address is at 12, the destination at 16; in
/// TCP the destination port is at 2.
fn load(header: i32, offset: i32, length: usize) -> Expression {
    ("payload", vec![(1, Number(1)), (2, Number(header)), (3, Number(offset)), (4, Number(length as i32))])
}

/// The kernel knows these of each packet beside its bytes, and forgets them with it.
fn meta(key: i32) -> Expression {
    ("meta", vec![(1, Number(1)), (2, Number(key))])
}

/// By the first bytes of the source address: one of them is 127.0.0.0/8, four are one address.
fn from(prefix: &[u8]) -> Vec<Expression> {
    vec![load(1, 12, prefix.len()), compare(EQUAL, prefix.to_vec())]
}

fn to(prefix: &[u8]) -> Vec<Expression> {
    vec![load(1, 16, prefix.len()), compare(EQUAL, prefix.to_vec())]
}

/// Of TCP. In a header of another protocol the same two bytes are something else.
/// Ports are in the order of the network, the high byte first, in the packet and so in the comparison.
fn to_port(port: u16) -> Vec<Expression> {
    let is_tcp = compare(EQUAL, vec![libc::IPPROTO_TCP as u8]);
    vec![meta(META_L4PROTO), is_tcp, load(2, 2, 2), compare(EQUAL, port.to_be_bytes().into())]
}

/// The address is one of the host's, whichever it has at that moment.
/// Without it a container's own request to port 8080 of any server in the world would be turned to us.
fn to_this_machine() -> Vec<Expression> {
    // Of the destination address, the type of route that it has: RTN_LOCAL.
    let look = ("fib", vec![(1, Number(1)), (2, Number(3)), (3, Number(2))]);
    vec![look, compare(EQUAL, u32::from(libc::RTN_LOCAL).to_ne_bytes().into())]
}

/// By name, filled up with zeroes to the length that the kernel has for names.
/// A name and not a number: the rule then also holds for a bridge that is made later.
fn interface(key: i32, how: i32) -> Vec<Expression> {
    let mut name = BRIDGE.as_bytes().to_vec();
    name.resize(libc::IFNAMSIZ, 0);
    vec![meta(key), compare(how, name)]
}

/// The connection is one whose destination a dnat has changed: bit 5 of its status.
/// Whoever asks for the container by its own address needs no masquerade, and is not to be given one: their
/// address would be lost.
fn was_turned() -> Vec<Expression> {
    let bit = (1_u32 << 5).to_ne_bytes().to_vec();
    let mask = vec![(1, Number(1)), (2, Number(1)), (3, Number(4)), (4, Bytes(bit)), (5, Bytes(vec![0; 4]))];
    vec![("ct", vec![(1, Number(1)), (2, Number(2))]), ("bitwise", mask), compare(NOT_EQUAL, vec![0; 4])]
}

/// Put into register 0, where the chain looks after each rule.
fn verdict(code: i32) -> Vec<Expression> {
    vec![("immediate", vec![(1, Number(0)), (2, Verdict(code))])]
}

/// The destination becomes this. It is decided for the first packet of a connection; conntrack does the same to all others,
/// and the opposite to the answers.
fn dnat(address: Ipv4Addr, port: u16) -> Vec<Expression> {
    let put = |register, value| ("immediate", vec![(1, Number(register)), (2, Bytes(value))]);
    let change = vec![(1, Number(1)), (2, Number(libc::AF_INET)), (3, Number(1)), (5, Number(2))];
    vec![put(1, address.octets().into()), put(2, port.to_be_bytes().into()), ("nat", change)]
}

/// The source becomes the address of whichever interface the packet leaves by.
/// A snat to an address that is looked up for each connection. The port stays, if nobody else has it.
fn masquerade() -> Vec<Expression> {
    vec![("masq", vec![])]
}
