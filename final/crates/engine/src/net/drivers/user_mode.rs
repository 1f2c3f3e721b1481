//! User-mode networks, for an unprivileged user's containers: slirp4netns or pasta.
//!
//! Creating a veth pair in the host's network namespace takes CAP_NET_ADMIN there, so a program of the user's stands
//! between the container and the host. Inside the container's network namespace it has a tap device; on the host it opens a
//! socket for each connection, as any program may, and listens on the published ports.
//!
//! ```text
//! monitor ──▶ pasta or slirp4netns ──▶ eth0 in the container, found by a bind mount of its network namespace
//! ```
//!
//! These are the only programs that hull runs for a network. The process is the monitor's child. It dies with the monitor,
//! whatever kills that (`PR_SET_PDEATHSIG`, prctl(2)).

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
use hull_storage::root::Root;
use hull_sys::net::with_socket_address;
use hull_sys::process::{self, Fork};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use serde_json::json;

use crate::error::{Error, IoContext, Result};
use crate::net::endpoint::PublishedPort;
use crate::records::options::UserModeNetwork;
use crate::search_path::SearchPath;

/// How long the program may take until the network is ready. It usually takes 20 ms.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Files of the container's run directory: the mount of its network namespace, the file that the program writes to when
/// the network is ready, the program's messages, and slirp4netns's control socket.
const NETNS: &str = "netns";
const READY: &str = "network.ready";
const LOG: &str = "network.log";
const API: &str = "slirp.sock";

/// A running program with the network namespace that it serves. Dropping it ends the program.
pub(in crate::net) struct UserModeProcess {
    program: UserModeNetwork,
    process: OwnedFd,
    directory: PathBuf,
    /// The namespace's mount, until the container is in the namespace.
    namespace: Option<NamespaceMount>,
}

impl Drop for UserModeProcess {
    fn drop(&mut self) {
        // Sending the signal fails if the program has ended by itself.
        let _ = process::pidfd_send_signal(self.process.as_fd(), libc::SIGKILL);
        let _ = process::reap(self.process.as_fd());
    }
}

/// The file by which a container that is being started enters its network namespace.
pub(crate) fn namespace_file(root: &Root, id: &str) -> PathBuf {
    root.container_run_dir(id).join(NETNS)
}

/// The address inside the container at which the program forwards DNS queries to the host's servers. It is needed for
/// servers that only the host reaches, such as those on its loopback. slirp4netns(1) has a fixed one; pasta(1) is given one.
pub(crate) fn resolver(program: UserModeNetwork) -> Ipv4Addr {
    match program {
        UserModeNetwork::Pasta => PASTA_RESOLVER,
        UserModeNetwork::Slirp4netns => Ipv4Addr::new(10, 0, 2, 3),
    }
}

/// A link-local address (RFC 3927): no other host can have it as its routed address.
const PASTA_RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// The container's address. slirp4netns(1) gives each container the same one; pasta(1) gives it the address of the host's
/// link with the default route.
pub(crate) fn address(program: UserModeNetwork) -> Result<Option<IpAddr>> {
    if program == UserModeNetwork::Slirp4netns {
        return Ok(Some(Ipv4Addr::new(10, 0, 2, 100).into()));
    }
    let mut route = Socket::open(Protocol::Route)?;
    let Some(link) = routes::default_link(&mut route)? else { return Ok(None) };
    let mut all = addresses::list(&mut route, Some(link))?.into_iter().map(|address| address.ip);
    Ok(all.find(IpAddr::is_ipv4))
}

/// Why this machine has no user-mode network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoUserMode {
    #[error("/dev/net/tun cannot be opened: {0}")]
    Tun(std::io::Error),
    #[error("the host has no default route, which pasta needs")]
    NoRoute,
    #[error("neither slirp4netns nor pasta is installed")]
    NotInstalled,
}

/// The program for an unprivileged user who names none, or why this machine has none that works.
pub(crate) fn default_program(programs: &SearchPath) -> Result<UserModeNetwork, NoUserMode> {
    if let Err(error) = File::options().read(true).write(true).open("/dev/net/tun") {
        return Err(NoUserMode::Tun(error));
    }
    // pasta is faster. But Debian 12's holds a server's first segment back until the client has sent something: with
    // protocols in which the server speaks first, such as ssh's and mysql's, both sides wait. pasta also needs a default
    // route on the host, from which it takes the container's addresses.
    let default_link = Socket::open(Protocol::Route)
        .map_err(Into::into)
        .and_then(|mut route| routes::default_link(&mut route));
    let is_installed = |program: UserModeNetwork| programs.has(program.name());
    match default_link {
        _ if is_installed(UserModeNetwork::Slirp4netns) => Ok(UserModeNetwork::Slirp4netns),
        Ok(Some(_)) if is_installed(UserModeNetwork::Pasta) => Ok(UserModeNetwork::Pasta),
        _ if is_installed(UserModeNetwork::Pasta) => Err(NoUserMode::NoRoute),
        _ => Err(NoUserMode::NotInstalled),
    }
}

/// Checks that the program can publish these ports.
pub(in crate::net) fn validate(program: UserModeNetwork, ports: &[PublishedPort]) -> Result<()> {
    let can_publish = |port: &&PublishedPort| match program {
        UserModeNetwork::Pasta => port.container.transport != Transport::Sctp,
        UserModeNetwork::Slirp4netns => port.container.transport != Transport::Sctp && port.host.is_ipv4(),
    };
    match ports.iter().find(|port| !can_publish(port)) {
        None => Ok(()),
        Some(port) => Err(Error::Invalid {
            what: format!("port mapping {} to {}", port.host, port.container),
            why: format!("{} cannot publish it", program.name()),
        }),
    }
}

/// Makes a network namespace and starts the program for it. `directory` is the container's run directory.
pub(in crate::net) fn setup(
    program: UserModeNetwork,
    programs: &SearchPath,
    directory: &Path,
    ports: &[PublishedPort],
) -> Result<UserModeProcess> {
    validate(program, ports)?;
    let namespace = NamespaceMount::make(&directory.join(NETNS))?;
    // Usually there is none. The program reports it if its socket cannot be made.
    let _ = std::fs::remove_file(directory.join(API));
    let open = |name: &str| {
        let path = directory.join(name);
        File::create(&path).context(|| format!("create {}", path.display()))
    };
    let (ready, log) = (open(READY)?, open(LOG)?);
    let mut command = programs.command(program.name())?;
    command.current_dir(directory).stdin(Stdio::null()).stdout(ready).stderr(log);
    match program {
        UserModeNetwork::Pasta => command.args(pasta_arguments(ports)),
        UserModeNetwork::Slirp4netns => command.args(SLIRP4NETNS_ARGUMENTS),
    };
    let process = spawn(command)?;
    Ok(UserModeProcess { program, process, directory: directory.to_owned(), namespace: Some(namespace) })
}

impl UserModeProcess {
    /// Waits until the container's network is configured and the published ports are listened on.
    pub(in crate::net) fn await_ready(&self, ports: &[PublishedPort]) -> Result<()> {
        let ready = || std::fs::metadata(self.directory.join(READY)).is_ok_and(|file| file.len() > 0);
        let deadline = Instant::now() + TIMEOUT;
        while !ready() {
            self.wait_a_millisecond(deadline)?;
        }
        match self.program {
            UserModeNetwork::Pasta => Ok(()),
            UserModeNetwork::Slirp4netns => ports.iter().try_for_each(|port| self.add_port(port, deadline)),
        }
    }

    /// Fails, with the program's last message, if the program has ended or the deadline has passed.
    fn wait_a_millisecond(&self, deadline: Instant) -> Result<()> {
        let ended =
            hull_sys::wait::until_readable(&self.process, Some(Duration::from_millis(1))).unwrap_or(false);
        if !ended && Instant::now() < deadline {
            return Ok(());
        }
        let messages = std::fs::read_to_string(self.directory.join(LOG)).unwrap_or_default();
        // pasta's last message may be that it cannot reach syslog from its sandbox.
        let why = messages.lines().rfind(|line| !line.contains("syslog")).unwrap_or("it has ended");
        let what = format!("cannot start {}", self.program.name());
        Err(Error::UserMode { what, why: why.trim().to_owned(), needs_tun: false })
    }

    /// Has slirp4netns listen on a port (slirp4netns(1), "API socket"). The program reports that it is ready before it
    /// listens on its control socket, so connecting is retried.
    fn add_port(&self, port: &PublishedPort, deadline: Instant) -> Result<()> {
        let answer = loop {
            match request_port(&self.directory.join(API), port) {
                Err(Errno::NOENT | Errno::CONNREFUSED) => self.wait_a_millisecond(deadline)?,
                answer => break answer,
            }
        };
        let answer = answer.map_err(std::io::Error::from).context(|| "ask slirp4netns for a port".into())?;
        match serde_json::from_slice::<serde_json::Value>(&answer) {
            Ok(answer) if answer.get("error").is_some() => Err(Error::UserMode {
                what: format!("cannot publish {} at {}", port.container, port.host),
                why: answer.to_string(),
                needs_tun: false,
            }),
            _ => Ok(()),
        }
    }

    /// Unmounts the network namespace, once the container is in it and keeps it. The mount would keep it past the
    /// container's end.
    pub(in crate::net) fn unmount_namespace(&mut self) {
        self.namespace = None;
    }
}

const SLIRP4NETNS_ARGUMENTS: [&str; 11] = [
    "--configure",
    "--mtu=65520",
    // Containers must not reach servers that listen only on the host's loopback.
    "--disable-host-loopback",
    // The program parses what the container sends, so it gets a root without files and a seccomp filter.
    "--enable-sandbox",
    "--enable-seccomp",
    "--netns-type=path",
    "--api-socket",
    API,
    "--ready-fd=1",
    "./netns",
    "eth0",
];

/// Long options only, where pasta has one.
fn pasta_arguments(ports: &[PublishedPort]) -> Vec<String> {
    let fixed = ["--foreground", "--quiet", "--netns-only", "--config-net", "--ns-ifname", "eth0"];
    // The container neither reaches the host's loopback through the gateway's address, nor gets the host's listening ports.
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

/// Starts the program as a child of the monitor that dies with it.
fn spawn(mut command: Command) -> Result<OwnedFd> {
    let monitor = rustix::process::getpid();
    match process::fork().map_err(std::io::Error::from).context(|| "fork".into())? {
        Fork::Child => {
            let bound = process::set_parent_death_signal(libc::SIGKILL);
            // If the monitor died before this call, its signal does not come.
            if bound.is_ok() && rustix::process::getppid() == Some(monitor) {
                let error = command.exec();
                // The monitor reads the reason from the log.
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

/// Asks slirp4netns to forward a port. Each connection takes one request and gives one answer.
fn request_port(socket: &Path, port: &PublishedPort) -> Result<Vec<u8>, Errno> {
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

/// A network namespace that is bind-mounted on a file. A path below /proc would not do: to open it takes a capability
/// (ptrace(2), "access mode checking") that pasta drops first, and the container's first process is not dumpable.
struct NamespaceMount(PathBuf);

impl NamespaceMount {
    /// Makes a namespace and its mount in a child process, because the monitor could not return to the host's namespace:
    /// setns(2) takes CAP_SYS_ADMIN in the user namespace that owns it.
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

impl Drop for NamespaceMount {
    fn drop(&mut self) {
        // The mount is in the monitor's mount namespace, which ends with the monitor.
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
        let _ = std::fs::remove_file(&self.0);
    }
}
