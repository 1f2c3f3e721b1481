//! A scenario with a LAN: the host's neighbour is one more network namespace at the other end of a veth pair. Servers and
//! clients are threads of the test, which enter the network namespace of their place.
#![allow(dead_code, reason = "each suite uses what it needs")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hull_test_support::outcome::{eventually_some, run};
use hull_test_support::{Outcome, Scenario, skip};
use nix::mount::{MntFlags, MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, SFlag, mknod};

pub const HOST: &str = "198.51.100.1";
pub const NEIGHBOUR: &str = "198.51.100.2";
/// The name that the query asks for.
pub const KNOWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const TUN: &str = "/dev/net/tun";

/// How long a test waits for a packet that must come, and for one that must not come.
const SURELY: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_millis(400);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
}
pub const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Udp];

/// A network namespace.
#[derive(Debug)]
pub struct Place(pub File);

pub struct Lan {
    pub t: Scenario,
    pub host: Place,
    pub neighbour: Place,
    servers: Mutex<Vec<Server>>,
    /// The file on which the namespace was bound.
    tun: Option<&'static str>,
}

/// Answers every client, over tcp and udp, with the client's address. Its sockets would keep a container's namespace alive,
/// so it ends when it is dropped.
struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Lan {
    /// `None`, with a message, where the machine does not allow it.
    pub fn start() -> Option<Self> {
        if skip::find_program("ip").is_none() {
            skip::skip("ip is not installed");
            return None;
        }
        Some(Self::around(Scenario::with_busybox()?, None))
    }

    /// The same for an unprivileged user, whose route to the outside ends at the neighbour.
    pub fn of_unprivileged_user() -> Option<Self> {
        if skip::find_program("ip").is_none() {
            skip::skip("ip is not installed");
            return None;
        }
        let t = Scenario::rootless()?;
        t.busybox();
        // On a machine with udev, every user may open it.
        let tun = t.path("tun");
        let device = nix::sys::stat::makedev(10, 200);
        mknod(&tun, SFlag::S_IFCHR, Mode::empty(), device).expect("root may");
        std::fs::set_permissions(&tun, PermissionsExt::from_mode(0o666)).expect("own file");
        mount(Some(&tun), TUN, None::<&str>, MsFlags::MS_BIND, None::<&str>).expect("root may");
        let lan = Self::around(t, Some(TUN));
        lan.host.sh(&format!("ip route add default via {NEIGHBOUR}"));
        Some(lan)
    }

    fn around(t: Scenario, tun: Option<&'static str>) -> Self {
        let lan = Self { t, host: Place::here(), neighbour: Place::new(), servers: Mutex::default(), tun };
        lan.host.sh("ip link set lo up");
        let netns = lan.neighbour.path();
        lan.host.sh(&format!("ip link add lan0 type veth peer name eth0 netns {netns}"));
        lan.host.sh(&format!("ip addr add {HOST}/24 dev lan0; ip link set lan0 up"));
        lan.neighbour.sh(&format!("ip addr add {NEIGHBOUR}/24 dev eth0; ip link set eth0 up"));
        lan
    }

    /// Starts a container that lives until it is stopped.
    #[track_caller]
    pub fn run(&self, name: &str, options: &[&str]) -> Place {
        let mut args = vec!["run", "-d", "--name", name];
        args.extend(options);
        args.extend(["busybox", "sleep", "300"]);
        self.t.ok(&args);
        self.place(name)
    }

    /// The same for a container that answers on port 80.
    #[track_caller]
    pub fn server(&self, name: &str, options: &[&str]) -> Place {
        let place = self.run(name, options);
        self.serve(&place, "0.0.0.0:80");
        place
    }

    /// A server in one of the places.
    #[track_caller]
    pub fn serve(&self, place: &Place, address: &str) {
        let server = Server::start(place, address.parse().expect("an address and a port"));
        self.servers.lock().expect("nobody panics with it").push(server);
    }

    /// A DNS server that answers every name with one address, [`KNOWN`].
    #[track_caller]
    pub fn serve_names(&self, place: &Place, ip: &str) {
        let server = Server::of_names(place, SocketAddr::new(ip.parse().expect("an address"), 53));
        self.servers.lock().expect("nobody panics with it").push(server);
    }

    /// Stops all servers.
    pub fn stop_serving(&self) {
        self.servers.lock().expect("nobody panics with it").clear();
    }

    /// Makes the network `wire`, whose containers are on the LAN by macvlan.
    #[track_caller]
    pub fn create_wire(&self) {
        let on_lan = ["network", "create", "-d", "macvlan", "--parent", "lan0"];
        let subnet = ["--subnet", "198.51.100.0/24", "--gateway", NEIGHBOUR, "wire"];
        self.t.ok(&[&on_lan[..], &subnet].concat());
    }

    #[track_caller]
    pub fn place(&self, name: &str) -> Place {
        Place(File::open(format!("/proc/{}/ns/net", self.t.pid_of(name))).expect("it runs"))
    }

    /// The container's IPv4 address, on its only network.
    #[track_caller]
    pub fn address(&self, name: &str) -> String {
        self.t.inspect(name, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")
    }

    #[track_caller]
    pub fn gateway(&self, name: &str) -> String {
        self.t.inspect(name, "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}")
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.stop_serving();
        // The scenario checks what is left.
        if let Some(tun) = self.tun {
            let _ = nix::mount::umount2(tun, MntFlags::MNT_DETACH);
        }
        let _ = Command::new("ip").args(["link", "delete", "lan0"]).output();
    }
}

impl Server {
    #[track_caller]
    fn start(place: &Place, address: SocketAddr) -> Self {
        let bind = || Ok::<_, io::Error>((TcpListener::bind(address)?, UdpSocket::bind(address)?));
        // A child that another test has just forked holds the last server's socket until the child executes its program.
        let (listener, socket) = eventually_some("the port is free", || place.inside(bind).ok());
        listener.set_nonblocking(true).expect("it is a socket");
        socket.set_nonblocking(true).expect("it is a socket");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((mut stream, from)) = listener.accept() {
                    // A server that gets no request sends no answer: unread data would turn the end of the connection into an error.
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                    let _ = stream.read(&mut [0; 16]);
                    let _ = stream.write_all(from.ip().to_string().as_bytes());
                }
                if let Ok((_, from)) = socket.recv_from(&mut [0; 16]) {
                    let _ = socket.send_to(from.ip().to_string().as_bytes(), from);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Server {
    #[track_caller]
    fn of_names(place: &Place, address: SocketAddr) -> Self {
        let bind = || UdpSocket::bind(address);
        let socket = eventually_some("the port is free", || place.inside(bind).ok());
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("it is a socket");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length @ 16.., from)) = socket.recv_from(&mut buffer) else { continue };
                let mut answer = buffer[..length].to_vec();
                // RFC 1035, 4.1: an answer, with one record if the query asks for an IPv4 address.
                answer[2] |= 0x80;
                if buffer[length - 4..length] == [0, 1, 0, 1] {
                    answer[7] = 1;
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4]);
                    answer.extend(KNOWN.octets());
                }
                let _ = socket.send_to(&answer, from);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Place {
    /// Adds a place: its loopback is up, and it has no other link.
    pub fn new() -> Self {
        let thread = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("the scenario has one already");
            Self::here()
        });
        let place = thread.join().expect("it does not panic");
        place.sh("ip link set lo up");
        place
    }

    fn here() -> Self {
        Self(File::open("/proc/thread-self/ns/net").expect("/proc is mounted"))
    }

    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Runs `what` on a thread in that place.
    pub fn inside<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).expect("root may");
                what()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs a line of shell in that place, which must succeed, and returns its output.
    #[track_caller]
    pub fn sh(&self, line: &str) -> String {
        self.try_sh(line).ok().to_owned()
    }

    pub fn try_sh(&self, line: &str) -> Outcome {
        self.inside(|| run(Command::new("sh").args(["-ec", line])))
    }

    /// The source address that the server at `address` sees.
    #[track_caller]
    pub fn ask(&self, transport: Transport, address: &str) -> String {
        let answer = surely(|| self.inside(|| ask(transport, address, Duration::from_secs(2))));
        answer.unwrap_or_else(|error| panic!("{transport:?} {address}: {error}"))
    }

    #[track_caller]
    pub fn assert_refused(&self, transport: Transport, address: &str) {
        let answer = self.inside(|| ask(transport, address, NEVER));
        assert!(answer.is_err(), "{transport:?} {address} answers {answer:?}");
    }

    /// Whether an echo arrives: true as soon as one does, false only after a long time.
    pub fn pings(&self, address: &str) -> bool {
        surely(|| self.ping(address).then_some(()).ok_or(())).is_ok()
    }

    /// True if no echo arrives within a short time.
    pub fn never_pings(&self, address: &str) -> bool {
        !self.ping(address)
    }

    fn ping(&self, address: &str) -> bool {
        self.try_sh(&format!("busybox ping -c 1 -W 1 {address}")).success()
    }
}

/// Repeats until it succeeds. On a busy machine the first packet after a start is sometimes lost, because a bridge forwards
/// nothing until a kernel worker has noticed the carrier of the port.
fn surely<T, E>(mut attempt: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let until = Instant::now() + SURELY;
    loop {
        match attempt() {
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
}

fn ask(transport: Transport, address: &str, wait: Duration) -> io::Result<String> {
    let to: SocketAddr = address.parse().expect("an address and a port");
    let mut answer = [0; 64];
    let length = match transport {
        Transport::Udp => {
            let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
            let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
            socket.set_read_timeout(Some(wait))?;
            socket.connect(to)?;
            socket.send(b"who am I?")?;
            socket.recv(&mut answer)?
        }
        Transport::Tcp => {
            let mut stream = TcpStream::connect_timeout(&to, wait)?;
            stream.set_read_timeout(Some(wait))?;
            stream.write_all(b"who am I?")?;
            stream.read(&mut answer)?
        }
    };
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}
