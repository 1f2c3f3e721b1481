//! The kernel's memory of connections (conntrack). A translation is decided by a connection's first packet; for udp, where
//! nothing says that a connection has ended, that decision would outlive the port it was about by minutes.

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

/// Forgets what was sent over udp to these ports, so that the next packet is looked at anew.
pub fn forget_udp(socket: &mut Socket, ports: &[u16]) -> Result<()> {
    if ports.is_empty() {
        return Ok(());
    }
    for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
        let message = Message::new(kind(IPCTNL_MSG_CT_GET), 0, &[family, 0, 0, 0]);
        let list = || "list the kernel's connections".into();
        let found = match socket.dump(message, list, |reply| to(reply, ports)) {
            // A kernel that cannot be asked about them (nf_conntrack_netlink); they end by themselves after a while.
            Err(error) if matches!(error.errno(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => return Ok(()),
            found => found?,
        };
        for tuple in found {
            let mut message = Message::new(kind(IPCTNL_MSG_CT_DELETE), 0, &[family, 0, 0, 0]);
            message.put(CTA_TUPLE_ORIG | NLA_F_NESTED, &tuple);
            match socket.request(message, || "forget a connection".into()) {
                // It ended by itself.
                Err(error) if error.errno() == Some(libc::ENOENT) => {}
                forgotten => forgotten?,
            }
        }
    }
    Ok(())
}

/// Who a connection is between, as the kernel wants it back, if it is to one of the ports.
fn to(reply: Reply<'_>, ports: &[u16]) -> Option<Vec<u8>> {
    let tuple = reply.attributes(FIXED).get(CTA_TUPLE_ORIG)?;
    let protocol: Attributes<'_> = tuple.nested().get(CTA_TUPLE_PROTO)?.nested();
    let is_udp = protocol.get(CTA_PROTO_NUM)?.u8()? == Transport::Udp.number();
    let port = u16::from_be_bytes(protocol.get(CTA_PROTO_DST_PORT)?.array()?);
    (is_udp && ports.contains(&port)).then(|| tuple.0.to_vec())
}

fn kind(command: u16) -> u16 {
    NFNL_SUBSYS_CTNETLINK << 8 | command
}
