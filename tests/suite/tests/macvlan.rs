//! Containers on the host's LAN. Each one looks like a machine of its own there.

use hull_test_support::outcome::eventually;

mod lan;
use lan::{BOTH, HOST, Lan, NEIGHBOUR, Transport};

/// A LAN with the network `wire` on it.
fn start() -> Option<Lan> {
    let lan = Lan::start()?;
    lan.create_wire();
    Some(lan)
}

#[test]
fn a_macvlan_container_is_on_the_lan_and_does_not_reach_its_own_host() {
    let Some(lan) = start() else { return };
    let before = lan.host.sh("ip -o link | wc -l");
    let one = lan.server("one", &["--network", "wire"]);
    let two = lan.run("two", &["--network", "wire"]);
    // The host has .1, the router .2.
    assert_eq!((lan.address("one"), lan.gateway("one")), ("198.51.100.3".into(), NEIGHBOUR.into()));
    lan.serve(&lan.neighbour, "0.0.0.0:90");
    for transport in BOTH {
        // No port is published and no address is translated.
        assert_eq!(lan.neighbour.ask(transport, "198.51.100.3:80"), NEIGHBOUR);
        assert_eq!(one.ask(transport, &format!("{NEIGHBOUR}:90")), "198.51.100.3");
        assert_eq!(two.ask(transport, "198.51.100.3:80"), "198.51.100.4");
    }
    assert!(one.never_pings(HOST) && lan.host.never_pings("198.51.100.3"));
    // Networks behind the LAN are reached through the router.
    lan.neighbour.sh("ip addr add 203.0.113.1/32 dev lo");
    assert!(one.pings("203.0.113.1"));
    assert_eq!(lan.t.ok(&["exec", "two", "nslookup", "one"]).matches("198.51.100.3").count(), 1);
    assert_eq!(lan.t.inspect("wire", "{{.Driver}} {{.Options.parent}}"), "macvlan lan0");
    let mac = lan.t.inspect("one", "{{.NetworkSettings.Networks.wire.MacAddress}}");
    assert!(lan.neighbour.sh("ip neigh show 198.51.100.3").contains(&mac));
    // The container has no address of the host.
    assert_eq!(lan.host.sh("ip -o link | wc -l"), before);
    lan.stop_serving();
    drop((one, two));
    lan.t.ok(&["rm", "-f", "one", "two"]);
    lan.t.ok(&["network", "rm", "wire"]);
}

#[test]
fn a_macvlan_is_connected_and_disconnected_while_the_container_runs() {
    let Some(lan) = start() else { return };
    let place = lan.run("box", &[]);
    lan.t.ok(&["network", "connect", "--ip", "198.51.100.9", "wire", "box"]);
    assert!(lan.neighbour.pings("198.51.100.9"));
    assert!(place.sh("ip -d -o link show eth1").contains("macvlan mode bridge"));
    // The default route stays the one that it had.
    assert!(place.sh("ip route show default").contains("dev eth0"));
    lan.t.ok(&["network", "disconnect", "wire", "box"]);
    assert!(!place.try_sh("ip link show eth1").success());
    assert!(lan.neighbour.never_pings("198.51.100.9"));
    // The address is free again, and a container that leaves the bridge reaches the outside over the LAN.
    lan.t.ok(&["network", "connect", "--ip", "198.51.100.9", "wire", "box"]);
    lan.t.ok(&["network", "disconnect", "bridge", "box"]);
    assert!(place.sh("ip route show default").contains(&format!("via {NEIGHBOUR} dev eth1")));
    drop(place);
    lan.t.ok(&["restart", "-t", "0", "box"]);
    assert!(lan.neighbour.pings("198.51.100.9"));
    lan.t.ok(&["rm", "-f", "box"]);
    lan.t.ok(&["network", "rm", "wire"]);
}

#[test]
fn the_modes_are_the_kernels() {
    let Some(lan) = Lan::start() else { return };
    for mode in ["private", "vepa"] {
        let option = format!("macvlan_mode={mode}");
        lan.t.ok(&[
            "network",
            "create",
            "-d",
            "macvlan",
            "-o",
            "parent=lan0",
            "-o",
            &option,
            "-o",
            "mtu=1400",
            "--subnet",
            "198.51.100.0/24",
            mode,
        ]);
        let one = lan.run("one", &["--network", mode]);
        lan.run("two", &["--network", mode]);
        assert!(one.sh("ip -d -o link show eth0").contains("mtu 1400 "));
        assert!(one.sh("ip -d -o link show eth0").contains(&format!("macvlan mode {mode}")));
        assert!(one.pings(NEIGHBOUR) && one.never_pings(&lan.address("two")));
        drop(one);
        lan.t.ok(&["rm", "-f", "one", "two"]);
        lan.t.ok(&["network", "rm", mode]);
    }
}

#[test]
fn ipv6_on_the_lan_is_the_lans() {
    let Some(lan) = Lan::start() else { return };
    lan.neighbour.sh("ip -6 addr add fd00:1::2/64 dev eth0 nodad");
    lan.t.ok(&[
        "network",
        "create",
        "-d",
        "macvlan",
        "-o",
        "parent=lan0",
        "--subnet",
        "198.51.100.0/24",
        "--ipv6",
        "--subnet",
        "fd00:1::/64",
        "--ip-range",
        "fd00:1::100/120",
        "six",
    ]);
    let six = lan.run("six", &["--network", "six"]);
    assert_eq!(lan.t.inspect("six", "{{.NetworkSettings.Networks.six.GlobalIPv6Address}}"), "fd00:1::100");
    lan.serve(&lan.neighbour, "[::]:90");
    assert_eq!(six.ask(Transport::Tcp, "[fd00:1::2]:90"), "fd00:1::100");
    lan.stop_serving();
    drop(six);
    lan.t.ok(&["rm", "-f", "six"]);
    lan.t.ok(&["network", "rm", "six"]);
}

#[test]
fn a_killed_monitor_and_a_container_that_shares_leave_no_macvlan() {
    let Some(lan) = start() else { return };
    let t = &lan.t;
    lan.run("one", &["--network", "wire", "--ip", "198.51.100.9"]);
    let guest = lan.run("guest", &["--network", "container:one"]);
    assert!(guest.pings(NEIGHBOUR));
    let monitor = nix::unistd::Pid::from_raw(t.monitor_of("one"));
    nix::sys::signal::kill(monitor, nix::sys::signal::SIGKILL).unwrap();
    eventually("it is cleared", || t.inspect("one", "{{.State.Status}}") == "exited");
    // Another container may get its address, so the killed container must not keep it.
    assert!(!guest.try_sh("ip link show eth0").success() && guest.never_pings(NEIGHBOUR));
    lan.run("two", &["--network", "wire", "--ip", "198.51.100.9"]);
    assert!(lan.neighbour.pings("198.51.100.9"));
    // The same if the container ends normally.
    let guest_of_two = lan.run("guest2", &["--network", "container:two"]);
    t.ok(&["stop", "-t", "0", "two"]);
    eventually("the guest has lost it", || !guest_of_two.try_sh("ip link show eth0").success());
    drop((guest, guest_of_two));
    t.ok(&["rm", "-f", "one", "two", "guest", "guest2"]);
    t.ok(&["network", "rm", "wire"]);
}

#[test]
fn nonsense_makes_no_macvlan_and_starts_no_container() {
    let Some(lan) = start() else { return };
    let t = &lan.t;
    lan.host.sh("ip link add off0 type veth peer name off1");
    let lan_wide = ["--subnet", "203.0.113.0/24"];
    for (options, why) in [
        (&["-d", "macvlan"][..], "needs a link of the host: --parent"),
        (&["-d", "macvlan", "-o", "parent=lan0"], "with --subnet 192.0.2.0/24"),
        (&["-d", "macvlan", "-o", "parent=nosuch0"], "no such link"),
        (&["-d", "macvlan", "-o", "parent=lo"], "nobody else is on it"),
        (&["-d", "macvlan", "-o", "parent=off0"], "it is down\nhint: ip link set off0 up"),
        (&["-d", "macvlan", "-o", "parent=a/b"], "invalid link name"),
        (&["-d", "macvlan", "-o", "parent=lan0", "--parent", "off0"], "name two links"),
        (&["-d", "macvlan", "-o", "parent=lan0", "-o", "macvlan_mode=x"], "bridge, private or vepa"),
        (&["-d", "macvlan", "-o", "parent=lan0", "-o", "mtu=9000"], "its parent lan0 has 1500"),
        (&["-d", "macvlan", "-o", "parent=lan0", "-o", "bridge.name=x"], "has mtu, parent, macvlan_mode"),
        (&["-d", "macvlan", "-o", "parent=lan0", "--internal"], "on the LAN, which is outside"),
        (&["-d", "macvlan", "-o", "parent=lan0", "--ipv6"], "--subnet 2001:db8::/64"),
        (&["-d", "ipvlan", "-o", "parent=lan0"], "no such network driver: ipvlan\nhint: -d macvlan"),
        (&["-d", "nosuch"], "no such network driver: nosuch\nhint: the drivers are bridge"),
    ] {
        let subnet: &[&str] = if why.contains("192.0.2.0") { &[] } else { &lan_wide };
        let refused = t.hull(&[&["network", "create"], options, subnet, &["new"]].concat());
        assert!(!refused.success() && refused.stderr.contains(why), "{why}: {refused}");
    }
    assert_eq!(t.ok(&["network", "ls", "-q", "-f", "driver=macvlan"]).lines().count(), 1);
    for (options, why) in [
        (&["--ip", HOST][..], "in use by a host of the LAN"),
        (&["--ip", NEIGHBOUR], "the gateway"),
        (&["--ip", "10.0.0.9"], "outside the subnet"),
        (&["-p", "80:80"], "where all their ports are open; leave -p out"),
    ] {
        let run = ["run", "--rm", "--network", "wire"];
        let refused = t.hull(&[&run[..], options, &["busybox", "true"]].concat());
        assert!(refused.fails(125).contains(why), "{why}: {refused}");
    }
    // The parent was suitable when the network was made, but it can change later.
    lan.host.sh("ip link set lan0 down");
    let refused = t.hull(&["run", "--rm", "--network", "wire", "busybox", "true"]);
    assert!(refused.fails(125).contains("it is down"), "{refused}");
    lan.host.sh("ip link set lan0 up; ip link add br9 type bridge; ip link set lan0 master br9");
    let refused = t.hull(&["run", "--rm", "--network", "wire", "busybox", "true"]);
    assert!(refused.fails(125).contains("it is a port of a bridge"), "{refused}");
    lan.host.sh("ip link delete br9; ip link delete off0");
    t.ok(&["network", "rm", "wire"]);
}
