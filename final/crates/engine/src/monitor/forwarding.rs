//! The process of a proxy: it listens on one side, connects on the other, and copies.
//!
//! The sides are the namespaces of the host and of the container. The process listens in one side, and then enters the
//! other and stays there. A socket stays in the network namespace in which it was made. Paths of the container are
//! resolved in its mount namespace, so its symlinks cannot lead to the host's files.

use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hull_sys::process;
use nix::libc;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::error::{Error, IoContext, Result};
use crate::records::plugged::{Address, Proxy};
use crate::records::record::Record;
use crate::records::userns::IdMaps;

/// The highest number of connections that are copied at once. Others wait in the queue of their socket.
const MOST: usize = 1024;
/// The highest number of clients that are remembered for each UDP socket.
const MOST_CLIENTS: usize = 512;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a UDP client is remembered after the last answer to it.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(120);
/// The pause before the next attempt to accept a connection, after one that failed or while there are too many.
const FULL: Duration = Duration::from_millis(50);

static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
    Udp(UdpSocket),
}

/// The listening sockets, each with the address to which its connections are copied.
pub(super) struct Forwarding(Vec<(Listener, Address)>);

impl Forwarding {
    /// Listens on the one side, and enters the other.
    pub(super) fn open(record: &Record, proxy: &Proxy, pid: i32) -> Result<Self> {
        let host = Side::open("self")?;
        let inside = Side::open(&pid.to_string())?;
        let (listening, connecting) = if proxy.listens_inside { (&inside, &host) } else { (&host, &inside) };
        // The ids for files that are made inside. They are found out here, while /proc is still the host's.
        let ids = record.mapped_ids().filter(|_| proxy.listens_inside);
        listening.enter()?;
        let mut listeners = Vec::new();
        for (index, address) in proxy.listen.iter().enumerate() {
            let target = proxy.connect.get(index).or(proxy.connect.first());
            let target = target.ok_or_else(|| Error::Unsupported("a proxy without a target".into()))?;
            listeners.push((listen(ids, proxy, address)?, target.clone()));
        }
        connecting.enter()?;
        Ok(Self(listeners))
    }

    /// Copies until the process is killed.
    pub(super) fn serve(self) {
        std::thread::scope(|scope| {
            for (listener, target) in &self.0 {
                scope.spawn(move || match listener {
                    Listener::Tcp(socket) => {
                        accept(|| socket.accept().map(|(client, _)| OwnedFd::from(client)), target);
                    }
                    Listener::Unix(socket) => {
                        accept(|| socket.accept().map(|(client, _)| OwnedFd::from(client)), target);
                    }
                    Listener::Udp(socket) => forward_packets(socket, target),
                });
            }
        });
    }
}

/// The namespaces of one side.
struct Side {
    network: File,
    mounts: File,
}

impl Side {
    fn open(process: &str) -> Result<Self> {
        let open = |name: &str| {
            let path = format!("/proc/{process}/ns/{name}");
            File::open(&path).context(|| format!("open {path}"))
        };
        Ok(Self { network: open("net")?, mounts: open("mnt")? })
    }

    fn enter(&self) -> Result<()> {
        process::setns(self.network.as_fd(), libc::CLONE_NEWNET)
            .and_then(|()| process::setns(self.mounts.as_fd(), libc::CLONE_NEWNS))
            .context(|| "enter the namespaces of a proxy's side".into())
    }
}

fn listen(ids: Option<&IdMaps>, proxy: &Proxy, address: &Address) -> Result<Listener> {
    let context = || format!("listen at {} for device {}", shown(address), proxy.device);
    Ok(match address {
        Address::Tcp(ip, port) => {
            Listener::Tcp(TcpListener::bind(SocketAddr::new(*ip, *port)).context(context)?)
        }
        Address::Udp(ip, port) => {
            Listener::Udp(UdpSocket::bind(SocketAddr::new(*ip, *port)).context(context)?)
        }
        Address::Abstract(name) => {
            let address = UnixAddress::from_abstract_name(name).context(context)?;
            Listener::Unix(UnixListener::bind_addr(&address).context(context)?)
        }
        Address::Unix(path) => {
            let make = || listen_at(path, proxy, ids);
            let made = match ids {
                Some(maps) => {
                    let (uid, gid) = maps.root();
                    hull_sys::fs_ids::with(uid, gid, make).context(context)?
                }
                None => make(),
            };
            Listener::Unix(made.context(context)?)
        }
    })
}

fn listen_at(path: &Path, proxy: &Proxy, ids: Option<&IdMaps>) -> std::io::Result<UnixListener> {
    remove_stale(path);
    let listener = UnixListener::bind(path)?;
    if let Some(mode) = proxy.mode {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode))?;
    }
    if let Some((uid, gid)) = proxy.owner {
        let (uid, gid) = match ids {
            Some(maps) => maps.outside_or_nobody(uid, gid),
            None => (uid, gid),
        };
        std::os::unix::fs::lchown(path, Some(uid), Some(gid))?;
    }
    Ok(listener)
}

/// Removes the socket file of an earlier run, on which nobody listens any more.
fn remove_stale(path: &Path) {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && refuses(path) {
        // If it cannot be removed, the bind that follows says so.
        let _ = std::fs::remove_file(path);
    }
}

/// Whether nobody listens at a socket's path. Does not wait for a listener whose queue is full.
fn refuses(path: &Path) -> bool {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    let connect = |socket| rustix::net::connect(&socket, &SocketAddrUnix::new(path)?);
    socket.and_then(connect) == Err(Errno::CONNREFUSED)
}

/// Removes the socket files on the host after their process has ended. Those in the container stay until the next run
/// of the proxy replaces them.
pub(super) fn remove_socket_files(proxy: &Proxy) {
    let paths = proxy.listen.iter().filter_map(|address| match address {
        Address::Unix(path) if !proxy.listens_inside => Some(path),
        _ => None,
    });
    paths.for_each(|path| remove_stale(path));
}

fn accept(accept: impl Fn() -> std::io::Result<OwnedFd>, target: &Address) {
    loop {
        if CONNECTIONS.load(Ordering::Relaxed) >= MOST {
            std::thread::sleep(FULL);
            continue;
        }
        // The process may have no descriptor left, or the client may be gone. Neither is a reason to stop listening.
        let Ok(client) = accept() else {
            std::thread::sleep(FULL);
            continue;
        };
        CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        let target = target.clone();
        let copied = std::thread::Builder::new().spawn(move || {
            // If the target cannot be reached, the client's connection is closed.
            if let Ok(server) = connect(&target) {
                copy_both_ways(Stream(client), Stream(server));
            }
            CONNECTIONS.fetch_sub(1, Ordering::Relaxed);
        });
        if copied.is_err() {
            CONNECTIONS.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn connect(target: &Address) -> std::io::Result<OwnedFd> {
    Ok(match target {
        Address::Tcp(ip, port) => {
            TcpStream::connect_timeout(&SocketAddr::new(*ip, *port), CONNECT_TIMEOUT)?.into()
        }
        Address::Unix(path) => UnixStream::connect(path)?.into(),
        Address::Abstract(name) => UnixStream::connect_addr(&UnixAddress::from_abstract_name(name)?)?.into(),
        Address::Udp(..) => return Err(ErrorKind::Unsupported.into()),
    })
}

/// A TCP or unix connection. Both are read and written in the same way.
struct Stream(OwnedFd);

impl Stream {
    fn shut_down(&self, how: Shutdown) {
        let how = match how {
            Shutdown::Read => rustix::net::Shutdown::Read,
            Shutdown::Write => rustix::net::Shutdown::Write,
            Shutdown::Both => rustix::net::Shutdown::Both,
        };
        // The other end may be gone already.
        let _ = rustix::net::shutdown(&self.0, how);
    }
}

fn copy_both_ways(one: Stream, other: Stream) {
    let copy = |from: &Stream, to: &Stream| {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match rustix::io::read(&from.0, &mut buffer) {
                // A peer that has finished sending may still receive.
                Ok(0) => return to.shut_down(Shutdown::Write),
                Ok(length) => {
                    if write_all(&to.0, &buffer[..length]).is_err() {
                        return from.shut_down(Shutdown::Read);
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => {
                    from.shut_down(Shutdown::Both);
                    return to.shut_down(Shutdown::Both);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| copy(&one, &other));
        copy(&other, &one);
    });
}

fn write_all(to: &OwnedFd, mut data: &[u8]) -> rustix::io::Result<()> {
    while !data.is_empty() {
        // NOSIGNAL: a closed connection is an error of this call. SIGPIPE would end the whole process.
        match rustix::net::send(to, data, rustix::net::SendFlags::NOSIGNAL) {
            Ok(written) => data = &data[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Sends the packets of each client to the target from a socket for this client, and the answers back to the client.
fn forward_packets(socket: &UdpSocket, target: &Address) {
    let Address::Udp(ip, port) = target else { return };
    let target = SocketAddr::new(*ip, *port);
    let clients: Mutex<HashMap<SocketAddr, UdpSocket>> = Mutex::default();
    let clients = &clients;
    let mut buffer = vec![0; 64 << 10];
    std::thread::scope(|scope| {
        loop {
            let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
            let Ok(mut known) = clients.lock() else { return };
            if let Some(server) = known.get(&client) {
                // An error is ignored, as UDP may lose packets.
                let _ = server.send(&buffer[..length]);
                continue;
            }
            if known.len() >= MOST_CLIENTS {
                continue;
            }
            let Ok((server, answers)) = open_client(target) else { continue };
            let _ = server.send(&buffer[..length]);
            known.insert(client, server);
            drop(known);
            scope.spawn(move || {
                let mut buffer = vec![0; 64 << 10];
                loop {
                    match answers.recv(&mut buffer) {
                        Ok(length) => drop(socket.send_to(&buffer[..length], client)),
                        // Nothing listened at the target when the packet arrived. Something may listen later.
                        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                        Err(_) => break,
                    }
                }
                if let Ok(mut known) = clients.lock() {
                    known.remove(&client);
                }
            });
        }
    });
}

fn open_client(target: SocketAddr) -> std::io::Result<(UdpSocket, UdpSocket)> {
    let any: SocketAddr = if target.is_ipv6() { ([0_u16; 8], 0).into() } else { ([0, 0, 0, 0], 0).into() };
    let server = UdpSocket::bind(any)?;
    server.connect(target)?;
    server.set_read_timeout(Some(CLIENT_TIMEOUT))?;
    let answers = server.try_clone()?;
    Ok((server, answers))
}

fn shown(address: &Address) -> String {
    match address {
        Address::Tcp(ip, port) => format!("tcp:{}", SocketAddr::new(*ip, *port)),
        Address::Udp(ip, port) => format!("udp:{}", SocketAddr::new(*ip, *port)),
        Address::Unix(path) => format!("unix:{}", path.display()),
        Address::Abstract(name) => format!("unix:@{name}"),
    }
}
