//! A VXLAN link: Ethernet frames inside UDP, from host to host (RFC 7348, ip-link(8) `type vxlan`).
//!
//! ```text
//!   frame of a container's          │ outer IP: local → peer │ UDP, port 4789 │ VXLAN: the network's number │ frame │
//! ```
//!
//! A port of a bridge like any other. Where a MAC address is, the link learns from what comes in; a frame to an address
//! that it does not know, or to everybody, goes to each peer. Those are entries of the link's forwarding table under the
//! MAC address of zeros (bridge(8), `fdb append`): no multicast is needed, and no daemon.
//!
//! Nothing is encrypted, and nobody has to prove who he is: this is for hosts on a network of their own, or with a tunnel
//! between them.

use std::net::IpAddr;

use super::{AF_BRIDGE, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO, check_name, new_link};
use crate::error::Result;
use crate::netlink::{APPEND, CREATE, Message, Reply, Socket, u32_at};

const IFLA_VXLAN_ID: u16 = 1;
const IFLA_VXLAN_LOCAL: u16 = 4;
const IFLA_VXLAN_LEARNING: u16 = 7;
const IFLA_VXLAN_PORT: u16 = 15;
const IFLA_VXLAN_LOCAL6: u16 = 17;

const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_MASTER: u16 = 9;
const NUD_PERMANENT: u16 = 0x80;
/// The link's own table, and not that of the bridge it is a port of.
const NTF_SELF: u8 = 0x02;
/// `struct ndmsg`: family, three bytes, index, state, flags, type.
const NDMSG: usize = 12;
const EVERYBODY: [u8; 6] = [0; 6];

/// IANA's.
pub const PORT: u16 = 4789;

/// A VXLAN link to be made.
#[derive(Debug, Clone)]
pub struct Vxlan<'a> {
    pub name: &'a str,
    /// The network's number, which is the same on every host.
    pub id: u32,
    /// From where packets are sent.
    pub local: IpAddr,
    pub port: u16,
    pub mtu: u32,
}

/// How many bytes the outer headers take of the MTU of the link below: IP 20 (or 40), UDP 8, VXLAN 8, Ethernet 14.
pub fn overhead(local: IpAddr) -> u32 {
    if local.is_ipv6() { 70 } else { 50 }
}

/// It stays down.
pub fn create_vxlan(socket: &mut Socket, vxlan: &Vxlan<'_>) -> Result<()> {
    check_name(vxlan.name)?;
    let mut message = new_link(vxlan.name, vxlan.mtu, 0);
    message.put_nested(IFLA_LINKINFO, |info| {
        info.put_text(IFLA_INFO_KIND, "vxlan");
        info.put_nested(IFLA_INFO_DATA, |data| {
            data.put_u32(IFLA_VXLAN_ID, vxlan.id);
            match vxlan.local {
                IpAddr::V4(local) => data.put(IFLA_VXLAN_LOCAL, &local.octets()),
                IpAddr::V6(local) => data.put(IFLA_VXLAN_LOCAL6, &local.octets()),
            }
            data.put(IFLA_VXLAN_PORT, &vxlan.port.to_be_bytes());
            data.put_u8(IFLA_VXLAN_LEARNING, 1);
        });
    });
    Ok(socket
        .request(message, || format!("make the VXLAN link {} with the number {}", vxlan.name, vxlan.id))?)
}

/// Sends what is for everybody to `peer` as well. A peer that is there already stays there once.
pub fn add_peer(socket: &mut Socket, link: u32, peer: IpAddr) -> Result<()> {
    let mut message = Message::new(RTM_NEWNEIGH, CREATE | APPEND, &ndmsg(link, NUD_PERMANENT, NTF_SELF));
    message.put(NDA_LLADDR, &EVERYBODY);
    match peer {
        IpAddr::V4(peer) => message.put(NDA_DST, &peer.octets()),
        IpAddr::V6(peer) => message.put(NDA_DST, &peer.octets()),
    }
    Ok(socket.request(message, || format!("make {peer} a peer of link {link}"))?)
}

/// To whom goes what is for everybody.
pub fn peers(socket: &mut Socket, link: u32) -> Result<Vec<IpAddr>> {
    let message = Message::new(RTM_GETNEIGH, 0, &ndmsg(link, 0, 0));
    let peer = |reply: Reply<'_>| {
        let attributes = reply.attributes(NDMSG);
        let own = u32_at(reply.payload, 4)? == link && attributes.get(NDA_MASTER).is_none();
        let everybody = attributes.get(NDA_LLADDR)?.0 == EVERYBODY;
        attributes.get(NDA_DST).filter(|_| own && everybody)?.ip()
    };
    Ok(socket.dump(message, || format!("list the peers of link {link}"), peer)?)
}

fn ndmsg(link: u32, state: u16, flags: u8) -> [u8; NDMSG] {
    let mut bytes = [0; NDMSG];
    bytes[0] = AF_BRIDGE;
    bytes[4..8].copy_from_slice(&link.to_ne_bytes());
    bytes[8..10].copy_from_slice(&state.to_ne_bytes());
    bytes[10] = flags;
    bytes
}
