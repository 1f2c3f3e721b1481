/// `dnat to ADDRESS:PORT`: changes the destination. The rule decides for the first packet of a
/// connection. Connection tracking makes the same change to the other packets, and the reverse
/// change to the replies.
pub fn dnat_to(address: Ipv4Addr, port: u16) -> Vec<Expression> {
    let put = |register, value| ("immediate", vec![(1, Number(register)), (2, Bytes(value))]);
    let change = vec![(1, Number(1)), (2, Number(libc::AF_INET)), (3, Number(1)), (5, Number(2))];
    vec![put(1, address.octets().into()), put(2, port.to_be_bytes().into()), ("nat", change)]
}
