/// `ip saddr PREFIX`: the packet comes from this address. One byte stands for a /8, such as
/// 127.0.0.0/8; four bytes are a single address. The IPv4 header has the source address at offset
/// 12.
pub fn ip_saddr(prefix: &[u8]) -> Vec<Expression> {
    vec![load(1, 12, prefix.len()), compare(EQUAL, prefix.to_vec())]
}
