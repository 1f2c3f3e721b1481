//! The tasks of lesson 5, in order: what the reader's functions have to do. Each check makes its own small network: a
//! host, containers, and another machine are network namespaces, and nothing of the real machine's network changes.

// The modules have functions that no check calls.
#![allow(dead_code)]

#[path = "../src/nat.rs"]
mod nat;
#[path = "../src/netlink.rs"]
mod netlink;
#[path = "../src/nftables.rs"]
mod nftables;
#[path = "../src/report.rs"]
mod report;
#[path = "../src/supervisor.rs"]
mod supervisor;
#[path = "../src/veth.rs"]
mod veth;

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, ExitCode};
use std::time::Duration;

use lesson_tasks::process::Child;
use lesson_tasks::{
    Expect, Failure, Outcome, ensure, equal, failure, isolated, namespace, not_checked, run, task,
};
use netlink::{Message, Socket};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::SockProtocol;
use nix::unistd::{Pid, pause};
use veth::{BRIDGE, GATEWAY};

const NO_ANSWER: &str = "no answer";

/// The addresses of two containers.
const WEB: Ipv4Addr = Ipv4Addr::new(10, 105, 0, 2);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 105, 0, 3);

fn main() -> ExitCode {
    run(
        "05-veth-bridge",
        &[
            task(1, "make_bridge creates the bridge", bridge),
            task(2, "add_address gives a link an address", address),
            task(3, "make_veth connects a network namespace to the bridge", veth_pair),
            task(4, "configure gives the container its address and its route", configured),
            task(5, "A server on another machine sees the host's address", outgoing),
            task(6, "A published port is reserved", reserved),
            task(7, "Connections to a published port reach the container", published),
            task(8, "localhost and other containers reach a published port too", replies),
            task(9, "A container does not reach services on the host's loopback", reaches_the_loopback)
                .escape(),
        ],
    )
}

/// A network namespace. A process in it keeps it alive.
struct Namespace {
    child: Child,
    file: File,
}

impl Namespace {
    fn new() -> Self {
        let child = Child::start(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("root may create namespaces");
            loop {
                pause();
            }
        });
        while namespace(child.pid(), "net") == namespace("self", "net") {
            std::thread::yield_now();
        }
        let file = File::open(format!("/proc/{}/ns/net", child.pid())).expect("it runs");
        Self { child, file }
    }

    fn pid(&self) -> Pid {
        self.child.pid()
    }

    /// Runs `f` in this namespace. A socket that it opens stays there.
    fn within<T>(&self, f: impl FnOnce() -> T) -> T {
        let own = File::open("/proc/self/ns/net").expect("/proc is mounted");
        setns(&self.file, CloneFlags::CLONE_NEWNET).expect("root may enter it");
        let result = f();
        setns(own, CloneFlags::CLONE_NEWNET).expect("it was there");
        result
    }
}

/// What a program for looking at networks prints.
fn output(program: &str, arguments: &str) -> Result<String, Failure> {
    match Command::new(program).args(arguments.split_whitespace()).output() {
        Ok(output) => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr))
        }
        Err(error) => Err(not_checked(format_args!(
            "`{program}` cannot be started ({error}). On Debian: apt install iproute2 nftables"
        ))),
    }
}

/// Runs an `ip` command that prepares a check.
fn ip(arguments: &str) -> Outcome {
    let printed = output("ip", arguments)?;
    ensure(printed.is_empty(), format_args!("`ip {arguments}` prints nothing"), printed, "the check needs it")
}

/// Fails unless `ip` prints a text with all of `parts`.
fn shows(arguments: &str, parts: &[&str], why: &str) -> Outcome {
    let printed = output("ip", arguments)?;
    let seen = if printed.trim().is_empty() { "it prints nothing" } else { printed.trim() };
    parts.iter().try_for_each(|part| {
        ensure(printed.contains(part), format_args!("`ip {arguments}` prints {part:?}"), seen, why)
    })
}

/// Whether an error is this one, as main's callers compare it.
fn is(result: &anyhow::Result<()>, errno: Errno) -> bool {
    result.as_ref().is_err_and(|error| error.downcast_ref() == Some(&errno))
}

fn rtnetlink() -> Socket {
    Socket::open(SockProtocol::NetlinkRoute).expect("a netlink socket")
}

fn bridge() -> Outcome {
    isolated(|| {
        let mut kernel = rtnetlink();
        let why = "root may create links in its own network namespace";
        veth::make_bridge(&mut kernel).expect_that("make_bridge succeeds", why)?;
        let why = "the attributes of RTM_NEWLINK describe the new link: IFLA_INFO_KIND is the kind, IFLA_IFNAME the name, and \
                   IFLA_ADDRESS the MAC address";
        shows("-br link show type bridge", &["boxes", "02:00:0a:69:00:01"], why)?;
        let why = "the flag IFF_UP sets the link up, because a new link is down and passes no packet on";
        shows("-br link show type bridge", &["MULTICAST,UP"], why)?;
        let why = "CREATE contains NLM_F_EXCL, because a second container has to notice that the bridge exists already";
        let again = veth::make_bridge(&mut kernel);
        let seen = format!("{again:?}");
        ensure(
            is(&again, Errno::EEXIST),
            "make_bridge fails with EEXIST if the bridge exists already",
            seen,
            why,
        )
    })
}

/// The host's side: lo is up, and there is a bridge with an address.
fn host() -> Result<Socket, Failure> {
    let mut kernel = rtnetlink();
    ip("link set lo up")?;
    veth::make_bridge(&mut kernel).expect_that("make_bridge succeeds", "task 1")?;
    veth::add_address(&mut kernel, BRIDGE, GATEWAY).expect_that("add_address succeeds", "task 2")?;
    Ok(kernel)
}

fn address() -> Outcome {
    isolated(|| {
        let mut kernel = host()?;
        let why = "the fixed part of RTM_NEWADDR contains the length of the prefix, and its attributes contain the address";
        shows("-o -4 address show dev boxes", &["inet 10.105.0.1/24"], why)?;
        let why = "the kernel adds a route for the addresses of the prefix: without it the host would not know that \
                   10.105.0.2 is behind the bridge";
        shows("route", &["10.105.0.0/24 dev boxes"], why)?;
        let why = "a second container has to notice that the link has this address already";
        let again = veth::add_address(&mut kernel, BRIDGE, GATEWAY);
        let seen = format!("{again:?}");
        ensure(
            is(&again, Errno::EEXIST),
            "add_address fails with EEXIST if the link has this address already",
            seen,
            why,
        )
    })
}

fn veth_pair() -> Outcome {
    isolated(|| {
        let mut kernel = host()?;
        let inside = Namespace::new();
        let why = "one RTM_NEWLINK creates both ends: VETH_INFO_PEER describes the other end";
        veth::make_veth(&mut kernel, "box2-7", inside.pid()).expect_that("make_veth succeeds", why)?;
        shows("-br link show type veth", &["box2-7@"], why)?;
        let why = "IFF_UP in the message sets the host's end up";
        shows("-br link show type veth", &["MULTICAST,UP"], why)?;
        let why = "IFLA_MASTER, the number of the bridge, attaches the host's end to the bridge";
        shows("-br link show master boxes", &["box2-7@"], why)?;
        let why = "IFLA_NET_NS_PID among the attributes of the other end puts it into the namespace of that process";
        inside.within(|| shows("-br link", &["eth0@"], why))
    })
}

/// A container: a network namespace that is connected to the bridge.
fn container(kernel: &mut Socket, address: Ipv4Addr) -> Result<Namespace, Failure> {
    let inside = Namespace::new();
    let link = format!("box{}-7", address.octets()[3]);
    veth::make_veth(kernel, &link, inside.pid()).expect_that("make_veth succeeds", "task 3")?;
    let configured = inside.within(|| veth::configure(Some(address)));
    configured.expect_that(
        "configure succeeds",
        "the kernel accepts a route through a gateway if the gateway is reachable",
    )?;
    Ok(inside)
}

fn configured() -> Outcome {
    isolated(|| {
        let alone = Namespace::new();
        let only_lo = alone.within(|| veth::configure(None));
        only_lo.expect_that("configure without an address succeeds", "every network namespace has a lo")?;
        let why = "lo of a new network namespace is down, and programs cannot reach each other at 127.0.0.1";
        alone.within(|| shows("-br link show lo", &["LOOPBACK,UP"], why))?;

        let web = container(&mut host()?, WEB)?;
        web.within(|| {
            let why = "the address belongs to the link that leads to the bridge";
            shows("-o -4 address show dev eth0", &["inet 10.105.0.2/24"], why)?;
            shows("-br link show lo", &["LOOPBACK,UP"], "lo is up with an address as well")?;
            let why = "packets for all other networks have to go to the gateway, which is the bridge";
            shows("route", &["default via 10.105.0.1 dev eth0"], why)
        })?;
        let _server = serve("web", web.within(|| listen("0.0.0.0:8000"))?);
        let why = "make_veth has set the host's end up, so this end has to be up too";
        equal(
            "the answer of a server in the container to the host",
            "web sees 10.105.0.1".to_owned(),
            ask("10.105.0.2:8000"),
            why,
        )
    })
}

fn listen(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).expect_that(&format!("a server can listen on {address}"), "the check needs it")
}

/// A server that tells each client its own name and the client's address.
fn serve(name: &'static str, listener: TcpListener) -> Child {
    Child::start(move || {
        while let Ok((mut client, peer)) = listener.accept() {
            let _ = write!(client, "{name} sees {}", peer.ip());
        }
        0
    })
}

/// What a server answers, or that it does not. A packet that is lost is sent again soon, because a link that has just
/// been set up loses packets for a moment.
fn ask(address: &str) -> String {
    let address: SocketAddr = address.parse().expect("an address");
    let attempt = || {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(150))?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    for _ in 0..10 {
        match attempt() {
            Ok(answer) => return answer,
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(error) => return format!("{NO_ANSWER}: {error}"),
        }
    }
    format!("{NO_ANSWER}: its packets are lost")
}

/// Another machine, 192.0.2.2, at the end of a veth pair. For it the host is 192.0.2.1.
fn world() -> Result<Namespace, Failure> {
    let world = Namespace::new();
    ip(&format!("link add wan type veth peer name eth0 netns {}", world.pid()))?;
    ip("address add 192.0.2.1/24 dev wan")?;
    ip("link set wan up")?;
    world.within(|| {
        ip("address add 192.0.2.2/24 dev eth0")?;
        ip("link set eth0 up")
    })?;
    forward()?;
    Ok(world)
}

fn forward() -> Outcome {
    fs::write("/proc/sys/net/ipv4/ip_forward", "1")
        .expect_that("ip_forward can be switched on", "the check needs it")
}

/// A table with these rules, until the socket is closed.
fn table<const N: usize>(rules: [Vec<Message>; N]) -> Result<Socket, Failure> {
    let mut owner = Socket::open(SockProtocol::NetlinkNetFilter)
        .map_err(|error| not_checked(format_args!("no nf_tables: {error:#}")))?;
    let content = nat::chains("task").into_iter().chain(rules.into_iter().flatten()).collect();
    let why = "the kernel accepts each of the rules: if it refuses one rule, it refuses the whole batch";
    nftables::create_table(&mut owner, "the table of the check", "task", content)
        .expect_that("the kernel accepts the rules", why)?;
    Ok(owner)
}

/// Fails unless a rule of the ruleset has all of `parts`.
fn has_rule(parts: &[&str], why: &str) -> Outcome {
    let ruleset = output("nft", "list ruleset")?;
    let is_there = ruleset.lines().any(|rule| parts.iter().all(|part| rule.contains(part)));
    let expected = format!("`nft list ruleset` prints the rule `{}`", parts.join(" "));
    let seen: Vec<&str> = ruleset.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    ensure(is_there, expected, seen.join("  "), why)
}

fn outgoing() -> Outcome {
    isolated(|| {
        let (web, world) = (container(&mut host()?, WEB)?, world()?);
        let _server = serve("the server", world.within(|| listen("192.0.2.2:80"))?);
        let why = "the table of a container without published ports has this one rule";
        let _nat = nat::open("task", WEB, &[]).expect_that("nat::open succeeds", why)?;
        let why = "the server has no route to 10.105.0.2: the rule has to give packets that leave the host's address";
        let answer = web.within(|| ask("192.0.2.2:80"));
        equal(
            "what a server on another machine tells the container",
            "the server sees 192.0.2.1".to_owned(),
            answer,
            why,
        )?;
        let parts = ["ip saddr 10.105.0.2", "oifname != \"boxes\"", "masquerade"];
        has_rule(
            &parts,
            "the rule is only for packets of this container that leave through a link other than the bridge",
        )
    })
}

fn reserved() -> Outcome {
    isolated(|| {
        ip("link set lo up")?;
        ip("address add 10.105.0.1/32 dev lo")?;
        let why = "no other program has the port, so bind(2) succeeds";
        let held = nat::reserve(8080).expect_that("reserve(8080) succeeds", why)?;
        let why = "a dnat rule would take the connections away from a program that starts later, and it must get an error";
        let second = TcpListener::bind((GATEWAY, 8080)).map_err(|error| error.kind());
        ensure(
            second.as_ref().is_err_and(|kind| *kind == ErrorKind::AddrInUse),
            "a program that wants port 8080 at any address of the host gets EADDRINUSE after reserve(8080)",
            format_args!("{second:?}"),
            why,
        )?;
        drop(held);
        let _other = listen("127.0.0.1:8081")?;
        let Err(error) = nat::reserve(8081) else {
            let why =
                "the other program listens only on 127.0.0.1: bind to 0.0.0.0, which includes every address";
            return Err(failure(
                "reserve(8081) fails if a program listens on 127.0.0.1:8081",
                "it returned Ok",
                why,
            ));
        };
        let told = format!("{error:#}");
        ensure(
            told.contains("8081"),
            "the error names the port",
            &told,
            "a container may publish several ports",
        )?;
        ensure(
            told.contains("hint: "),
            "the error has a context `hint: …`",
            &told,
            "the user wants to know who has the port",
        )
    })
}

fn published() -> Outcome {
    isolated(|| {
        let (web, world) = (container(&mut host()?, WEB)?, world()?);
        let _server = serve("web", web.within(|| listen("0.0.0.0:8000"))?);
        let _other = serve("the server", world.within(|| listen("192.0.2.2:8080"))?);
        let rules = [nat::masquerade("task", WEB), nat::dnat("task", WEB, (8080, 8000))];
        let _table = table(rules)?;
        let why = "a packet that comes in through a link passes `prerouting`, where dnat changes its destination but not its source";
        let answer = world.within(|| ask("192.0.2.1:8080"));
        equal(
            "what port 8080 of the host tells another machine",
            "web sees 192.0.2.2".to_owned(),
            answer,
            why,
        )?;
        let why = "a packet that a program of the host sends passes `output`, and not `prerouting`";
        let answer = ask("192.0.2.1:8080");
        equal(
            "what port 8080 of the host tells the host itself",
            "web sees 192.0.2.1".to_owned(),
            answer,
            why,
        )?;
        let why = "only the host's own port is published: with `fib daddr type local`, the rule does not match port 8080 of other machines";
        let answer = web.within(|| ask("192.0.2.2:8080"));
        equal(
            "what port 8080 of another machine tells the container",
            "the server sees 192.0.2.1".to_owned(),
            answer,
            why,
        )
    })
}

fn replies() -> Outcome {
    isolated(|| {
        let mut kernel = host()?;
        let (web, second) = (container(&mut kernel, WEB)?, container(&mut kernel, SECOND)?);
        let _server = serve("web", web.within(|| listen("0.0.0.0:8000"))?);
        let _table = table([nat::dnat("task", WEB, (8080, 8000)), nat::reply_through_host("task", WEB)])?;
        forward()?;
        veth::route_localnet().expect_that("route_localnet can be switched on", "the check needs it")?;
        let masqueraded = || "web sees 10.105.0.1".to_owned();
        let why =
            "the container would send a reply to 127.0.0.1 to itself, so this source has to be masqueraded";
        equal("what localhost:8080 tells the host", masqueraded(), ask("127.0.0.1:8080"), why)?;
        let why = "the reply would go across the bridge directly, from an address that the second container has not \
                   connected to: sources in the container's /24 have to be masqueraded";
        let answer = second.within(|| ask("10.105.0.1:8080"));
        equal("what port 8080 of the host tells a second container", masqueraded(), answer, why)?;
        let why = "nothing is translated between two containers that use their own addresses";
        let answer = second.within(|| ask("10.105.0.2:8000"));
        equal(
            "what the container tells a second one directly",
            "web sees 10.105.0.3".to_owned(),
            answer,
            why,
        )?;
        let why = "a connection to the container's own address has no dnat status, and keeps its source";
        has_rule(&["ip daddr 10.105.0.2", "ct status dnat", "ip saddr 127.0.0.0/8", "masquerade"], why)?;
        has_rule(&["ip daddr 10.105.0.2", "ct status dnat", "ip saddr 10.105.0.0/24", "masquerade"], why)
    })
}

fn reaches_the_loopback() -> Outcome {
    isolated(|| {
        let web = container(&mut host()?, WEB)?;
        let _server = serve("web", web.within(|| listen("0.0.0.0:8000"))?);
        let _database = serve("the host's database", listen("127.0.0.1:9000")?);
        let _other = serve("the host's cache", listen("127.5.5.5:9000")?);
        let why = "all rules of a container with a published port are in one table";
        let _nat = nat::open("task", WEB, &[(8080, 8000)]).expect_that("nat::open succeeds", why)?;
        // The attack: root in the container sends packets for 127.0.0.1 to the gateway.
        let stolen = web.within(|| {
            fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").expect("its own sysctl");
            ip("address del 127.0.0.1/8 dev lo")?;
            ip("route add 127.0.0.0/8 via 10.105.0.1 dev eth0 src 10.105.0.2")?;
            Ok(["127.0.0.1:9000", "127.5.5.5:9000"].map(|place| (place, ask(place))))
        })?;
        let why = "a published port switches route_localnet on, and then the host accepts packets for 127.0.0.1 from the \
                   bridge: a rule that runs before dnat has to drop them";
        for (place, answer) in stolen {
            ensure(
                answer.starts_with(NO_ANSWER),
                format_args!("the container gets no answer from {place} of the host"),
                format_args!("it got the answer {answer:?}"),
                why,
            )?;
        }
        let why = "the rule is only for packets from the bridge";
        let mine = "the host's database sees 127.0.0.1".to_owned();
        equal("what 127.0.0.1:9000 tells the host itself", mine, ask("127.0.0.1:9000"), why)?;
        let published = "web sees 10.105.0.1".to_owned();
        equal("what the published port tells the host", published, ask("127.0.0.1:8080"), why)
    })
}
