/// The rules that make replies come back to the host, which has to translate them:
///
///     ip daddr 10.105.0.2 ct status dnat ip saddr 127.0.0.0/8 masquerade
///     ip daddr 10.105.0.2 ct status dnat ip saddr 10.105.0.0/24 masquerade
///
/// The container would send a reply to 127.0.0.1 to itself, and a reply to another container
/// directly across the bridge, from an address that the other container has not connected to. With
/// a masqueraded source both replies go to the host. Connections to the container's own address
/// have no dnat status and keep their source.
pub fn reply_through_host(table: &str, address: Ipv4Addr) -> Vec<Message> {
    let octets = address.octets();
    let from = |source: &[u8]| {
        let parts = [nft::ip_daddr(&octets), nft::ct_status_dnat(), nft::ip_saddr(source), nft::masquerade()];
        nft::rule(table, "postrouting", &parts)
    };
    vec![from(&[127]), from(&octets[..3])]
}
