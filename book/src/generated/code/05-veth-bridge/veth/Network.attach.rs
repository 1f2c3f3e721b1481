/// Makes the veth pair: one end at the bridge, the other in the namespace of `pid`. They are born together, and when
/// either goes, with its namespace for instance, so does the other.
pub fn attach(&mut self, pid: Pid) -> Result<()> {
    // One message for both ends. It needs a pid and not the namespace's file, and the process is there: at
    // its sync_pipe.
    let veth = Message::new(libc::RTM_NEWLINK, CREATE, &ifinfo(0, libc::IFF_UP))
        .text(libc::IFLA_IFNAME, &self.link)
        // It begins its life plugged in, and up.
        .attr(libc::IFLA_MASTER, index(BRIDGE)?.to_ne_bytes())
        .nest(libc::IFLA_LINKINFO, &[], |info| {
            info.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, &[], |data| {
                data.nest(VETH_INFO_PEER, &ifinfo(0, 0), |peer| {
                    peer.text(libc::IFLA_IFNAME, "eth0")
                        .attr(libc::IFLA_NET_NS_PID, pid.as_raw().to_ne_bytes())
                })
            })
        });
    let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
    let call = format!("RTM_NEWLINK({}, veth, up, at {BRIDGE}; its other end eth0 of {pid})", self.link);
    kernel.call(&call, vec![veth])?;
    // Whoever asks for a port that leads back to themselves: where br_netfilter is on, as with docker, that packet goes
    // out by the veth pair it came by, and a bridge does not do such things unless told.
    let hairpin = Message::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, &ifinfo(index(&self.link)?, 0)).nest(
        libc::IFLA_LINKINFO,
        &[],
        |info| {
            info.text(IFLA_INFO_SLAVE_KIND, "bridge")
                .nest(IFLA_INFO_SLAVE_DATA, &[], |data| data.attr(IFLA_BRPORT_MODE, [1]))
        },
    );
    kernel.call(&format!("RTM_NEWLINK({}, hairpin on)", self.link), vec![hairpin])?;
    // The name is taken now, for all to see.
    self.lock = None;
    Ok(())
}
