//! A bridge that has a link of the host as one of its ports: its containers are on that link's LAN and keep to their own
//! addresses.

use hull_test_support::outcome::eventually;

mod lan;
use lan::{BOTH, HOST, Lan, NEIGHBOUR, Place};

/// An address of the neighbour, which is the router of this LAN.
const ROUTER: &str = "192.0.2.1";

/// A LAN, a second veth pair to its neighbour, and the network `wire` on that pair.
fn start() -> Option<Lan> {
    let lan = Lan::start()?;
    let netns = lan.neighbour.path();
    lan.host.sh(&format!("ip link add wire0 type veth peer name wire1 netns {netns}; ip link set wire0 up"));
    lan.neighbour.sh(&format!("ip addr add {ROUTER}/24 dev wire1; ip link set wire1 up"));
    let create = ["network", "create", "--parent", "wire0", "--subnet", "192.0.2.0/24", "wire"];
    lan.t.ok(&create);
    Some(lan)
}

/// Removes the network and the link. The link then belongs to the host again.
fn end(lan: &Lan) {
    lan.t.ok(&["network", "rm", "wire"]);
    assert!(!lan.host.sh("ip -o link show wire0").contains("master"));
    lan.host.sh("ip link delete wire0");
}

#[track_caller]
fn assert_reaches(from: &Place, address: &str) {
    assert!(from.pings(address), "{address} does not answer");
}

#[test]
fn a_bridge_with_a_parent_is_on_its_wire_without_the_host() {
    let Some(lan) = start() else { return };
    let one = lan.server("one", &["--network", "wire"]);
    let two = lan.run("two", &["--network", "wire"]);
    assert_eq!((lan.address("one"), lan.gateway("one")), ("192.0.2.2".into(), ROUTER.into()));
    assert_reaches(&one, ROUTER);
    lan.serve(&lan.neighbour, "0.0.0.0:90");
    for transport in BOTH {
        assert_eq!(lan.neighbour.ask(transport, "192.0.2.2:80"), ROUTER);
        assert_eq!(one.ask(transport, &format!("{ROUTER}:90")), "192.0.2.2");
        assert_eq!(two.ask(transport, "192.0.2.2:80"), "192.0.2.3");
    }
    let mac = lan.t.inspect("one", "{{.NetworkSettings.Networks.wire.MacAddress}}");
    assert!(lan.neighbour.sh("ip neigh show 192.0.2.2").contains(&mac), "by its own address on the wire");
    // The host answers on this LAN for none of its addresses, neither to ARP nor to a forced packet. An answer could be
    // sent, because the router knows the way back.
    lan.host.sh(&format!(
        "ip route add 192.0.2.0/24 via {NEIGHBOUR}; echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter"
    ));
    lan.neighbour.sh("echo 1 > /proc/sys/net/ipv4/ip_forward");
    assert_reaches(&one, HOST);
    one.sh(&format!("ip route add {HOST}/32 dev eth0"));
    assert!(one.never_pings(HOST));
    let bridge = lan.t.inspect("wire", "{{.Bridge}}");
    assert_eq!(lan.host.sh(&format!("ip -o addr show dev {bridge}")), "");
    assert!(lan.host.sh("ip -o link show wire0").contains(&format!("master {bridge}")));
    // The whole LAN sees a container under its own address.
    one.sh("ip addr add 192.0.2.77/24 dev eth0");
    assert!(!one.try_sh(&format!("busybox ping -c 1 -W 1 -I 192.0.2.77 {ROUTER}")).success());
    one.sh("ip addr del 192.0.2.77/24 dev eth0; ip link set eth0 address 02:00:00:00:00:77");
    assert!(one.never_pings(ROUTER));
    lan.stop_serving();
    drop((one, two));
    lan.t.ok(&["rm", "-f", "one", "two"]);
    end(&lan);
}

#[test]
fn a_parent_is_put_back_and_containers_come_and_go() {
    let Some(lan) = start() else { return };
    let t = &lan.t;
    let place = lan.run("box", &[]);
    t.ok(&["network", "connect", "--ip", "192.0.2.9", "wire", "box"]);
    assert_reaches(&lan.neighbour, "192.0.2.9");
    t.ok(&["network", "disconnect", "wire", "box"]);
    assert!(lan.neighbour.never_pings("192.0.2.9") && !place.try_sh("ip link show eth1").success());
    // Somebody has removed the parent from the bridge. The next container that starts adds it again.
    lan.host.sh("ip link set wire0 nomaster");
    t.ok(&["network", "connect", "--ip", "192.0.2.9", "wire", "box"]);
    assert_reaches(&lan.neighbour, "192.0.2.9");
    let monitor = nix::unistd::Pid::from_raw(t.monitor_of("box"));
    nix::sys::signal::kill(monitor, nix::sys::signal::SIGKILL).unwrap();
    eventually("it is cleared", || t.inspect("box", "{{.State.Status}}") == "exited");
    drop(place);
    t.ok(&["start", "box"]);
    assert_reaches(&lan.neighbour, "192.0.2.9");
    t.ok(&["rm", "-f", "box"]);
    end(&lan);
}

#[test]
fn nonsense_makes_no_bridge_with_a_parent() {
    let Some(lan) = start() else { return };
    let t = &lan.t;
    lan.host.sh("ip link add br9 type bridge; ip link set br9 up");
    lan.host.sh("ip link add port0 type veth peer name port1; ip link set port0 master br9 up");
    for (options, why) in [
        (
            &["-o", "parent=lan0"][..],
            "would lose its address 198.51.100.1 there\nhint: -d macvlan -o parent=lan0",
        ),
        (&["-o", "parent=nosuch0"], "there is no such link"),
        (&["-o", "parent=lo"], "nobody else is on it"),
        (&["-o", "parent=port1"], "it is down\nhint: ip link set port1 up"),
        (&["-o", "parent=port0"], "it is a port of another bridge"),
        (&["-o", "parent=br9"], "it is a bridge itself"),
        (&["-o", "parent=wire0"], "it is network wire's"),
        (&["-o", "parent=wire0", "-o", "bridge.enable_icc=false"], "has mtu, bridge.name, parent"),
        (&["-o", "parent=wire0", "--internal"], "on the LAN, which is outside"),
    ] {
        let subnet = ["--subnet", "203.0.113.0/24", "new"];
        let refused = t.hull(&[&["network", "create"], options, &subnet].concat());
        assert!(!refused.success() && refused.stderr.contains(why), "{why}: {refused}");
    }
    let refused = t.hull(&["network", "create", "--parent", "wire0", "new"]);
    assert!(refused.fails(1).contains("as with --subnet 192.0.2.0/24"), "{refused}");
    // A network that cannot be made when it is needed leaves nothing behind.
    lan.host.sh("ip addr add 192.0.2.200/24 dev wire0");
    let refused = t.hull(&["run", "--rm", "--network", "wire", "busybox", "true"]);
    assert!(refused.fails(125).contains("would lose its address 192.0.2.200"), "{refused}");
    let bridge = t.inspect("wire", "{{.Bridge}}");
    assert!(!lan.host.try_sh(&format!("ip link show {bridge}")).success());
    lan.host.sh("ip addr del 192.0.2.200/24 dev wire0; ip link delete br9; ip link delete port0");
    assert!(
        t.hull(&["run", "--rm", "--network", "wire", "-p", "80:80", "busybox", "true"])
            .fails(125)
            .contains("leave -p out")
    );
    end(&lan);
}
