//! VXLAN links: tunnels that carry Ethernet frames in UDP from host to host (RFC 7348, ip-link(8) `type vxlan`).
//!
//! ```text
//!   a container's frame             │ outer IP: local → peer │ UDP, port 4789 │ VXLAN: the network's number │ frame │
//! ```
//!
//! A VXLAN link can be a port of a bridge. It learns from received frames which host has a MAC address. Broadcasts, and
//! frames to an unknown address, go to each peer. Peers are entries of the link's forwarding table for the all-zeros MAC
//! address (bridge(8), `fdb append`), so neither multicast nor a daemon is needed.
//!
//! Frames are neither encrypted nor authenticated: this is for hosts on a private network, or with an encrypted tunnel
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
/// The entry is in the link's own forwarding table, not in that of its bridge.
const NTF_SELF: u8 = 0x02;
/// `struct ndmsg`: family, three bytes, index, state, flags, type.
const NDMSG: usize = 12;
const ALL_ZEROS: [u8; 6] = [0; 6];

/// The port that IANA has assigned to VXLAN.
pub const PORT: u16 = 4789;

/// A VXLAN link to be created.
#[derive(Debug, Clone)]
pub struct Vxlan<'a> {
    pub name: &'a str,
    /// The network's number (VNI), the same on every host.
    pub id: u32,
    /// The address that packets are sent from.
    pub local: IpAddr,
    pub port: u16,
    pub mtu: u32,
}

/// How many bytes the outer headers take of the MTU of the link below: IP 20 (or 40), UDP 8, VXLAN 8, Ethernet 14.
pub fn overhead(local: IpAddr) -> u32 {
    if local.is_ipv6() { 70 } else { 50 }
}

/// Creates a VXLAN link. It is down.
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
        .request(message, || format!("create the VXLAN link {} with the number {}", vxlan.name, vxlan.id))?)
}

/// Adds a peer, to which broadcasts are sent. Adding a peer again has no effect.
pub fn add_peer(socket: &mut Socket, link: u32, peer: IpAddr) -> Result<()> {
    let mut message = Message::new(RTM_NEWNEIGH, CREATE | APPEND, &ndmsg(link, NUD_PERMANENT, NTF_SELF));
    message.put(NDA_LLADDR, &ALL_ZEROS);
    match peer {
        IpAddr::V4(peer) => message.put(NDA_DST, &peer.octets()),
        IpAddr::V6(peer) => message.put(NDA_DST, &peer.octets()),
    }
    Ok(socket.request(message, || format!("make {peer} a peer of link {link}"))?)
}

/// The peers of a VXLAN link.
pub fn peers(socket: &mut Socket, link: u32) -> Result<Vec<IpAddr>> {
    let message = Message::new(RTM_GETNEIGH, 0, &ndmsg(link, 0, 0));
    let peer = |reply: Reply<'_>| {
        let attributes = reply.attributes(NDMSG);
        let own = u32_at(reply.payload, 4)? == link && attributes.get(NDA_MASTER).is_none();
        let is_peer = attributes.get(NDA_LLADDR)?.0 == ALL_ZEROS;
        attributes.get(NDA_DST).filter(|_| own && is_peer)?.ip()
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
