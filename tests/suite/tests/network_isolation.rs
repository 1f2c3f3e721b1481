//! Attacks that a container cannot make on its host, its siblings and the neighbour. IPv6 is guarded and served like IPv4.

use std::time::Duration;

mod lan;
use lan::{BOTH, HOST, Lan, NEIGHBOUR, Place, Transport};

/// The first is the host's LAN, and the second a network of IPv6.
const HOST6: &str = "fd00:1::1";
const NEIGHBOUR6: &str = "fd00:1::2";

fn start() -> Option<Lan> {
    let lan = Lan::start()?;
    lan.host.sh(&format!("ip -6 addr add {HOST6}/64 dev lan0 nodad"));
    lan.neighbour.sh(&format!("ip -6 addr add {NEIGHBOUR6}/64 dev eth0 nodad"));
    Some(lan)
}

#[track_caller]
fn six(lan: &Lan, name: &str) -> String {
    lan.t.inspect(name, "{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}")
}

fn mac(lan: &Lan, name: &str) -> String {
    lan.t.inspect(name, "{{range .NetworkSettings.Networks}}{{.MacAddress}}{{end}}")
}

/// Whether an echo returns to a sender that claims the address `source`.
fn answers_as(place: &Place, source: &str, to: &str) -> bool {
    place.try_sh(&format!("busybox ping -c 1 -W 1 -I {source} {to}")).success()
}

#[test]
fn what_the_host_keeps_to_itself_is_reached_by_no_detour() {
    let Some(lan) = start() else { return };
    lan.serve(&lan.host, "127.0.0.1:90");
    // Packets to 127/8 pass the bridge only if a port is published.
    let container = lan.run("box", &["-p", "127.0.0.1:8080:80"]);
    lan.serve(&container, "0.0.0.0:80");
    let gateway = lan.gateway("box");
    container.sh(&format!(
        "ip addr flush dev lo; ip route add 127.0.0.0/8 via {gateway}; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet"
    ));
    for transport in BOTH {
        lan.host.ask(transport, "127.0.0.1:90");
        container.assert_refused(transport, "127.0.0.1:90");
        // Not even an address that leads back to the container.
        container.assert_refused(transport, "127.0.0.1:8080");
    }
    lan.host.ask(Transport::Tcp, "127.0.0.1:8080");
    lan.stop_serving();
    drop(container);
    lan.t.ok(&["rm", "-f", "box"]);
}

#[test]
fn a_container_is_nobody_but_itself() {
    let Some(lan) = start() else { return };
    lan.t.ok(&["network", "create", "--ipv6", "--subnet", "10.5.0.0/24", "--subnet", "fd00:5::/64", "both"]);
    let [thief, _victim, witness] =
        ["thief", "victim", "witness"].map(|name| lan.run(name, &["--network", "both"]));
    let (four, victim_six) = (lan.address("victim"), six(&lan, "victim"));
    assert!(thief.pings(&lan.address("witness")) && thief.pings(&six(&lan, "witness")));
    // A container that uses its victim's addresses gets no answer, and others do not take it for the victim.
    thief.sh(&format!("ip addr add {four}/24 dev eth0; ip -6 addr add {victim_six}/64 dev eth0 nodad"));
    assert!(!answers_as(&thief, &four, &lan.address("witness")));
    assert!(!answers_as(&thief, &victim_six, &six(&lan, "witness")));
    thief.try_sh(&format!("busybox arping -U -c 2 -w 1 -I eth0 {four}"));
    assert!(witness.pings(&four) && witness.pings(&victim_six));
    for (address, show) in [(&four, "ip neigh show"), (&victim_six, "ip -6 neigh show")] {
        let known = witness.sh(&format!("{show} {address}"));
        assert!(known.contains(&mac(&lan, "victim")), "{known}");
    }
    thief.sh(&format!("ip addr del {four}/24 dev eth0; ip -6 addr del {victim_six}/64 dev eth0"));
    assert!(thief.pings(&lan.address("witness")));
    // The same with the victim's MAC address.
    thief.sh(&format!("ip link set eth0 address {}", mac(&lan, "victim")));
    assert!(thief.never_pings(&lan.address("witness")) && witness.pings(&four));
    drop((thief, _victim, witness));
    lan.t.ok(&["rm", "-f", "thief", "victim", "witness"]);
    lan.t.ok(&["network", "rm", "both"]);
}

#[test]
fn an_internal_network_has_no_outside_in_either_family() {
    let Some(lan) = start() else { return };
    let subnets = ["--subnet", "10.5.0.0/24", "--subnet", "fd00:5::/64"];
    lan.t.ok(&[&["network", "create", "--ipv6", "--internal"], &subnets[..], &["inner"]].concat());
    let one = lan.run("one", &["--network", "inner"]);
    lan.run("two", &["--network", "inner"]);
    assert!(one.pings(&lan.address("two")) && one.pings(&six(&lan, "two")));
    assert!(one.pings("10.5.0.1") && one.pings("fd00:5::1"), "its own gateway is inside");
    // Also for a container that adds a route by itself, where the other side has a route back.
    lan.neighbour
        .sh(&format!("ip route add 10.5.0.0/24 via {HOST}; ip -6 route add fd00:5::/64 via {HOST6}"));
    one.sh("ip route add default via 10.5.0.1; ip -6 route add default via fd00:5::1");
    for outside in [NEIGHBOUR, HOST, NEIGHBOUR6, HOST6] {
        assert!(one.never_pings(outside), "{outside}");
    }
    assert!(lan.neighbour.never_pings(&lan.address("one")) && lan.neighbour.never_pings(&six(&lan, "one")));
    drop(one);
    lan.t.ok(&["rm", "-f", "one", "two"]);
    lan.t.ok(&["network", "rm", "inner"]);
}

#[test]
fn ipv6_ports_answer_from_everywhere_as_those_of_ipv4_do() {
    let Some(lan) = start() else { return };
    lan.t.ok(&["network", "create", "--ipv6", "--subnet", "fd00:5::/64", "six"]);
    lan.t.ok(&["network", "create", "--ipv6", "--subnet", "fd00:6::/64", "other"]);
    let web = lan.run("web", &["--network", "six", "-p", "8080:80", "-p", "8080:80/udp"]);
    lan.serve(&web, "[::]:80");
    let sibling = lan.run("sibling", &["--network", "six"]);
    let stranger = lan.run("stranger", &["--network", "other"]);
    let own = six(&lan, "web");
    for transport in BOTH {
        assert_eq!(lan.host.ask(transport, &format!("[{HOST6}]:8080")), HOST6);
        assert_eq!(lan.neighbour.ask(transport, &format!("[{HOST6}]:8080")), NEIGHBOUR6);
        for container in [&web, &sibling, &stranger] {
            container.ask(transport, &format!("[{HOST6}]:8080"));
        }
        assert_eq!(sibling.ask(transport, &format!("[{own}]:80")), six(&lan, "sibling"));
        // From another network or from the LAN, its own IPv6 address is as unreachable as its IPv4 address.
        stranger.assert_refused(transport, &format!("[{own}]:80"));
    }
    lan.neighbour.sh(&format!("ip -6 route add fd00:5::/64 via {HOST6}"));
    lan.neighbour.assert_refused(Transport::Tcp, &format!("[{own}]:80"));
    lan.stop_serving();
    drop((web, sibling, stranger));
    lan.t.ok(&["rm", "-f", "web", "sibling", "stranger"]);
    lan.t.ok(&["network", "rm", "six", "other"]);
}

#[test]
fn an_address_rests_while_another_one_is_free() {
    let Some(lan) = start() else { return };
    // The network has five addresses, .2 to .6.
    lan.t.ok(&["network", "create", "--subnet", "10.5.0.0/29", "small"]);
    let next = |name: &str| {
        lan.run(name, &["--network", "small"]);
        lan.address(name)
    };
    let first: Vec<_> = ["aa", "bb", "cc", "dd"].map(next).into();
    assert_eq!(first, ["10.5.0.2", "10.5.0.3", "10.5.0.4", "10.5.0.5"]);
    lan.t.ok(&["rm", "-f", "cc"]);
    // Released addresses are ordered by the second of their release.
    std::thread::sleep(Duration::from_secs(2));
    lan.t.ok(&["rm", "-f", "aa"]);
    assert_eq!(next("ee"), "10.5.0.6", "the one that is free");
    assert_eq!(next("ff"), "10.5.0.4", "the one that has rested longest, and not the next");
    lan.t.ok(&["rm", "-f", "bb", "dd", "ee", "ff"]);
    lan.t.ok(&["network", "rm", "small"]);
}
