/// The rule for incoming connections to a published port:
///
///     fib daddr type local tcp dport 8080 dnat to 10.105.0.2:8000
///
/// Two chains have it: `prerouting` for packets that come in through a link, and `output` for
/// packets of the host's own programs. Without `fib daddr type local` the rule would redirect the
/// container's own connections to port 8080 of any server.
pub fn dnat(table: &str, address: Ipv4Addr, (outer, inner): Port) -> Vec<Message> {
    let parts = [nft::fib_daddr_type_local(), nft::tcp_dport(outer), nft::dnat_to(address, inner)];
    vec![nft::rule(table, "prerouting", &parts), nft::rule(table, "output", &parts)]
}
