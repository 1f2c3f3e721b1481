/// Creates the veth pair: one end on the bridge, the other in the namespace of `pid`. When one
/// end goes, with its namespace for instance, the other one goes too.
pub fn attach(&mut self, pid: Pid) -> Result<()> {
    // One message creates both ends. The namespace is given by the pid of the child, which
    // waits on the sync pipe.
    let veth = Message::new(libc::RTM_NEWLINK, CREATE, &ifinfo(0, libc::IFF_UP))
        .text(libc::IFLA_IFNAME, &self.link)
        // It is attached to the bridge and up from the beginning.
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
    // For a container that connects to its own published port: with br_netfilter, as docker
    // loads it, that packet has to leave by the port of the bridge that it came in by, which a
    // bridge does only in hairpin mode.
    let hairpin = Message::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, &ifinfo(index(&self.link)?, 0)).nest(
        libc::IFLA_LINKINFO,
        &[],
        |info| {
            info.text(IFLA_INFO_SLAVE_KIND, "bridge")
                .nest(IFLA_INFO_SLAVE_DATA, &[], |data| data.attr(IFLA_BRPORT_MODE, [1]))
        },
    );
    kernel.call(&format!("RTM_NEWLINK({}, hairpin on)", self.link), vec![hairpin])?;
    // The link exists now, so others see that the address is taken.
    self.lock = None;
    Ok(())
}
