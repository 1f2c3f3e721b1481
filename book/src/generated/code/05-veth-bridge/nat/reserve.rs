/// Reserves a port of the host. A dnat rule comes before the lookup of sockets, so it would take
/// the port away from a program that listens on it. Holding a socket on the port, as docker does by
/// its proxy, makes bind(2) fail with EADDRINUSE for the second.
fn reserve(port: u16) -> Result<TcpListener> {
    let bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    let taken = matches!(&bound, Err(error) if error.kind() == ErrorKind::AddrInUse);
    let bound = bound.map_err(Error::new);
    let bound = if taken { bound.context("hint: somebody has it: ss -ltnp shows who") } else { bound };
    bound.with_context(|| format!("port {port} of the host: bind(0.0.0.0:{port})"))
}
