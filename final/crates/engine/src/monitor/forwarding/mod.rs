//! The process of a proxy: it listens on one side, connects on the other, and copies.
//!
//! The sides are the namespaces of the host and of the container. The process listens in one side, and then enters the
//! other and stays there. A socket stays in the network namespace in which it was made. Paths of the container are
//! resolved in its mount namespace, so its symlinks cannot lead to the host's files.
//!
//! One thread waits for all listening sockets and all UDP clients. Each connection has two more ([`streams`]), and each
//! UDP client only a socket ([`packets`]).

mod packets;
mod streams;

use std::fs::File;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};
use std::path::Path;
use std::time::{Duration, Instant};

use hull_sys::process;
use nix::libc;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use self::packets::Clients;
use crate::error::{Error, IoContext, Result};
use crate::records::plugged::{Address, Proxy};
use crate::records::record::Record;
use crate::records::userns::IdMaps;

/// The pause before the next attempt to accept a connection, after one that failed or while there are too many.
const FULL: Duration = Duration::from_millis(50);

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
            let listener = listen(ids, proxy, address)?;
            listener.set_nonblocking().context(|| format!("listen at {}", shown(address)))?;
            listeners.push((listener, target.clone()));
        }
        connecting.enter()?;
        Ok(Self(listeners))
    }

    /// Copies until the process is killed. Nothing that runs out on this machine ends it.
    pub(super) fn serve(self) {
        let Self(listeners) = self;
        let mut clients = Clients::default();
        let mut paused_until: Option<Instant> = None;
        loop {
            paused_until = paused_until.filter(|end| Instant::now() < *end);
            let accepts = paused_until.is_none();
            let ready = await_ready(&listeners, &clients, accepts);
            clients.send_answers(&listeners, &ready.clients);
            for index in ready.listeners {
                let (listener, target) = &listeners[index];
                match (listener, target) {
                    (Listener::Udp(socket), Address::Udp(ip, port)) => {
                        clients.forward(index, socket, SocketAddr::new(*ip, *port));
                    }
                    (listener, target) => {
                        if !streams::accept(listener, target) {
                            paused_until = Some(Instant::now() + FULL);
                        }
                    }
                }
            }
            clients.forget_idle();
        }
    }
}

/// What can be read: the indexes of listeners, and the clients of UDP listeners.
#[derive(Default)]
struct Ready {
    listeners: Vec<usize>,
    clients: Vec<packets::Client>,
}

fn await_ready(listeners: &[(Listener, Address)], clients: &Clients, accepts: bool) -> Ready {
    let is_polled = |listener: &Listener| accepts || matches!(listener, Listener::Udp(_));
    let polled: Vec<usize> = (0..listeners.len()).filter(|index| is_polled(&listeners[*index].0)).collect();
    let sockets: Vec<_> = clients.sockets().collect();
    let of_listeners =
        polled.iter().map(|index| PollFd::from_borrowed_fd(listeners[*index].0.as_fd(), PollFlags::IN));
    let of_clients = sockets.iter().map(|(_, socket)| PollFd::from_borrowed_fd(*socket, PollFlags::IN));
    let mut fds: Vec<PollFd<'_>> = of_listeners.chain(of_clients).collect();
    let timeout = match (accepts, sockets.is_empty()) {
        (false, _) => Some(FULL),
        (true, false) => Some(packets::CLIENT_TIMEOUT),
        (true, true) => None,
    };
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    if rustix::event::poll(&mut fds, timeout.as_ref()).is_err() {
        // A signal, or no memory for the call.
        std::thread::sleep(Duration::from_millis(1));
        return Ready::default();
    }
    let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
    let (first, rest) = fds.split_at(polled.len());
    let ready = polled.iter().zip(first).filter(|(_, fd)| is_ready(fd)).map(|(index, _)| *index);
    let clients = sockets.iter().zip(rest).filter(|(_, fd)| is_ready(fd)).map(|((client, _), _)| *client);
    Ready { listeners: ready.collect(), clients: clients.collect() }
}

impl Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
        }
    }

    /// Reading from a listener never waits: another one may have something to read.
    fn set_nonblocking(&self) -> std::io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.set_nonblocking(true),
            Self::Unix(socket) => socket.set_nonblocking(true),
            Self::Udp(socket) => socket.set_nonblocking(true),
        }
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

fn shown(address: &Address) -> String {
    match address {
        Address::Tcp(ip, port) => format!("tcp:{}", SocketAddr::new(*ip, *port)),
        Address::Udp(ip, port) => format!("udp:{}", SocketAddr::new(*ip, *port)),
        Address::Unix(path) => format!("unix:{}", path.display()),
        Address::Abstract(name) => format!("unix:@{name}"),
    }
}
