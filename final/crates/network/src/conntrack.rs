//! Connection tracking (conntrack). The kernel decides on translation by a connection's first packet. UDP has no packet that
//! ends a connection, so without a removal here an entry would outlive its published port by minutes.

use crate::error::Result;
use crate::netlink::{Attributes, Message, Reply, Socket};
use crate::ports::Transport;

/// linux/netfilter/nfnetlink_conntrack.h.
const NFNL_SUBSYS_CTNETLINK: u16 = 1;
const IPCTNL_MSG_CT_GET: u16 = 1;
const IPCTNL_MSG_CT_DELETE: u16 = 2;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_DST_PORT: u16 = 3;
const NLA_F_NESTED: u16 = 0x8000;
/// `struct nfgenmsg`.
const FIXED: usize = 4;

/// Deletes the entries of UDP packets to these ports, so that the rules decide on the next packet.
pub fn forget_udp(socket: &mut Socket, ports: &[u16]) -> Result<()> {
    if ports.is_empty() {
        return Ok(());
    }
    for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
        let message = Message::new(kind(IPCTNL_MSG_CT_GET), 0, &[family, 0, 0, 0]);
        let list = || "list the conntrack entries".into();
        let found = match socket.dump(message, list, |reply| tuple_to(reply, ports)) {
            // The kernel lacks nf_conntrack_netlink. The entries expire by themselves.
            Err(error) if matches!(error.errno(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => return Ok(()),
            found => found?,
        };
        for tuple in found {
            let mut message = Message::new(kind(IPCTNL_MSG_CT_DELETE), 0, &[family, 0, 0, 0]);
            message.put(CTA_TUPLE_ORIG | NLA_F_NESTED, &tuple);
            match socket.request(message, || "delete a conntrack entry".into()) {
                // The entry has expired.
                Err(error) if error.errno() == Some(libc::ENOENT) => {}
                deleted => deleted?,
            }
        }
    }
    Ok(())
}

/// A connection's original tuple, by which an entry is deleted, if its destination is one of the ports.
fn tuple_to(reply: Reply<'_>, ports: &[u16]) -> Option<Vec<u8>> {
    let tuple = reply.attributes(FIXED).get(CTA_TUPLE_ORIG)?;
    let protocol: Attributes<'_> = tuple.nested().get(CTA_TUPLE_PROTO)?.nested();
    let is_udp = protocol.get(CTA_PROTO_NUM)?.u8()? == Transport::Udp.number();
    let port = u16::from_be_bytes(protocol.get(CTA_PROTO_DST_PORT)?.array()?);
    (is_udp && ports.contains(&port)).then(|| tuple.0.to_vec())
}

fn kind(command: u16) -> u16 {
    NFNL_SUBSYS_CTNETLINK << 8 | command
}
