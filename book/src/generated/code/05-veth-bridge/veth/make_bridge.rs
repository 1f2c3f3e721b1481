/// Creates the bridge, a switch in software, and sets it up:
///
///     ip link add boxes address 02:00:0a:69:00:01 up type bridge
///
/// A bridge with an address is also a link of the host itself, so it can be the gateway of the
/// containers.
pub fn make_bridge(kernel: &mut Socket) -> Result<()> {
    let bridge = Message::new(libc::RTM_NEWLINK, CREATE, &ifinfo(0, libc::IFF_UP))
        .text(libc::IFLA_IFNAME, BRIDGE)
        // Without its own MAC address, a bridge uses the lowest address of its members, and this
        // address changes when members come and go.
        .attr(libc::IFLA_ADDRESS, [2, 0, 10, 105, 0, 1])
        .nest(libc::IFLA_LINKINFO, &[], |info| info.text(IFLA_INFO_KIND, "bridge"));
    kernel.call(&format!("RTM_NEWLINK({BRIDGE}, bridge, up)"), vec![bridge]).map(drop)
}
