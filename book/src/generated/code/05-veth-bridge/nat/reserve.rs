/// Reserves a port of the host by listening on it.
///
/// A dnat rule changes a packet before the kernel looks for a listening socket. So a rule for port
/// 8080 would take the port away from a program that listens on it, and no program would get an
/// error. bind(2) fails with EADDRINUSE if another program has the port.
pub fn reserve(port: u16) -> Result<TcpListener> {
    let bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    let is_taken = matches!(&bound, Err(error) if error.kind() == ErrorKind::AddrInUse);
    let bound = bound.map_err(Error::new);
    let bound =
        if is_taken { bound.context("hint: `ss -ltnp` shows which program has the port") } else { bound };
    bound.with_context(|| format!("port {port} of the host: bind(0.0.0.0:{port})"))
}
