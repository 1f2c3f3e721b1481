//! One network on two hosts: the scenario's own namespace, and the neighbour's namespace, where hull has other roots.

use hull_test_support::Scenario;
use hull_test_support::outcome::eventually;
use std::fs::File;

mod lan;
use lan::{BOTH, HOST, Lan, NEIGHBOUR, Place, Transport};

struct Hosts {
    lan: Lan,
    second: Scenario,
}

/// The options that both hosts get.
const COMMON: [&str; 8] = ["network", "create", "-d", "vxlan", "-o", "vni=42", "--subnet", "10.9.0.0/24"];
const FIRST: [&str; 4] = ["--ip-range", "10.9.0.0/25", "--peer", NEIGHBOUR];
const SECOND: [&str; 4] = ["--ip-range", "10.9.0.128/25", "--peer", HOST];

impl Hosts {
    fn start() -> Option<Self> {
        let lan = Lan::start()?;
        let second = lan.t.second_root();
        second.busybox();
        Some(Self { lan, second })
    }

    /// A command on the second host.
    #[track_caller]
    fn there(&self, args: &[&str]) -> String {
        self.lan.neighbour.inside(|| self.second.ok(args))
    }

    /// The network `far` on both hosts.
    fn connect(&self, more: &[&str], first: &[&str], second: &[&str]) {
        self.lan.t.ok(&[&COMMON[..], &FIRST, more, first, &["far"]].concat());
        self.there(&[&COMMON[..], &SECOND, more, second, &["far"]].concat());
    }

    /// A container on the second host.
    fn run_there(&self, name: &str) -> Place {
        self.there(&["run", "-d", "--name", name, "--network", "far", "busybox", "sleep", "300"]);
        let pid = self.there(&["inspect", "-f", "{{.State.Pid}}", name]);
        Place(File::open(format!("/proc/{pid}/ns/net")).expect("it runs"))
    }

    /// Removes the network from both hosts, so that nothing of it is left.
    fn end(self) {
        self.lan.t.ok(&["network", "rm", "far"]);
        self.there(&["network", "rm", "far"]);
        for place in [&self.lan.host, &self.lan.neighbour] {
            // Veth pairs are removed with their namespaces, which the kernel does in the background.
            eventually("no link of the network's or its containers' is left", || {
                let links = place.sh("ip -o link");
                !links.contains("hl-") && !links.contains("hx-") && !links.contains("veth")
            });
        }
        drop(self.lan);
    }
}

/// A host on the same LAN that is not a peer.
fn stranger(lan: &Lan) -> Place {
    let place = Place::new();
    let netns = place.path();
    lan.neighbour.sh(&format!("ip link add link eth0 name eth0 netns {netns} type macvlan mode bridge"));
    place.sh(&format!("ip addr add {STRANGER}/24 dev eth0; ip -6 addr add {STRANGER6}/64 dev eth0 nodad"));
    place.sh("ip link set eth0 up");
    place
}

const STRANGER: &str = "198.51.100.3";
const STRANGER6: &str = "fd00:1::3";

/// A tunnel that somebody made by hand, with an address in the network.
fn dig(from: &Place, address: &str, number: &str, to: &str) {
    from.sh(&format!("ip link add dug0 type vxlan {number} remote {to}"));
    from.sh(&format!("ip addr add {address}/24 dev dug0; ip link set dug0 up"));
}

/// On a host with br_netfilter.
const BRIDGE_NF: &str = "/proc/sys/net/bridge";

#[track_caller]
fn assert_reaches(from: &Place, address: &str) {
    assert!(from.pings(address), "{address} does not answer");
}

#[test]
fn containers_on_two_hosts_reach_each_other() {
    let Some(hosts) = Hosts::start() else { return };
    hosts.connect(&[], &[], &[]);
    let lan = &hosts.lan;
    let here = lan.server("here", &["--network", "far", "-p", "8080:80", "-p", "8080:80/udp"]);
    let there = hosts.run_there("there");
    lan.serve(&there, "0.0.0.0:80");
    // Each host is the gateway of its own containers, and gives addresses from its own part of the subnet.
    assert_eq!((lan.address("here"), lan.gateway("here")), ("10.9.0.2".into(), "10.9.0.1".into()));
    assert_reaches(&here, "10.9.0.129");
    for transport in BOTH {
        assert_eq!(here.ask(transport, "10.9.0.129:80"), lan.address("here"));
        assert_eq!(there.ask(transport, &format!("{}:80", lan.address("here"))), "10.9.0.129");
        // The hosts are reachable as they are for the containers of any other network.
        assert_eq!(lan.neighbour.ask(transport, &format!("{HOST}:8080")), NEIGHBOUR);
    }
    // A published port answers at the address that its host has in the network, for all members, whether or not bridged
    // packets pass the host's rules.
    for passes in ["1", "0"] {
        lan.host.sh(&format!("! test -d {BRIDGE_NF} || echo {passes} > {BRIDGE_NF}/bridge-nf-call-iptables"));
        for transport in BOTH {
            there.ask(transport, "10.9.0.1:8080");
        }
    }
    // The link below carries 1500 bytes, and the outer headers need 50 of them. A packet that fits is not fragmented.
    assert!(here.sh("ip -o link show eth0").contains("mtu 1450 "));
    here.sh("busybox ping -c 1 -W 10 -s 1422 10.9.0.129");
    let tunnel = lan.host.sh("ip -d -o link show type vxlan");
    for part in ["vxlan id 42", "local 198.51.100.1", "dstport 4789", "mtu 1450"] {
        assert!(tunnel.contains(part), "{part} in {tunnel}");
    }
    lan.stop_serving();
    drop((here, there));
    lan.t.ok(&["rm", "-f", "here"]);
    hosts.there(&["rm", "-f", "there"]);
    hosts.end();
}

#[test]
fn ipv6_crosses_and_so_do_other_ports_and_addresses_below() {
    let Some(hosts) = Hosts::start() else { return };
    let lan = &hosts.lan;
    lan.host.sh("ip -6 addr add fd00:1::1/64 dev lan0 nodad");
    lan.neighbour.sh("ip -6 addr add fd00:1::2/64 dev eth0 nodad");
    let create = ["network", "create", "-d", "vxlan", "-o", "id=7", "-o", "port=4790", "--ipv6"];
    let subnets = ["--subnet", "10.9.0.0/24", "--subnet", "fd00:9::/64"];
    let first = ["--ip-range", "10.9.0.0/25", "--ip-range", "fd00:9::1:0/112", "-o", "peer=fd00:1::2"];
    let second = ["--ip-range", "10.9.0.128/25", "--ip-range", "fd00:9::2:0/112", "-o", "peer=fd00:1::1"];
    lan.t.ok(&[&create[..], &subnets, &first, &["-o", "local=fd00:1::1", "far"]].concat());
    hosts.there(&[&create[..], &subnets, &second, &["far"]].concat());
    let here = lan.run("here", &["--network", "far"]);
    let there = hosts.run_there("there");
    lan.serve(&there, "[::]:80");
    let address =
        hosts.there(&["inspect", "-f", "{{.NetworkSettings.Networks.far.GlobalIPv6Address}}", "there"]);
    let own = lan.t.inspect("here", "{{.NetworkSettings.Networks.far.GlobalIPv6Address}}");
    assert!(address.starts_with("fd00:9::2:") && own.starts_with("fd00:9::1:"), "{address} {own}");
    assert_reaches(&here, "10.9.0.129");
    for transport in BOTH {
        assert_eq!(here.ask(transport, &format!("[{address}]:80")), own);
    }
    assert!(here.sh("ip -o link show eth0").contains("mtu 1430 "), "20 more for IPv6 below");
    let stranger = stranger(lan);
    dig(&stranger, "10.9.0.200", "id 7 dstport 4790", "fd00:1::1");
    assert_reaches(&stranger, "fd00:1::1");
    assert!(stranger.never_pings("10.9.0.2"));
    lan.stop_serving();
    drop((here, there));
    lan.t.ok(&["rm", "-f", "here"]);
    hosts.there(&["rm", "-f", "there"]);
    hosts.end();
}

#[test]
fn only_peers_get_into_a_vxlan() {
    let Some(hosts) = Hosts::start() else { return };
    hosts.connect(&[], &[], &[]);
    let lan = &hosts.lan;
    let here = lan.run("here", &["--network", "far"]);
    let there = hosts.run_there("there");
    let stranger = stranger(lan);
    dig(&stranger, "10.9.0.200", "id 42 dstport 4789", HOST);
    let beside = lan.run("beside", &[]);
    dig(&beside, "10.9.0.201", "id 42 dstport 4789", &lan.gateway("beside"));
    assert_reaches(&stranger, HOST);
    assert_reaches(&there, "10.9.0.2");
    assert!(stranger.never_pings("10.9.0.2"), "a host that is no peer");
    assert!(beside.never_pings("10.9.0.2"), "a container on another network");
    // Every packet from this host to the other one has this host's address as its source. Without that no answer would
    // arrive.
    let through = lan.run("through", &[]);
    dig(&through, "10.9.0.202", "id 42 dstport 4789", NEIGHBOUR);
    assert!(through.never_pings("10.9.0.129"));
    let heard_of = there.sh("ip neigh");
    assert!(heard_of.contains("10.9.0.2 ") && !heard_of.contains("10.9.0.202 "), "{heard_of}");
    // Rules that another tool has removed are added again.
    if hull_test_support::skip::find_program("nft").is_some() {
        lan.host.sh("nft flush ruleset");
        assert_reaches(&stranger, "10.9.0.2");
        lan.t.ok(&["network", "reload"]);
        assert!(stranger.never_pings("10.9.0.2"));
    }
    assert_reaches(&there, "10.9.0.2");
    drop((here, beside, through));
    lan.t.ok(&["rm", "-f", "here", "beside", "through"]);
    lan.t.ok(&["network", "rm", "far"]);
    // The number is free for other uses by the host.
    lan.host.sh(&format!("ip link add own0 type vxlan id 42 dstport 4789 local {HOST} remote {STRANGER}"));
    lan.host.sh("ip addr add 10.9.0.77/24 dev own0; ip link set own0 up");
    assert_reaches(&stranger, "10.9.0.77");
    lan.host.sh("ip link delete own0");
    // Packets of a peer are accepted.
    lan.t.ok(&[&COMMON[..], &FIRST, &["--peer", STRANGER, "far"]].concat());
    let here = lan.run("here", &["--network", "far"]);
    assert_reaches(&stranger, "10.9.0.2");
    drop((here, there));
    lan.t.ok(&["rm", "-f", "here"]);
    hosts.there(&["rm", "-f", "there"]);
    hosts.end();
}

#[test]
fn a_vxlan_is_joined_and_left_and_survives_a_killed_monitor() {
    let Some(hosts) = Hosts::start() else { return };
    hosts.connect(&[], &[], &[]);
    let lan = &hosts.lan;
    let place = lan.run("box", &[]);
    let there = hosts.run_there("there");
    lan.t.ok(&["network", "connect", "--ip", "10.9.0.9", "far", "box"]);
    assert_reaches(&there, "10.9.0.9");
    lan.t.ok(&["network", "disconnect", "far", "box"]);
    assert!(there.never_pings("10.9.0.9"));
    // The next container that starts makes the tunnel again.
    lan.host.sh("ip link delete $(ip -o link show type vxlan | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/')");
    lan.t.ok(&["network", "connect", "--ip", "10.9.0.9", "far", "box"]);
    assert_reaches(&there, "10.9.0.9");
    let monitor = nix::unistd::Pid::from_raw(lan.t.monitor_of("box"));
    nix::sys::signal::kill(monitor, nix::sys::signal::SIGKILL).unwrap();
    eventually("it is cleared", || lan.t.inspect("box", "{{.State.Status}}") == "exited");
    drop(place);
    lan.t.ok(&["start", "box"]);
    assert_reaches(&there, "10.9.0.9");
    drop(there);
    lan.t.ok(&["rm", "-f", "box"]);
    hosts.there(&["rm", "-f", "there"]);
    hosts.end();
}

#[test]
fn a_vxlan_without_a_way_out_still_reaches_the_other_host() {
    let Some(hosts) = Hosts::start() else { return };
    hosts.connect(&["--internal"], &[], &[]);
    let here = hosts.lan.run("here", &["--network", "far"]);
    let there = hosts.run_there("there");
    assert_reaches(&here, "10.9.0.129");
    hosts.lan.serve(&hosts.lan.neighbour, "0.0.0.0:90");
    here.assert_refused(Transport::Tcp, &format!("{NEIGHBOUR}:90"));
    hosts.lan.stop_serving();
    drop((here, there));
    hosts.lan.t.ok(&["rm", "-f", "here"]);
    hosts.there(&["rm", "-f", "there"]);
    hosts.end();
}

#[test]
fn nonsense_makes_no_vxlan() {
    let Some(lan) = Lan::start() else { return };
    let t = &lan.t;
    t.ok(&[&COMMON[..], &FIRST, &["taken"]].concat());
    let range = ["--subnet", "10.8.0.0/24", "--ip-range", "10.8.0.0/25"];
    let vni = ["-o", "vni=9"];
    let peer = ["--peer", NEIGHBOUR];
    for (options, why) in [
        (&[&peer[..], &range].concat(), "the same on every host: -o vni=42"),
        (&[&vni[..], &range].concat(), "other hosts' addresses: --peer"),
        (&[&vni[..], &peer].concat(), "as with --subnet"),
        (&[&vni[..], &peer, &range[..2]].concat(), "each needs an --ip-range of 10.8.0.0/24"),
        (
            &[&vni[..], &peer, &range, &["--gateway", "10.8.0.200"]].concat(),
            "is not in the range 10.8.0.0/25",
        ),
        (&[&vni[..], &peer, &range, &["--ipv6"]].concat(), "--subnet 2001:db8::/64"),
        (&[&["-o", "vni=0"], &peer[..], &range].concat(), "1 to 16777215"),
        (&[&["-o", "vni=16777216"], &peer[..], &range].concat(), "1 to 16777215"),
        (&[&["-o", "vni=42"], &peer[..], &range].concat(), "it is the number of network taken"),
        (&[&vni[..], &peer, &range, &["-o", "id=8"]].concat(), "another name of vni"),
        (&[&vni[..], &peer, &range, &["-o", "port=0"]].concat(), "a port is 1 to 65535"),
        (&[&vni[..], &peer, &range, &["-o", "mtu=1500"]].concat(), "has 1500, of which 1450 are left"),
        (
            &[&vni[..], &peer, &range, &["-o", "local=192.0.2.9"]].concat(),
            "no link of this host has the address",
        ),
        (&[&vni[..], &peer, &range, &["-o", "local=fd00::1"]].concat(), "all by IPv4 or all by IPv6"),
        (
            &[&vni[..], &peer, &range, &["-o", "bridge.enable_icc=false"]].concat(),
            "bridge.host_binding_ipv4, vni",
        ),
        (&[&vni[..], &peer, &peer, &range].concat(), "it is given twice"),
        (&[&vni[..], &["--peer", HOST], &range].concat(), "it is an address of this host"),
        (&[&vni[..], &["--peer", "127.0.0.1"], &range].concat(), "it is no host's address"),
        (&[&vni[..], &["-o", "peer=somebody"], &range].concat(), "it is no host's address"),
        (&[&vni[..], &["--peer", "203.0.113.9"], &range].concat(), "the host has no route to it"),
    ] {
        let refused = t.hull(&[&["network", "create", "-d", "vxlan"], options.as_slice(), &["new"]].concat());
        assert!(!refused.success() && refused.stderr.contains(why), "{why}: {refused}");
    }
    assert_eq!(t.ok(&["network", "ls", "-q", "-f", "driver=vxlan"]).lines().count(), 1);
    // A tunnel of somebody else has the number: the start fails and leaves nothing behind.
    lan.host.sh("ip link add other0 type vxlan id 42 local 198.51.100.1 dstport 4789");
    let refused = t.hull(&["run", "--rm", "--network", "taken", "busybox", "true"]);
    assert!(refused.fails(125).contains("another link of the host's has the number"), "{refused}");
    lan.host.sh("ip link delete other0");
    // The same if another program has the port.
    let socket = lan.host.inside(|| std::net::UdpSocket::bind("0.0.0.0:4789").unwrap());
    let refused = t.hull(&["run", "--rm", "--network", "taken", "busybox", "true"]);
    assert!(refused.fails(125).contains("another program has the UDP port"), "{refused}");
    drop(socket);
    let links = lan.host.sh("ip -o link");
    assert!(!links.contains("hl-") && !links.contains("hx-"), "{links}");
    t.ok(&["network", "rm", "taken"]);
}
