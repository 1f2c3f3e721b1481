//! IP addresses of links. See rtnetlink(7), `RTM_NEWADDR`, and ip-address(8).

use std::net::{IpAddr, Ipv4Addr};

use crate::error::Result;
use crate::netlink::{CREATE_NEW, Message, Reply, Socket, u32_at};
use crate::subnet::Subnet;

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const IFA_F_NODAD: u32 = 2;
/// `struct ifaddrmsg`: family, prefix length, flags, scope, index.
const IFADDRMSG: usize = 8;

/// An address on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    pub link: u32,
    pub ip: IpAddr,
    pub prefix: u8,
}

/// Adds an address to a link. The kernel adds a route to the address's subnet.
pub fn add(socket: &mut Socket, address: Address) -> Result<()> {
    let mut message = message(RTM_NEWADDR, CREATE_NEW, address);
    match address.ip {
        IpAddr::V4(ip) => {
            if let Some(broadcast) = broadcast(ip, address.prefix) {
                message.put(IFA_BROADCAST, &broadcast.octets());
            }
        }
        // Without this flag the address would be tentative for a second or two, and could not be bound: the kernel asks the
        // neighbours whether they have it (RFC 4862, 5.4). The leases guarantee that none has.
        IpAddr::V6(_) => message.put_u32(IFA_FLAGS, IFA_F_NODAD),
    }
    Ok(socket.request(message, || {
        format!("add the address {1}/{2} to link {0}", address.link, address.ip, address.prefix)
    })?)
}

/// Removes an address from a link.
pub fn remove(socket: &mut Socket, address: Address) -> Result<()> {
    let message = message(RTM_DELADDR, 0, address);
    Ok(socket.request(message, || format!("remove the address {} from link {}", address.ip, address.link))?)
}

/// The addresses of one link, or of all.
pub fn list(socket: &mut Socket, link: Option<u32>) -> Result<Vec<Address>> {
    let fixed = ifaddrmsg(0, 0, link.unwrap_or(0));
    let all = socket.dump(Message::new(RTM_GETADDR, 0, &fixed), || "list the addresses".into(), read)?;
    // Kernels before 4.20 ignore the filter and list the addresses of all links.
    Ok(all.into_iter().filter(|address| link.is_none_or(|link| address.link == link)).collect())
}

fn read(reply: Reply<'_>) -> Option<Address> {
    let attributes = reply.attributes(IFADDRMSG);
    // On a point-to-point link IFA_ADDRESS is the peer's. On other links IPv6 addresses have no IFA_LOCAL.
    let own = attributes.get(IFA_LOCAL).or_else(|| attributes.get(IFA_ADDRESS))?;
    Some(Address { link: u32_at(reply.payload, 4)?, ip: own.ip()?, prefix: *reply.payload.get(1)? })
}

fn message(kind: u16, flags: u16, address: Address) -> Message {
    let (family, bytes) = match address.ip {
        IpAddr::V4(ip) => (libc::AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (libc::AF_INET6, ip.octets().to_vec()),
    };
    let mut message = Message::new(kind, flags, &ifaddrmsg(family as u8, address.prefix, address.link));
    message.put(IFA_LOCAL, &bytes);
    message.put(IFA_ADDRESS, &bytes);
    message
}

/// The broadcast address. `None` for a subnet of one or two addresses (RFC 3021).
fn broadcast(ip: Ipv4Addr, prefix: u8) -> Option<Ipv4Addr> {
    match Subnet::around(IpAddr::V4(ip), prefix).ok()?.last() {
        IpAddr::V4(last) if prefix < 31 => Some(last),
        _ => None,
    }
}

fn ifaddrmsg(family: u8, prefix: u8, link: u32) -> [u8; IFADDRMSG] {
    let [a, b, c, d] = link.to_ne_bytes();
    [family, prefix, 0, 0, a, b, c, d]
}
