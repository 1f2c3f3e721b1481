/// The rule that protects services on the host's 127.0.0.1, in the chain `raw`:
///
///     iifname "boxes" ip daddr 127.0.0.0/8 drop
///
/// route_localnet makes the host accept packets to 127.0.0.1 from the bridge. Without this rule a
/// container could send such packets itself.
pub fn guard_loopback(table: &str) -> Vec<Message> {
    vec![nft::rule(table, "raw", &[nft::iifname(BRIDGE), nft::ip_daddr(&[127]), nft::drop_packet()])]
}
