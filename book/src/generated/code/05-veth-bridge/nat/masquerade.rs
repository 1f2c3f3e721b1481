/// The rule for outgoing connections, in the chain `postrouting`:
///
///     ip saddr 10.105.0.2 oifname != "boxes" masquerade
///
/// A server elsewhere has no route to 10.105.0.2, so the packet leaves with the host's address.
/// Packets that stay on the bridge keep their source, so containers see each other's real
/// addresses.
pub fn masquerade(table: &str, address: Ipv4Addr) -> Vec<Message> {
    let leaves = [nft::ip_saddr(&address.octets()), nft::oifname_is_not(BRIDGE), nft::masquerade()];
    vec![nft::rule(table, "postrouting", &leaves)]
}
