/// On the inside: everything up, an address, and the way to everywhere else. Without an address only lo.
pub fn configure(address: Option<Ipv4Addr>) -> Result<()> {
    let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
    // Every namespace has one from the beginning, and it is off.
    kernel.call("RTM_SETLINK(lo, up)", vec![up("lo")?])?;
    let Some(address) = address else { return Ok(()) };
    add_address(&mut kernel, "eth0", address)?;
    kernel.call("RTM_SETLINK(eth0, up)", vec![up("eth0")?])?;
    // rtmsg: family, lengths of destination and source, type of service, table, who made it, scope, type, flags.
    let (table, maker) = (libc::RT_TABLE_MAIN, libc::RTPROT_BOOT);
    let fixed =
        [libc::AF_INET as u8, 0, 0, 0, table, maker, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST, 0, 0, 0, 0];
    let route = Message::new(libc::RTM_NEWROUTE, CREATE, &fixed).attr(libc::RTA_GATEWAY, GATEWAY.octets());
    kernel.call(&format!("RTM_NEWROUTE(default via {GATEWAY})"), vec![route])?;
    Ok(())
}
