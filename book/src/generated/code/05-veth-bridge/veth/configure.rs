/// Configures the container's network, in the child: links up, address, default route. Without an
/// address only lo. It takes no privilege on the host: the network namespace belongs to the
/// container's user namespace.
pub fn configure(address: Option<Ipv4Addr>) -> Result<()> {
    let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
    // Each network namespace has a lo, which is down at first. Without it programs cannot reach
    // themselves at 127.0.0.1.
    kernel.call("RTM_SETLINK(lo, up)", vec![up("lo")?])?;
    let Some(address) = address else { return Ok(()) };
    // In this order: a route by a gateway is accepted only if the gateway is reachable.
    add_address(&mut kernel, "eth0", address)?;
    kernel.call("RTM_SETLINK(eth0, up)", vec![up("eth0")?])?;
    let fixed = rtmsg(libc::RT_TABLE_MAIN, libc::RTPROT_BOOT, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST);
    let route = Message::new(libc::RTM_NEWROUTE, CREATE, &fixed).attr(libc::RTA_GATEWAY, GATEWAY.octets());
    kernel.call(&format!("RTM_NEWROUTE(default via {GATEWAY})"), vec![route])?;
    Ok(())
}
