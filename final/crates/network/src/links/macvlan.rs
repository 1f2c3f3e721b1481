//! A macvlan: a second MAC address on a link of the host's, with which a container is on that link's wire.
//!
//! ```text
//!   host's namespace                     container's namespace
//!   eth0 52:54:00:…  ◀── the wire ──▶    eth0@… 02:42:…
//! ```
//!
//! No bridge, no rules, no translation: frames are told apart by their MAC address in the parent's receive path (the
//! kernel's drivers/net/macvlan.c). The host itself does not reach its macvlans over the parent: what the parent sends
//! goes out on the wire, and no switch sends a frame back to where it came from.

use super::{AF_UNSPEC, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINK, IFLA_LINKINFO, Peer, RTM_NEWLINK};
use super::{check_name, ifinfomsg, put_peer};
use crate::error::Result;
use crate::netlink::{CREATE_NEW, Message, Socket};

const IFLA_MACVLAN_MODE: u16 = 1;

/// How macvlans of one parent see each other: the values of include/uapi/linux/if_link.h, `enum macvlan_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacvlanMode {
    /// Not at all.
    Private = 1,
    /// By way of a switch that sends frames back (IEEE 802.1Qbg).
    Vepa = 2,
    /// As ports of one bridge.
    Bridge = 4,
}

/// Makes a macvlan of the link `parent` inside a namespace. It stays down.
pub fn create_macvlan(
    socket: &mut Socket,
    parent: u32,
    mode: MacvlanMode,
    mtu: u32,
    peer: &Peer<'_>,
) -> Result<()> {
    check_name(peer.name)?;
    let mut message = Message::new(RTM_NEWLINK, CREATE_NEW, &ifinfomsg(AF_UNSPEC, 0, 0, 0));
    put_peer(&mut message, peer, mtu);
    message.put_u32(IFLA_LINK, parent);
    message.put_nested(IFLA_LINKINFO, |info| {
        info.put_text(IFLA_INFO_KIND, "macvlan");
        info.put_nested(IFLA_INFO_DATA, |data| data.put_u32(IFLA_MACVLAN_MODE, mode as u32));
    });
    Ok(socket.request(message, || format!("make the macvlan {} on link {parent}", peer.name))?)
}
