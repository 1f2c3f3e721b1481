/// Gives a link an address:
///
///     ip address add 10.105.0.1/24 dev boxes
///
/// The kernel also adds a route: with /24, packets to the addresses 10.105.0.0 to 10.105.0.255
/// leave through this link, without a gateway.
pub fn add_address(kernel: &mut Socket, link: &str, address: Ipv4Addr) -> Result<()> {
    // ifaddrmsg: family, length of the prefix, flags, scope, index.
    let mut fixed = vec![libc::AF_INET as u8, PREFIX, 0, 0];
    fixed.extend(index(link)?.to_ne_bytes());
    let message = Message::new(libc::RTM_NEWADDR, CREATE, &fixed)
        .attr(libc::IFA_LOCAL, address.octets())
        .attr(libc::IFA_ADDRESS, address.octets());
    kernel.call(&format!("RTM_NEWADDR({link}, {address}/{PREFIX})"), vec![message]).map(drop)
}
