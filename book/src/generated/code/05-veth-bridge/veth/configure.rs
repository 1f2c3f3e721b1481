/// Configures the container's own links. It runs in the child, inside the network namespace:
///
///     ip link set lo up
///     ip address add 10.105.0.2/24 dev eth0
///     ip link set eth0 up
///     ip route add default via 10.105.0.1
///
/// Without an address there is only lo. This needs no privilege on the host, because the network
/// namespace belongs to the container's user namespace.
pub fn configure(address: Option<Ipv4Addr>) -> Result<()> {
    let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
    // Each network namespace has its own lo, which is down at first. While it is down, the
    // container's programs cannot reach each other at 127.0.0.1.
    kernel.call("RTM_SETLINK(lo, up)", vec![up("lo")?])?;
    let Some(address) = address else { return Ok(()) };
    // The order matters: the kernel accepts a route through a gateway only if it can reach the
    // gateway.
    add_address(&mut kernel, "eth0", address)?;
    kernel.call("RTM_SETLINK(eth0, up)", vec![up("eth0")?])?;
    let fixed = rtmsg(libc::RT_TABLE_MAIN, libc::RTPROT_BOOT, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST);
    let route = Message::new(libc::RTM_NEWROUTE, CREATE, &fixed).attr(libc::RTA_GATEWAY, GATEWAY.octets());
    kernel.call(&format!("RTM_NEWROUTE(default via {GATEWAY})"), vec![route]).map(drop)
}
