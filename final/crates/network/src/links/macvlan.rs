//! Macvlans: links that share one of the host's links, their parent, each with a MAC address of its own.
//!
//! ```text
//!   host's namespace                     container's namespace
//!   eth0 52:54:00:…  ◀── the LAN ──▶     eth0@… 02:42:…
//! ```
//!
//! There is no bridge, no rule and no translation: the parent's receive handler distributes frames by their MAC address (the
//! kernel's drivers/net/macvlan.c). The host itself cannot reach its macvlans over the parent: what the parent sends leaves
//! on the LAN, and a switch does not send a frame back to the port from which it came.

use super::{AF_UNSPEC, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINK, IFLA_LINKINFO, Peer, RTM_NEWLINK};
use super::{check_name, ifinfomsg, put_peer};
use crate::error::Result;
use crate::netlink::{CREATE_NEW, Message, Socket};

const IFLA_MACVLAN_MODE: u16 = 1;

/// How macvlans of one parent reach each other (include/uapi/linux/if_link.h, `enum macvlan_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacvlanMode {
    /// Not at all.
    Private = 1,
    /// Through a switch that sends frames back (IEEE 802.1Qbg).
    Vepa = 2,
    /// Directly, like ports of one bridge.
    Bridge = 4,
}

/// Creates a macvlan of the link `parent` inside a namespace. It is down.
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
    Ok(socket.request(message, || format!("create the macvlan {} on link {parent}", peer.name))?)
}
