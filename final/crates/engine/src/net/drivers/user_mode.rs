//! The network of an ordinary user's container. Nobody but root lays a cable into the host's network, so a program of the
//! user's stands between the two: inside it is a cable's other end (tap), outside it opens a socket for each connection,
//! as any program does, and listens on the published ports.
//!
//! ```text
//! monitor ──▶ pasta or slirp4netns ──▶ eth0 in the container, found by a bind mount of its network namespace
//! ```
//!
//! These are the only programs that hull runs for a network. The process is the monitor's child, and dies with it whatever
//! the monitor dies of (`PR_SET_PDEATHSIG`).

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hull_network::netlink::{Protocol, Socket};
use hull_network::ports::Transport;
use hull_network::{addresses, routes};
use hull_sys::net::with_socket_address;
use hull_sys::process::{self, Fork};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use serde_json::json;

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::net::inspect::PublishedPort;
use crate::records::options::UserModeNetwork;
use crate::rootless::is_installed;

/// How long such a program may take to begin; some 20 ms are usual.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Files of the run directory: the namespace, what the program writes when it is ready, its words, and slirp4netns's ear.
const NETNS: &str = "netns";
const READY: &str = "network.ready";
const LOG: &str = "network.log";
const API: &str = "slirp.sock";

/// A running one, for the namespace that it has made. It ends with this.
pub(in crate::net) struct UserModeProcess {
    program: UserModeNetwork,
    process: OwnedFd,
    directory: PathBuf,
    /// Until the container is in it.
    namespace: Option<Mounted>,
}

impl Drop for UserModeProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = process::pidfd_send_signal(self.process.as_fd(), libc::SIGKILL);
        let _ = process::reap(self.process.as_fd());
    }
}

/// Where a container that is being started finds its network namespace.
pub(crate) fn namespace_file(engine: &Engine, id: &str) -> PathBuf {
    engine.root().container_run_dir(id).join(NETNS)
}

/// Who answers inside for the resolvers of the host's that only the host reaches: slirp4netns(1) and, by an option,
/// pasta(1) ask them for the container.
pub(crate) fn resolver(program: UserModeNetwork) -> Ipv4Addr {
    match program {
        UserModeNetwork::Pasta => PASTA_RESOLVER,
        UserModeNetwork::Slirp4netns => Ipv4Addr::new(10, 0, 2, 3),
    }
}

/// Of the addresses that are nobody's beyond the link (RFC 3927).
const PASTA_RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// The container's address: slirp4netns(1) has one for everybody, and pasta(1) gives the host's by which packets go out.
pub(crate) fn address(program: UserModeNetwork) -> Result<Option<IpAddr>> {
    if program == UserModeNetwork::Slirp4netns {
        return Ok(Some(Ipv4Addr::new(10, 0, 2, 100).into()));
    }
    let mut route = Socket::open(Protocol::Route)?;
    let Some(link) = routes::default_link(&mut route)? else { return Ok(None) };
    let mut all = addresses::list(&mut route, Some(link))?.into_iter().map(|address| address.ip);
    Ok(all.find(IpAddr::is_ipv4))
}

/// What carries an ordinary user's packets on this machine, or why nothing does.
pub(crate) fn usual() -> Result<UserModeNetwork, String> {
    if let Err(error) = File::options().read(true).write(true).open("/dev/net/tun") {
        return Err(format!("/dev/net/tun cannot be opened: {error}"));
    }
    // pasta is faster, but Debian 12's answers a server's first segment only together with its client's first words: where
    // the server speaks first, as ssh's or mysql's does, both wait. And it takes its addresses from the host's way out.
    let has_way_out = Socket::open(Protocol::Route)
        .map_err(Into::into)
        .and_then(|mut route| routes::default_link(&mut route));
    match has_way_out {
        _ if is_installed(UserModeNetwork::Slirp4netns.name()) => Ok(UserModeNetwork::Slirp4netns),
        Ok(Some(_)) if is_installed(UserModeNetwork::Pasta.name()) => Ok(UserModeNetwork::Pasta),
        _ if is_installed(UserModeNetwork::Pasta.name()) => {
            Err("the host has no default route, which pasta needs".into())
        }
        _ => Err("neither slirp4netns nor pasta is installed".into()),
    }
}

/// Makes a network namespace, and has the program begin with it. `directory` is the container's run directory.
pub(in crate::net) fn start(
    program: UserModeNetwork,
    directory: &Path,
    ports: &[PublishedPort],
) -> Result<UserModeProcess> {
    check(program, ports)?;
    let namespace = Mounted::make(&directory.join(NETNS))?;
    let _ = std::fs::remove_file(directory.join(API));
    let open = |name: &str| {
        let path = directory.join(name);
        File::create(&path).context(|| format!("create {}", path.display()))
    };
    let (ready, log) = (open(READY)?, open(LOG)?);
    let mut command = Command::new(program.name());
    command.current_dir(directory).stdin(Stdio::null()).stdout(ready).stderr(log);
    match program {
        UserModeNetwork::Pasta => command.args(pasta_arguments(ports)),
        UserModeNetwork::Slirp4netns => command.args([
            "--configure",
            "--mtu=65520",
            // The host's loopback is the host's.
            "--disable-host-loopback",
            // What the container sends is parsed there: by a process that sees no files and may make few calls.
            "--enable-sandbox",
            "--enable-seccomp",
            "--netns-type=path",
            "--api-socket",
            API,
            "--ready-fd=1",
            "./netns",
            "eth0",
        ]),
    };
    let process = spawn(command)?;
    Ok(UserModeProcess { program, process, directory: directory.to_owned(), namespace: Some(namespace) })
}

impl UserModeProcess {
    /// Waits until the container's network is there and the ports are listened on.
    pub(in crate::net) fn await_ready(&self, ports: &[PublishedPort]) -> Result<()> {
        let ready = || std::fs::metadata(self.directory.join(READY)).is_ok_and(|file| file.len() > 0);
        let deadline = Instant::now() + TIMEOUT;
        while !ready() {
            self.wait_a_moment(deadline)?;
        }
        match self.program {
            UserModeNetwork::Pasta => Ok(()),
            UserModeNetwork::Slirp4netns => ports.iter().try_for_each(|port| self.add_port(port, deadline)),
        }
    }

    /// Unless it has ended or takes too long, which is an error with its last words.
    fn wait_a_moment(&self, deadline: Instant) -> Result<()> {
        let ended =
            hull_sys::wait::until_readable(&self.process, Some(Duration::from_millis(1))).unwrap_or(false);
        if !ended && Instant::now() < deadline {
            return Ok(());
        }
        let words = std::fs::read_to_string(self.directory.join(LOG)).unwrap_or_default();
        // pasta complains that a sandbox has no syslog before it comes to the point.
        let why = words.lines().rfind(|line| !line.contains("syslog")).unwrap_or("it has ended");
        let what = format!("cannot start {}", self.program.name());
        Err(Error::UserMode { what, why: why.trim().to_owned() })
    }

    /// slirp4netns(1), "API socket". It says that it is ready, shuts itself in, and only then listens.
    fn add_port(&self, port: &PublishedPort, deadline: Instant) -> Result<()> {
        let answer = loop {
            match ask_for_port(&self.directory.join(API), port) {
                Err(Errno::NOENT | Errno::CONNREFUSED) => self.wait_a_moment(deadline)?,
                asked => break asked,
            }
        };
        let answer = answer.map_err(std::io::Error::from).context(|| "ask slirp4netns for a port".into())?;
        match String::from_utf8_lossy(&answer) {
            text if text.contains("\"error\"") => Err(Error::UserMode {
                what: format!("cannot publish {} at {}", port.container, port.host),
                why: text.trim().to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// The container is in the namespace, and keeps it. A mount would do so past the container's end.
    pub(in crate::net) fn let_go(&mut self) {
        self.namespace = None;
    }
}

/// Long names, where there is one.
fn pasta_arguments(ports: &[PublishedPort]) -> Vec<String> {
    let fixed = ["--foreground", "--quiet", "--netns-only", "--config-net", "--ns-ifname", "eth0"];
    // Neither the host's loopback by way of the gateway, nor its listening ports inside.
    let closed = ["--no-map-gw", "--tcp-ns", "none", "--udp-ns", "none"];
    let resolver = ["--dns-forward".into(), PASTA_RESOLVER.to_string()];
    let files = ["--no-netns-quit", "--pid", READY, "--netns", "./netns"];
    let mut arguments: Vec<String> =
        [&fixed[..], &closed, &files].concat().into_iter().map(String::from).chain(resolver).collect();
    for (transport, option) in [(Transport::Tcp, "--tcp-ports"), (Transport::Udp, "--udp-ports")] {
        let before = arguments.len();
        for port in ports.iter().filter(|port| port.container.transport == transport) {
            let (ip, host) = (port.host.ip(), port.host.port());
            arguments.extend([option.into(), format!("{ip}/{host}:{}", port.container.number)]);
        }
        if arguments.len() == before {
            arguments.extend([option.into(), "none".into()]);
        }
    }
    arguments
}

fn check(program: UserModeNetwork, ports: &[PublishedPort]) -> Result<()> {
    let able = |port: &&PublishedPort| match program {
        UserModeNetwork::Pasta => port.container.transport != Transport::Sctp,
        UserModeNetwork::Slirp4netns => port.container.transport != Transport::Sctp && port.host.is_ipv4(),
    };
    match ports.iter().find(|port| !able(port)) {
        None => Ok(()),
        Some(port) => Err(Error::Invalid {
            what: format!("port mapping {} to {}", port.host, port.container),
            why: format!("{} cannot carry it", program.name()),
        }),
    }
}

/// As the monitor's child, to die with it.
fn spawn(mut command: Command) -> Result<OwnedFd> {
    let monitor = rustix::process::getpid();
    match process::fork().map_err(std::io::Error::from).context(|| "fork".into())? {
        Fork::Child => {
            let bound = process::set_parent_death_signal(libc::SIGKILL);
            // It may have died before it was bound.
            if bound.is_ok() && rustix::process::getppid() == Some(monitor) {
                // Its stderr is the log already.
                let error = command.exec();
                let _ = std::fs::write(Path::new("/proc/self/cwd").join(LOG), error.to_string());
            }
            process::exit_now(127)
        }
        Fork::Parent { pid } => {
            let pidfd = process::pidfd_open(pid).map_err(std::io::Error::from);
            pidfd.context(|| "watch the network's program".into())
        }
    }
}

/// One request and one answer to a connection.
fn ask_for_port(socket: &Path, port: &PublishedPort) -> Result<Vec<u8>, Errno> {
    let request = json!({ "execute": "add_hostfwd", "arguments": {
        "proto": port.container.transport.name(),
        "host_addr": port.host.ip(),
        "host_port": port.host.port(),
        "guest_port": port.container.number,
    }});
    let connection =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    with_socket_address(socket, |address| rustix::net::connect(&connection, address))?;
    rustix::net::send(&connection, request.to_string().as_bytes(), SendFlags::NOSIGNAL)?;
    rustix::net::shutdown(&connection, rustix::net::Shutdown::Write)?;
    let mut answer = vec![0; 4096];
    let (length, _) = rustix::net::recv(&connection, answer.as_mut_slice(), RecvFlags::empty())?;
    answer.truncate(length);
    Ok(answer)
}

/// A network namespace by a name in the file system. Its name below /proc would not do: pasta gives up the capability that
/// it takes to look there (ptrace(2), "access mode checking") before it looks, and the container's first process hides.
struct Mounted(PathBuf);

impl Mounted {
    /// Makes one. We could not come back from it into the host's, which is not ours: so a child goes.
    fn make(path: &Path) -> Result<Self> {
        let context = || format!("make a network namespace at {}", path.display());
        File::create(path).context(context)?;
        let made = || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            mount(Some("/proc/self/ns/net"), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        };
        match process::fork().map_err(std::io::Error::from).context(|| "fork".into())? {
            Fork::Child => process::exit_now(made().err().map_or(0, |errno| errno as i32)),
            Fork::Parent { pid } => {
                let child = process::pidfd_open(pid).map_err(std::io::Error::from).context(context)?;
                match process::reap(child.as_fd()).map_err(std::io::Error::from).context(context)? {
                    0 => Ok(Self(path.to_owned())),
                    errno => Err(std::io::Error::from_raw_os_error(errno.into())).context(context),
                }
            }
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
        let _ = std::fs::remove_file(&self.0);
    }
}
