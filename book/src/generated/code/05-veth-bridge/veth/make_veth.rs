/// Creates the veth pair with one message. One end is on the bridge, and the other end is in the
/// network namespace of `pid`:
///
///     ip link add box2-4711 up master boxes type veth peer name eth0 netns 4713
///
/// When one end is removed, for instance because its namespace ends, the kernel removes the other.
pub fn make_veth(kernel: &mut Socket, link: &str, pid: Pid) -> Result<()> {
    let veth = Message::new(libc::RTM_NEWLINK, CREATE, &ifinfo(0, libc::IFF_UP))
        .text(libc::IFLA_IFNAME, link)
        .attr(libc::IFLA_MASTER, index(BRIDGE)?.to_ne_bytes())
        .nest(libc::IFLA_LINKINFO, &[], |info| {
            info.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, &[], |data| {
                // The other end is a link with its own attributes. The pid is that of the child,
                // which waits on the sync pipe.
                data.nest(VETH_INFO_PEER, &ifinfo(0, 0), |peer| {
                    peer.text(libc::IFLA_IFNAME, "eth0")
                        .attr(libc::IFLA_NET_NS_PID, pid.as_raw().to_ne_bytes())
                })
            })
        });
    let call = format!("RTM_NEWLINK({link}, veth, up, at {BRIDGE}; its other end eth0 of {pid})");
    kernel.call(&call, vec![veth]).map(drop)
}
