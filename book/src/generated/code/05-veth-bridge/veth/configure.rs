/// On the inside: everything up, an address, and the way to everywhere else. Without an address only lo.
/// No capability over the host is asked for here: the namespace is the container's own, and in it we are root.
pub fn configure(address: Option<Ipv4Addr>) -> Result<()> {
    let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
    // Every namespace has one from the beginning, and it is off.
    // Programs that talk to themselves at 127.0.0.1 get "Network is unreachable" without it.
    kernel.call("RTM_SETLINK(lo, up)", vec![up("lo")?])?;
    let Some(address) = address else { return Ok(()) };
    // Address, link, route, in this order: a route by a gateway is taken only if the gateway can be reached already.
    add_address(&mut kernel, "eth0", address)?;
    kernel.call("RTM_SETLINK(eth0, up)", vec![up("eth0")?])?;
    let fixed = rtmsg(libc::RT_TABLE_MAIN, libc::RTPROT_BOOT, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST);
    let route = Message::new(libc::RTM_NEWROUTE, CREATE, &fixed).attr(libc::RTA_GATEWAY, GATEWAY.octets());
    kernel.call(&format!("RTM_NEWROUTE(default via {GATEWAY})"), vec![route])?;
    Ok(())
}
