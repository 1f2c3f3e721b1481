//! Messages to nf_tables: tables, chains, and rules with the expressions that a rule consists of.
//!
//! nf_tables is the packet filter behind `nft`, and on most machines behind `iptables`. A chain is
//! attached to a hook, one of the points that every packet passes in the kernel. A rule is a small
//! program for a virtual machine with a few registers. `nft --debug=netlink` prints this program.
//! For `tcp dport 8080` it consists of four expressions:
//!
//! ```text
//! [ meta load l4proto => reg 1 ]
//! [ cmp eq reg 1 0x00000006 ]
//! [ payload load 2b @ transport header + 2 => reg 1 ]
//! [ cmp eq reg 1 0x0000901f ]
//! ```
//!
//! The functions for the parts of a rule have the names that `nft` uses, so that a rule in nat.rs
//! reads like a line of `nft`.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::netlink::{Message, Socket};

// From linux/netfilter/nf_tables.h: the kinds of attributes. Numbers in these messages are
// big-endian.
const TABLE_FLAGS: u16 = 2;
const TABLE_OWNER: u32 = 2;
pub const CHAIN_NAME: u16 = 3;
pub const CHAIN_HOOK: u16 = 4;
pub const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;

/// Creates a table with these chains and rules. All messages are one batch, which the kernel applies
/// as a whole: a packet meets all of the rules or none. `call` names the batch in the trace.
///
/// The table belongs to `owner` (Linux 5.12): only this socket can change the table, and the kernel
/// removes the table when the socket is closed.
pub fn create_table(owner: &mut Socket, call: &str, name: &str, content: Vec<Message>) -> Result<()> {
    let table = message(libc::NFT_MSG_NEWTABLE, name).attr(TABLE_FLAGS, TABLE_OWNER.to_be_bytes());
    let mut batch = vec![begin_or_end(libc::NFNL_MSG_BATCH_BEGIN), table];
    batch.extend(content);
    batch.push(begin_or_end(libc::NFNL_MSG_BATCH_END));
    owner.call(call, batch).map(drop)
}

/// Asks for all chains of all IPv4 tables.
pub fn list_chains() -> Message {
    Message::new(kind(libc::NFT_MSG_GETCHAIN), libc::NLM_F_DUMP, &[libc::AF_INET as u8, 0, 0, 0])
}

/// The type of a message: the upper byte is the netfilter subsystem, 10 for nf_tables, and the
/// lower byte is the number of the message within the subsystem.
fn kind(message: i32) -> u16 {
    (libc::NFNL_SUBSYS_NFTABLES << 8 | message) as u16
}

/// A message with its fixed part: family, version, and a resource id, which is 0 except at the ends
/// of a batch. Attribute 1 is the table's name in each of these messages.
fn message(number: i32, table: &str) -> Message {
    let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_APPEND;
    Message::new(kind(number), flags, &[libc::AF_INET as u8, 0, 0, 0]).text(1, table)
}

/// The message that begins or ends a batch.
fn begin_or_end(kind: i32) -> Message {
    Message::new(kind as u16, 0, &[0, 0, 0, libc::NFNL_SUBSYS_NFTABLES as u8])
}

/// `chain NAME { type KIND hook HOOK priority PRIORITY; }`. Chains at the same hook run in the order
/// of their priorities. A chain of the type "filter" meets every packet, a chain of the type "nat"
/// only the first packet of each connection.
pub fn chain(table: &str, name: &str, kind: &str, hook: i32, priority: i32) -> Message {
    message(libc::NFT_MSG_NEWCHAIN, table)
        .text(CHAIN_NAME, name)
        .nest(CHAIN_HOOK, &[], |point| point.attr(1, hook.to_be_bytes()).attr(2, priority.to_be_bytes()))
        .text(CHAIN_TYPE, kind)
}

/// Appends a rule to a chain. The kernel runs the expressions in order. If a comparison fails, the
/// kernel continues with the next rule.
pub fn rule(table: &str, chain: &str, parts: &[Vec<Expression>]) -> Message {
    message(libc::NFT_MSG_NEWRULE, table).text(2, chain).nest(4, &[], |list| {
        parts.iter().flatten().fold(list, |list, (name, values)| {
            list.nest(1, &[], |element| {
                element.text(1, name).nest(2, &[], |data| values.iter().fold(data, put))
            })
        })
    })
}

/// An expression: its name, and its attributes by kind.
pub type Expression = (&'static str, Vec<(u16, Value)>);

pub enum Value {
    /// Big-endian on every machine.
    Number(i32),
    /// The bytes are in the order that they have in the packet or in the register.
    Bytes(Vec<u8>),
    /// What happens to the packet.
    Verdict(i32),
}
use Value::{Bytes, Number, Verdict};

fn put(data: Message, (kind, value): &(u16, Value)) -> Message {
    match value {
        Number(number) => data.attr(*kind, number.to_be_bytes()),
        Bytes(bytes) => data.nest(*kind, &[], |data| data.attr(1, bytes)),
        Verdict(code) => {
            data.nest(*kind, &[], |data| data.nest(2, &[], |data| data.attr(1, code.to_be_bytes())))
        }
    }
}

// Keys of metadata, which the kernel keeps with each packet: incoming and outgoing interface,
// protocol.
const META_IIFNAME: i32 = 6;
const META_OIFNAME: i32 = 7;
const META_L4PROTO: i32 = 16;
const EQUAL: i32 = 0;
const NOT_EQUAL: i32 = 1;

/// Compares register 1 with the given bytes. All expressions here use register 1; register 0 is the
/// verdict.
fn compare(how: i32, with: Vec<u8>) -> Expression {
    ("cmp", vec![(1, Number(1)), (2, Number(how)), (3, Bytes(with))])
}

/// Loads `length` bytes from `offset` in the network header (1) or in the transport header (2).
fn load(header: i32, offset: i32, length: usize) -> Expression {
    ("payload", vec![(1, Number(1)), (2, Number(header)), (3, Number(offset)), (4, Number(length as i32))])
}

/// Loads metadata.
fn meta(key: i32) -> Expression {
    ("meta", vec![(1, Number(1)), (2, Number(key))])
}

/// `ip saddr PREFIX`: the packet comes from this address. One byte stands for a /8, such as
/// 127.0.0.0/8; four bytes are a single address. The IPv4 header has the source address at offset
/// 12.
pub fn ip_saddr(prefix: &[u8]) -> Vec<Expression> {
    vec![load(1, 12, prefix.len()), compare(EQUAL, prefix.to_vec())]
}

/// `ip daddr PREFIX`: the packet goes to this address. The destination address is at offset 16.
pub fn ip_daddr(prefix: &[u8]) -> Vec<Expression> {
    vec![load(1, 16, prefix.len()), compare(EQUAL, prefix.to_vec())]
}

/// `tcp dport PORT`. The protocol is compared first, because other protocols have another field at
/// that offset. Ports are big-endian, as on the network.
pub fn tcp_dport(port: u16) -> Vec<Expression> {
    let is_tcp = compare(EQUAL, vec![libc::IPPROTO_TCP as u8]);
    vec![meta(META_L4PROTO), is_tcp, load(2, 2, 2), compare(EQUAL, port.to_be_bytes().into())]
}

/// `fib daddr type local`: the destination is any address of this machine. `fib` is the routing
/// table, and the result of the lookup is the type of the route.
pub fn fib_daddr_type_local() -> Vec<Expression> {
    let look_up = ("fib", vec![(1, Number(1)), (2, Number(3)), (3, Number(2))]);
    vec![look_up, compare(EQUAL, u32::from(libc::RTN_LOCAL).to_ne_bytes().into())]
}

/// `iifname LINK`: the packet came in through this link. A name is padded with zeroes to 16 bytes.
/// Unlike a rule with the link's number, a rule with the name also holds for a link that is created
/// later.
pub fn iifname(link: &str) -> Vec<Expression> {
    vec![meta(META_IIFNAME), compare(EQUAL, padded(link))]
}

/// `oifname != LINK`: the packet leaves through another link.
pub fn oifname_is_not(link: &str) -> Vec<Expression> {
    vec![meta(META_OIFNAME), compare(NOT_EQUAL, padded(link))]
}

fn padded(link: &str) -> Vec<u8> {
    let mut name = link.as_bytes().to_vec();
    name.resize(libc::IFNAMSIZ, 0);
    name
}

/// `ct status dnat`: a dnat rule has changed the destination of the packet's connection. It is bit 5
/// of the connection's status: mask it, and compare with 0.
pub fn ct_status_dnat() -> Vec<Expression> {
    let bit = (1_u32 << 5).to_ne_bytes().to_vec();
    let mask = vec![(1, Number(1)), (2, Number(1)), (3, Number(4)), (4, Bytes(bit)), (5, Bytes(vec![0; 4]))];
    vec![("ct", vec![(1, Number(1)), (2, Number(2))]), ("bitwise", mask), compare(NOT_EQUAL, vec![0; 4])]
}

/// `drop`: the kernel discards the packet.
pub fn drop_packet() -> Vec<Expression> {
    vec![("immediate", vec![(1, Number(0)), (2, Verdict(libc::NF_DROP))])]
}

/// `dnat to ADDRESS:PORT`: changes the destination. The rule decides for the first packet of a
/// connection. Connection tracking makes the same change to the other packets, and the reverse
/// change to the replies.
pub fn dnat_to(address: Ipv4Addr, port: u16) -> Vec<Expression> {
    let put = |register, value| ("immediate", vec![(1, Number(register)), (2, Bytes(value))]);
    let change = vec![(1, Number(1)), (2, Number(libc::AF_INET)), (3, Number(1)), (5, Number(2))];
    vec![put(1, address.octets().into()), put(2, port.to_be_bytes().into()), ("nat", change)]
}

/// `masquerade`: changes the source to the address of the outgoing link. The port stays the same
/// unless another connection uses it.
pub fn masquerade() -> Vec<Expression> {
    vec![("masq", vec![])]
}
