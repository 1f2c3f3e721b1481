//! TCP with TLS, for clients with a certificate that the server's authority has signed.
//!
//! The worker always reads and writes a unix socket. For a connection by TCP that is one end of a pair, and a child holds the
//! other end and the connection: it does TLS, and copies. It ends with either of them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hull_sys::process::{Fork, exit_now, fork};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use super::error::{Error, Result};

/// How long a client may take to show its certificate.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// After so long without a byte the kernel asks whether the client is still there (tcp(7), `TCP_KEEPIDLE`).
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How much is copied at once.
const PIECE: usize = 32 * 1024;

/// A server's certificate, and the authority of its clients.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Reads PEM files.
    pub fn new(authority: &Path, certificate: &Path, key: &Path) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        for authority_certificate in certificates(authority)? {
            roots.add(authority_certificate).map_err(invalid(authority))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let own_key = PrivateKeyDer::from_pem_file(key).map_err(invalid(key))?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(invalid(certificate))?
            .with_client_cert_verifier(verifier.map_err(invalid(authority))?)
            .with_single_cert(certificates(certificate)?, own_key)
            .map_err(invalid(certificate))?;
        Ok(Self(Arc::new(config)))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let items = CertificateDer::pem_file_iter(path).map_err(invalid(path))?;
    let found = items.collect::<std::result::Result<Vec<_>, _>>().map_err(invalid(path))?;
    if found.is_empty() {
        return Err(invalid(path)("it contains no certificate"));
    }
    Ok(found)
}

fn invalid<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> Error {
    move |error| Error::Certificate { path: path.to_owned(), why: error.to_string() }
}

/// Makes a listening socket.
pub(super) fn listen(address: SocketAddr) -> Result<OwnedFd> {
    let failed = |source| Error::Io { step: format!("listen on tcp://{address}"), source };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener.into())
}

/// Forks the child that does TLS on a connection. Returns the socket with what the client sends.
pub(super) fn unwrap(tls: &Tls, connection: OwnedFd) -> io::Result<OwnedFd> {
    let (inside, outside) = UnixStream::pair()?;
    match fork()? {
        Fork::Parent { .. } => Ok(inside.into()),
        Fork::Child => {
            drop(inside);
            let done = ServerConnection::new(tls.0.clone()).map_err(io::Error::other).and_then(|session| {
                let client = TcpStream::from(connection);
                prepare(&client)?;
                outside.set_nonblocking(true)?;
                Pump {
                    session,
                    client,
                    worker: outside,
                    to_worker: Vec::new(),
                    worker_is_done: false,
                    client_is_done: false,
                }
                .run()
            });
            exit_now(i32::from(done.is_err()))
        }
    }
}

fn prepare(client: &TcpStream) -> io::Result<()> {
    client.set_nonblocking(true)?;
    client.set_nodelay(true)?;
    sockopt::set_socket_keepalive(client, true)?;
    sockopt::set_tcp_keepidle(client, KEEPALIVE)?;
    Ok(())
}

/// Copies in both directions. Each side's end of what it sends is passed on by itself.
struct Pump {
    session: ServerConnection,
    client: TcpStream,
    worker: UnixStream,
    /// Decrypted bytes that the worker has not taken.
    to_worker: Vec<u8>,
    /// The worker sends nothing any more, and the client was told.
    worker_is_done: bool,
    /// The same for the client.
    client_is_done: bool,
}

impl Pump {
    fn run(mut self) -> io::Result<()> {
        let handshake_end = Instant::now() + HANDSHAKE;
        loop {
            let is_open = !self.session.is_handshaking();
            let timeout = match is_open {
                true => None,
                false if Instant::now() >= handshake_end => return Err(ErrorKind::TimedOut.into()),
                false => handshake_end.saturating_duration_since(Instant::now()).try_into().ok(),
            };
            let [client, worker] = self.awaited(is_open);
            let mut fds = [PollFd::new(&self.client, client), PollFd::new(&self.worker, worker)];
            // A socket that its worker has closed would be reported again and again.
            let watched = if self.worker_is_done && self.session.wants_write() { 1 } else { 2 };
            match poll(&mut fds[..watched], timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let [client, worker] = fds.map(|fd| fd.revents());
            if self.client_is_done && client.intersects(PollFlags::HUP | PollFlags::ERR) {
                return Err(ErrorKind::ConnectionReset.into());
            }
            if client.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                self.read_client()?;
            }
            if worker.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) && is_open {
                self.read_worker()?;
            }
            // The worker has closed its socket, and the client has all that it sent.
            if worker.contains(PollFlags::HUP) && self.worker_is_done && !self.session.wants_write() {
                return Ok(());
            }
            self.write_worker()?;
            while self.session.wants_write() {
                match self.session.write_tls(&mut self.client) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    written => drop(written?),
                }
            }
        }
    }

    /// A side is read when the other side has taken what came before.
    fn awaited(&self, is_open: bool) -> [PollFlags; 2] {
        let flags = |is_read, is_written| {
            let read = if is_read { PollFlags::IN } else { PollFlags::empty() };
            read | if is_written { PollFlags::OUT } else { PollFlags::empty() }
        };
        let writes = self.session.wants_write();
        [
            flags(!self.client_is_done && self.to_worker.is_empty(), writes),
            flags(is_open && !self.worker_is_done && !writes, !self.to_worker.is_empty()),
        ]
    }

    fn read_client(&mut self) -> io::Result<()> {
        if self.client_is_done || !self.to_worker.is_empty() {
            return Ok(());
        }
        let length = match self.session.read_tls(&mut self.client) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            length => length?,
        };
        let state = match self.session.process_new_packets() {
            Ok(state) => state,
            Err(error) => {
                // The client is told what is wrong with its certificate.
                let _ = self.session.write_tls(&mut self.client);
                return Err(io::Error::other(error));
            }
        };
        let mut plain = vec![0; state.plaintext_bytes_to_read()];
        self.session.reader().read_exact(&mut plain)?;
        self.to_worker = plain;
        self.client_is_done = length == 0 || state.peer_has_closed();
        Ok(())
    }

    fn write_worker(&mut self) -> io::Result<()> {
        while !self.to_worker.is_empty() {
            match rustix::net::send(&self.worker, &self.to_worker, rustix::net::SendFlags::NOSIGNAL) {
                Ok(length) => drop(self.to_worker.drain(..length)),
                Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
        if self.client_is_done {
            // Repeated, it changes nothing.
            let _ = self.worker.shutdown(std::net::Shutdown::Write);
        }
        Ok(())
    }

    fn read_worker(&mut self) -> io::Result<()> {
        if self.worker_is_done || self.session.wants_write() {
            return Ok(());
        }
        let mut bytes = vec![0; PIECE];
        match self.worker.read(&mut bytes) {
            Ok(0) => {
                self.session.send_close_notify();
                self.worker_is_done = true;
            }
            Ok(length) => self.session.writer().write_all(&bytes[..length])?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
