//! Routes. See rtnetlink(7), `RTM_NEWROUTE`, and ip-route(8).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::Result;
use crate::netlink::{CREATE_NEW, Message, Reply, Socket};
use crate::subnet::Subnet;

const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_TABLE: u16 = 15;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RT_SCOPE_NOWHERE: u8 = 255;
const RTN_UNICAST: u8 = 1;
/// `struct rtmsg`: family, lengths of destination and source, tos, table, protocol, scope, type, flags.
const RTMSG: usize = 12;

/// A route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// With a prefix length of 0 it is a default route.
    pub destination: Subnet,
    pub gateway: Option<IpAddr>,
    /// `None` for routes over several links, and for those that discard packets.
    pub link: Option<u32>,
    /// Of two routes to the same destination the kernel takes the one with the lower metric.
    pub metric: u32,
}

impl Route {
    /// A default route: packets without a more specific route go to `gateway`, over `link`.
    pub fn default_via(gateway: IpAddr, link: u32) -> Self {
        let destination = Subnet::default_route(gateway.is_ipv6());
        Self { destination, gateway: Some(gateway), link: Some(link), metric: 0 }
    }
}

/// Adds a route. If it exists, the error is EEXIST.
pub fn add(socket: &mut Socket, route: Route) -> Result<()> {
    let scope = if route.gateway.is_some() { RT_SCOPE_UNIVERSE } else { RT_SCOPE_LINK };
    let message = message(RTM_NEWROUTE, CREATE_NEW, scope, route);
    Ok(socket.request(message, || format!("add the route to {}", route.destination))?)
}

pub fn remove(socket: &mut Socket, route: Route) -> Result<()> {
    // In a removal RT_SCOPE_NOWHERE matches routes of any scope.
    let message = message(RTM_DELROUTE, 0, RT_SCOPE_NOWHERE, route);
    Ok(socket.request(message, || format!("remove the route to {}", route.destination))?)
}

/// The routes of the main table, IPv4 and IPv6.
pub fn list(socket: &mut Socket) -> Result<Vec<Route>> {
    let message = Message::new(RTM_GETROUTE, 0, &[0; RTMSG]);
    Ok(socket.dump(message, || "list the routes".into(), read)?)
}

/// A route of the host that overlaps with `subnet`: a network with this subnet would cut off its destination. Default routes
/// overlap with everything and do not count.
pub fn conflict(socket: &mut Socket, subnet: Subnet) -> Result<Option<Route>> {
    let routes = list(socket)?;
    Ok(routes.into_iter().find(|r| r.destination.prefix() > 0 && r.destination.overlaps(subnet)))
}

/// The link of the default route with the lowest metric.
pub fn default_link(socket: &mut Socket) -> Result<Option<u32>> {
    let routes = list(socket)?;
    let defaults = routes.iter().filter(|r| r.destination.prefix() == 0 && r.link.is_some());
    Ok(defaults.min_by_key(|route| (route.destination.is_ipv6(), route.metric)).and_then(|route| route.link))
}

fn read(reply: Reply<'_>) -> Option<Route> {
    let attributes = reply.attributes(RTMSG);
    let &[family, length, _, _, table, _, _, kind, ..] = reply.payload else { return None };
    // Table numbers above 255 are only in the attribute. The table "local" has the host's own addresses.
    let table = attributes.get(RTA_TABLE).and_then(|value| value.u32()).unwrap_or(table.into());
    if table != u32::from(RT_TABLE_MAIN) || kind != RTN_UNICAST {
        return None;
    }
    let everything: IpAddr = match i32::from(family) {
        libc::AF_INET => Ipv4Addr::UNSPECIFIED.into(),
        libc::AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let ip = attributes.get(RTA_DST).map_or(Some(everything), |value| value.ip())?;
    Some(Route {
        destination: Subnet::around(ip, length).ok()?,
        gateway: attributes.get(RTA_GATEWAY).and_then(|value| value.ip()),
        link: attributes.get(RTA_OIF).and_then(|value| value.u32()),
        metric: attributes.get(RTA_PRIORITY).and_then(|value| value.u32()).unwrap_or(0),
    })
}

fn message(kind: u16, flags: u16, scope: u8, route: Route) -> Message {
    let family = if route.destination.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
    let length = route.destination.prefix();
    let fixed = [family as u8, length, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST, 0, 0, 0, 0];
    let mut message = Message::new(kind, flags, &fixed);
    let mut put_ip = |kind, ip| match ip {
        IpAddr::V4(ip) => message.put(kind, &ip.octets()),
        IpAddr::V6(ip) => message.put(kind, &ip.octets()),
    };
    if length > 0 {
        put_ip(RTA_DST, route.destination.network());
    }
    if let Some(gateway) = route.gateway {
        put_ip(RTA_GATEWAY, gateway);
    }
    if let Some(link) = route.link {
        message.put_u32(RTA_OIF, link);
    }
    if route.metric > 0 {
        message.put_u32(RTA_PRIORITY, route.metric);
    }
    message
}
