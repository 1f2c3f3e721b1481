//! The sockets at 127.0.0.11, and queries that are forwarded to the host's servers.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::ADDRESS;
use super::directory::Directory;
use super::message::{self, Question};
use super::stream::Stream;
use crate::error::{IoContext, Result};

/// How long to wait for a server before the next one is queried, and how many times all of them are.
const TIMEOUT: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;
/// The number of queries that wait for a server. A new one replaces the oldest.
const MAX_PENDING: usize = 128;
/// The number of TCP connections at a time.
const MAX_STREAMS: usize = 32;
/// The number of datagrams that are answered before the monitor's other work continues.
const DATAGRAMS_PER_TURN: usize = 64;
/// The longest UDP datagram.
const MAX_DATAGRAM: usize = 65535;

/// A container's resolver.
#[derive(Debug)]
pub struct Resolver {
    udp: UdpSocket,
    tcp: TcpListener,
    directory: Directory,
    servers: Vec<SocketAddr>,
    pending: Vec<Pending>,
    streams: Vec<Stream>,
    buffer: Vec<u8>,
}

/// A query that has been forwarded.
#[derive(Debug)]
struct Pending {
    /// Each query has a socket of its own, so that a forged answer has to guess its port as well as its message id.
    socket: UdpSocket,
    id: u16,
    question: Question,
    bytes: Vec<u8>,
    client: SocketAddr,
    tries: usize,
    deadline: Instant,
}

impl Resolver {
    /// Opens the sockets in the calling thread's network namespace, whose `lo` has to be up. `servers` are queried from the
    /// network namespace in which [`Self::serve`] is called. Without any, only the directory's names are known.
    pub fn open(directory: Directory, servers: Vec<SocketAddr>) -> Result<Self> {
        let context = || format!("listen at {ADDRESS}");
        let udp = UdpSocket::bind((ADDRESS, 0)).context(context)?;
        let tcp = TcpListener::bind((ADDRESS, 0)).context(context)?;
        udp.set_nonblocking(true).and_then(|()| tcp.set_nonblocking(true)).context(context)?;
        let (pending, streams) = (Vec::new(), Vec::new());
        Ok(Self { udp, tcp, directory, servers, pending, streams, buffer: Vec::new() })
    }

    /// The ports of the sockets: UDP's and TCP's.
    pub fn ports(&self) -> Result<(u16, u16)> {
        let context = || "ask for a socket's port".into();
        Ok((self.udp.local_addr().context(context)?.port(), self.tcp.local_addr().context(context)?.port()))
    }

    /// Replaces the networks and the servers, when the container is connected or disconnected.
    pub fn set_networks(&mut self, directory: Directory, servers: Vec<SocketAddr>) {
        self.directory = directory;
        self.servers = servers;
    }

    /// The descriptors to poll.
    pub fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        // A listener whose connections are not accepted would be reported as ready again and again.
        let tcp = (self.streams.len() < MAX_STREAMS).then_some((self.tcp.as_fd(), PollFlags::IN));
        let own = std::iter::once((self.udp.as_fd(), PollFlags::IN)).chain(tcp);
        let pending = self.pending.iter().map(|pending| (pending.socket.as_fd(), PollFlags::IN));
        own.chain(pending).chain(self.streams.iter().flat_map(Stream::descriptors))
    }

    /// When [`Self::serve`] is due even if no descriptor is ready.
    pub fn timeout(&self) -> Option<Duration> {
        let pending = self.pending.iter().map(|pending| pending.deadline);
        let next = pending.chain(self.streams.iter().map(Stream::deadline)).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Does all that can be done without blocking.
    pub fn serve(&mut self) {
        self.buffer.resize(MAX_DATAGRAM, 0);
        for _ in 0..DATAGRAMS_PER_TURN {
            let Ok((length, client)) = self.udp.recv_from(&mut self.buffer) else { break };
            let bytes = self.buffer[..length].to_vec();
            self.datagram(bytes, client);
        }
        self.collect();
        while self.streams.len() < MAX_STREAMS
            && let Ok((client, _)) = self.tcp.accept()
        {
            self.streams.extend(Stream::new(client));
        }
        let Self { streams, directory, servers, .. } = self;
        streams.retain_mut(|stream| stream.serve(directory, servers));
        // The monitor stays small while there is no query.
        if self.pending.is_empty() && self.streams.is_empty() {
            self.buffer = Vec::new();
        }
    }

    fn datagram(&mut self, bytes: Vec<u8>, client: SocketAddr) {
        let question = match message::read(&bytes) {
            Ok(question) => question,
            Err(answer) => return self.send(answer.as_deref(), client),
        };
        if let Some((code, records)) = self.directory.answer(&question) {
            return self.send(Some(&question.answer(code, &records, question.limit)), client);
        }
        if self.pending.len() >= MAX_PENDING {
            self.pending.remove(0);
        }
        match Pending::new(question.clone(), bytes, client, &self.servers) {
            Some(pending) => self.pending.push(pending),
            None => self.send(Some(&question.failure()), client),
        }
    }

    /// Reads servers' answers, and queries the next server for those that have failed or timed out.
    fn collect(&mut self) {
        let (mut answers, now) = (Vec::new(), Instant::now());
        let Self { pending, buffer, servers, .. } = self;
        pending.retain_mut(|pending| {
            let mut failed = now >= pending.deadline;
            while let Ok(length) = pending.socket.recv(buffer).map_err(|error| {
                // No server listens there.
                failed |= error.kind() == io::ErrorKind::ConnectionRefused;
            }) {
                let answer = &buffer[..length];
                if !pending.question.is_answered_by(answer, pending.id) {
                    continue;
                }
                if !message::has_failed(answer) || pending.is_last(servers) {
                    let limit = pending.question.limit;
                    answers.push((pending.question.forward(answer.to_vec(), limit), pending.client));
                    return false;
                }
                failed = true;
                break;
            }
            if !failed || pending.query_next(servers) {
                return true;
            }
            answers.push((pending.question.failure(), pending.client));
            false
        });
        answers.iter().for_each(|(answer, client)| self.send(Some(answer), *client));
    }

    /// Sends an answer. If the socket's buffer is full the answer is dropped, and the client repeats its query.
    fn send(&self, answer: Option<&[u8]>, client: SocketAddr) {
        let _ = answer.map(|answer| self.udp.send_to(answer, client));
    }
}

impl Pending {
    fn new(question: Question, bytes: Vec<u8>, client: SocketAddr, servers: &[SocketAddr]) -> Option<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        let mut pending = Self { socket, id: 0, question, bytes, client, tries: 0, deadline: Instant::now() };
        pending.query_next(servers).then_some(pending)
    }

    fn is_last(&self, servers: &[SocketAddr]) -> bool {
        self.tries >= servers.len() * ROUNDS
    }

    /// Queries the next server. False if all have been queried.
    fn query_next(&mut self, servers: &[SocketAddr]) -> bool {
        while !self.is_last(servers) {
            let server = servers[self.tries % servers.len()];
            self.tries += 1;
            if self.query(server).is_ok() {
                self.deadline = Instant::now() + TIMEOUT;
                return true;
            }
        }
        false
    }

    fn query(&mut self, server: SocketAddr) -> io::Result<()> {
        let any = if server.is_ipv4() {
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
        } else {
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
        };
        self.socket = UdpSocket::bind(any)?;
        self.socket.set_nonblocking(true)?;
        self.socket.connect(server)?;
        self.id = random_id()?;
        self.bytes[..2].copy_from_slice(&self.id.to_be_bytes());
        self.socket.send(&self.bytes).map(drop)
    }
}

pub(super) fn random_id() -> io::Result<u16> {
    let mut bytes = [0; 2];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(u16::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use hull_storage::process_id::ProcessId;

    use super::super::message::tests::{addresses, ask};
    use super::super::message::{A, Code};
    use super::*;
    use crate::leases::{Holder, Leases};
    use crate::pool::Pool;
    use crate::testing::in_own_namespace;

    /// Serves as a monitor's loop does, for as long as `until` is not done.
    fn serve_until<T: Send>(resolver: &mut Resolver, until: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let asking = scope.spawn(until);
            while !asking.is_finished() {
                let mut fds: Vec<_> = resolver
                    .descriptors()
                    .map(|(fd, flags)| rustix::event::PollFd::from_borrowed_fd(fd, flags))
                    .collect();
                let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
                rustix::event::poll(&mut fds, Some(&wait)).unwrap();
                drop(fds);
                resolver.serve();
            }
            asking.join().unwrap()
        })
    }

    fn over_udp(namespace: &std::os::fd::OwnedFd, to: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
        crate::testing::inside(namespace, || {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.set_read_timeout(Some(Duration::from_secs(10)))?;
            socket.send_to(question, to)?;
            let mut answer = vec![0; 4096];
            let length = socket.recv(&mut answer)?;
            answer.truncate(length);
            Ok(answer)
        })
    }

    fn over_tcp(namespace: &std::os::fd::OwnedFd, to: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
        crate::testing::inside(namespace, || {
            let mut stream = TcpStream::connect(to)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(&(question.len() as u16).to_be_bytes())?;
            stream.write_all(question)?;
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut answer)?;
            Ok(answer)
        })
    }

    struct Fixture {
        _dir: tempfile::TempDir,
        resolver: Resolver,
        here: std::os::fd::OwnedFd,
    }

    fn fixture(servers: Vec<SocketAddr>) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let pool = Pool::new("10.0.0.0/24".parse().unwrap(), None, None).unwrap();
        let leases = Leases::open(dir.path(), "net").unwrap();
        let process = ProcessId::of_self().unwrap();
        let holder = Holder { container: "c".repeat(64), names: vec!["db".into()], process };
        leases.allocate(&pool, &holder).unwrap();
        let mut directory = Directory::default();
        directory.add("net", &[pool], leases);
        let resolver = Resolver::open(directory, servers).unwrap();
        Fixture { _dir: dir, resolver, here: crate::namespace::current().unwrap() }
    }

    /// A server on the host. It knows one name, and ignores the limit for answers over UDP.
    fn outside() -> (SocketAddr, Vec<std::thread::JoinHandle<()>>) {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        let tcp = TcpListener::bind(address).unwrap();
        let answer = |bytes: &[u8], limit| {
            let question = message::read(bytes).unwrap();
            let many = vec![message::Record::Address([192, 0, 2, 1].into()); 60];
            match question.name.as_str() {
                "outside.example" => question.answer(Code::Success, &many[..1], limit),
                "many.example" => question.answer(Code::Success, &many, limit),
                _ => question.answer(Code::NoSuchName, &[], limit),
            }
        };
        let udp = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = udp.recv_from(&mut buffer) {
                if length == 1 {
                    return;
                }
                udp.send_to(&answer(&buffer[..length], 512), from).unwrap();
            }
        });
        let tcp = std::thread::spawn(move || {
            let (mut stream, _) = tcp.accept().unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut bytes).unwrap();
            let answer = answer(&bytes, 60_000);
            stream.write_all(&(answer.len() as u16).to_be_bytes()).unwrap();
            stream.write_all(&answer).unwrap();
        });
        (address, vec![udp, tcp])
    }

    #[test]
    fn names_here_and_outside_are_answered_over_udp_and_tcp() {
        in_own_namespace("names_here_and_outside_are_answered_over_udp_and_tcp", || {
            let (server, threads) = outside();
            let nobody: SocketAddr = "127.0.0.1:9".parse().unwrap();
            // The first server does not exist, so the next one is queried.
            let Fixture { _dir, mut resolver, here } = fixture(vec![nobody, server]);
            let (udp, tcp) = resolver.ports().unwrap();
            let mut filter = crate::netlink::Socket::open(crate::netlink::Protocol::Netfilter).unwrap();
            crate::nftables::redirect_dns(&mut filter, udp, tcp).unwrap();
            let _port_53_is_free = UdpSocket::bind("0.0.0.0:53").unwrap();
            let [udp, tcp] = [udp, tcp].map(|port| SocketAddr::from((ADDRESS, port)));
            serve_until(&mut resolver, || {
                let own = (0, vec![[10, 0, 0, 2].into()]);
                assert_eq!(addresses(&over_udp(&here, udp, &ask("db", A)).unwrap()), own);
                assert_eq!(addresses(&over_tcp(&here, tcp, &ask("db.net", A)).unwrap()), own);
                let other = (0, vec![[192, 0, 2, 1].into()]);
                assert_eq!(addresses(&over_udp(&here, udp, &ask("outside.example", A)).unwrap()), other);
                assert_eq!(addresses(&over_udp(&here, udp, &ask("nobody.example", A)).unwrap()).0, 3);
                let cut = over_udp(&here, udp, &ask("many.example", A)).unwrap();
                assert_ne!(cut[2] & 2, 0, "truncated");
                let whole = over_tcp(&here, tcp, &ask("many.example", A)).unwrap();
                assert_eq!(addresses(&whole).1.len(), 60);
                // As programs do, which know only the address and port 53.
                let usual = SocketAddr::from((ADDRESS, super::super::PORT));
                assert_eq!(addresses(&over_udp(&here, usual, &ask("db", A)).unwrap()), own);
                assert_eq!(addresses(&over_tcp(&here, usual, &ask("db", A)).unwrap()), own);
                // A malformed question does not stop the resolver.
                crate::testing::inside(&here, || {
                    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                    for bytes in [&[][..], &[0; 5], &[0xff; 600]] {
                        socket.send_to(bytes, udp).unwrap();
                    }
                    let mut stream = TcpStream::connect(tcp).unwrap();
                    stream.write_all(&[0xff, 0xff, 1]).unwrap();
                });
                assert_eq!(addresses(&over_udp(&here, udp, &ask("db", A)).unwrap()), own);
            });
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&[0], server).unwrap();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }

    #[test]
    fn without_servers_a_name_from_outside_is_a_failure_at_once() {
        in_own_namespace("without_servers_a_name_from_outside_is_a_failure_at_once", || {
            let Fixture { _dir, mut resolver, here } = fixture(vec![]);
            let (udp, tcp) = resolver.ports().unwrap();
            serve_until(&mut resolver, || {
                let question = ask("outside.example", A);
                let udp = over_udp(&here, (ADDRESS, udp).into(), &question).unwrap();
                let tcp = over_tcp(&here, (ADDRESS, tcp).into(), &question).unwrap();
                assert_eq!((addresses(&udp).0, addresses(&tcp).0), (2, 2));
            });
        });
    }

    /// How many times poll(2) returns in half a second without any traffic.
    fn idle_turns(resolver: &mut Resolver) -> usize {
        let (until, mut turns) = (Instant::now() + Duration::from_millis(500), 0);
        while Instant::now() < until {
            let fds = resolver.descriptors();
            let mut fds: Vec<_> =
                fds.map(|(fd, flags)| rustix::event::PollFd::from_borrowed_fd(fd, flags)).collect();
            let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            turns += usize::from(rustix::event::poll(&mut fds, Some(&wait)).unwrap() > 0);
            drop(fds);
            resolver.serve();
        }
        turns
    }

    #[test]
    fn an_asker_who_does_not_read_fills_no_memory_and_keeps_nobody_busy() {
        in_own_namespace("an_asker_who_does_not_read_fills_no_memory_and_keeps_nobody_busy", || {
            let Fixture { _dir, mut resolver, here } = fixture(vec![]);
            let tcp = SocketAddr::from((ADDRESS, resolver.ports().unwrap().1));
            let _asker = serve_until(&mut resolver, || {
                crate::testing::inside(&here, || {
                    let mut stream = TcpStream::connect(tcp).unwrap();
                    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
                    let question = ask("db", A);
                    let mut message = (question.len() as u16).to_be_bytes().to_vec();
                    message.extend(&question);
                    let many = message.repeat(1000);
                    // Until the resolver reads no more.
                    (0..2000)
                        .find(|_| stream.write_all(&many).is_err())
                        .expect("it is not taken without end");
                    stream
                })
            });
            let unread: Vec<_> = resolver.streams.iter().map(Stream::unread).collect();
            assert!(unread.len() == 1 && unread[0] < 256 * 1024, "{unread:?}");
            idle_turns(&mut resolver);
            let turns = idle_turns(&mut resolver);
            assert!(turns < 100, "{turns}");
        });
    }

    #[test]
    fn connections_that_say_nothing_keep_nobody_busy() {
        in_own_namespace("connections_that_say_nothing_keep_nobody_busy", || {
            // A server that accepts queries and never answers.
            let silent = TcpListener::bind("127.0.0.1:0").unwrap();
            let Fixture { _dir, mut resolver, here } = fixture(vec![silent.local_addr().unwrap()]);
            let tcp = SocketAddr::from((ADDRESS, resolver.ports().unwrap().1));
            // One more connection than are served; the first one has sent its query and closed its sending side.
            let _askers: Vec<TcpStream> = crate::testing::inside(&here, || {
                (0..=MAX_STREAMS).map(|_| TcpStream::connect(tcp).unwrap()).collect()
            });
            let question = ask("outside.example", A);
            let mut first = &_askers[0];
            first.write_all(&(question.len() as u16).to_be_bytes()).unwrap();
            first.write_all(&question).unwrap();
            first.shutdown(std::net::Shutdown::Write).unwrap();
            idle_turns(&mut resolver);
            let turns = idle_turns(&mut resolver);
            assert!(turns < 100, "{turns}");
        });
    }
}
