/// What the kernel would not do: say that a program of the host has the port already, and would lose it to the rules.
/// A dnat comes before anybody looks which sockets there are. So we hold one of our own on the port, as docker
/// does with its proxy: then bind(2) is EADDRINUSE for the second to come, be it we or they.
fn reserve(port: u16) -> Result<TcpListener> {
    let bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    let taken = matches!(&bound, Err(error) if error.kind() == ErrorKind::AddrInUse);
    let bound = bound.map_err(Error::new);
    let bound = if taken { bound.context("hint: somebody has it: ss -ltnp shows who") } else { bound };
    bound.with_context(|| format!("port {port} of the host: bind(0.0.0.0:{port})"))
}
