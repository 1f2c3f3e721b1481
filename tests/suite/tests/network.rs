//! Networks: the containers on each, the connections between them, and the output of `hull network`.

use hull_test_support::Scenario;
use hull_test_support::outcome::eventually;

mod lan;
use lan::{Lan, NEIGHBOUR, Transport};

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn networks_are_made_listed_inspected_and_removed() {
    let Some(t) = Scenario::with_busybox() else { return };
    let id = t.ok(&["network", "create", "--subnet", "10.5.0.0/16", "--label", "k=v", "one"]);
    assert_eq!(id.len(), 64);
    t.ok(&["network", "create", "-o", "com.docker.network.driver.mtu=1400", "--internal", "two"]);
    let names = t.ok(&["network", "ls", "--format", "{{.Name}} {{.Driver}}"]);
    assert_eq!(names, "bridge bridge\nhost host\nnone null\none bridge\ntwo bridge");
    assert_eq!(t.ok(&["network", "ls", "-q", "--no-trunc", "-f", "label=k"]), id);
    t.ok(&["run", "-d", "--name", "box", "--network", "one", "busybox", "sleep", "300"]);
    let one = &json(&t.ok(&["network", "inspect", "one"]))[0];
    assert_eq!((&one["Id"], &one["Internal"]), (&id.as_str().into(), &false.into()));
    assert_eq!(one["IPAM"]["Config"][0]["Subnet"], "10.5.0.0/16");
    assert_eq!(one["IPAM"]["Config"][0]["Gateway"], "10.5.0.1");
    let containers = one["Containers"].as_object().unwrap();
    assert_eq!(containers.values().next().unwrap()["IPv4Address"], "10.5.0.2/16");
    assert_eq!(t.inspect("box", "{{.NetworkSettings.Networks.one.IPAddress}}"), "10.5.0.2");
    assert_eq!(t.inspect("box", "{{.HostConfig.NetworkMode}}"), "one");
    let refused = t.hull(&["network", "rm", "one"]);
    assert!(refused.fails(1).contains("network one is in use by container box"), "{refused}");
    t.ok(&["rm", "-f", "box"]);
    assert_eq!(t.inspect("two", "{{.Internal}}"), "true");
    assert_eq!(t.ok(&["inspect", "--type", "network", "-f", "{{.Id}}", "one"]), id);
    t.ok(&["network", "rm", &id[..12]]);
    assert!(t.ok(&["system", "prune", "-f"]).contains("Deleted Networks:\ntwo"));
    assert!(t.hull(&["network", "inspect", "one"]).fails(1).contains("No such network: one"));
    assert!(t.hull(&["network", "rm", "bridge"]).fails(1).contains("pre-defined"));
    t.ok(&["network", "rm", "-f", "one"]);
}

#[test]
fn nonsense_makes_no_network() {
    let Some(t) = Scenario::start() else { return };
    t.ok(&["network", "create", "--subnet", "10.5.0.0/16", "-o", "bridge.name=mine", "taken"]);
    for (options, why) in [
        (&["--subnet", "10.5.1.0/24"][..], "overlaps with 10.5.0.0/16 of network taken"),
        (&["--subnet", "10.0.0.0/8"], "overlaps"),
        (&["--subnet", "10.6.0.1/16"], "it begins at 10.6.0.0/16"),
        (&["--subnet", "10.6.0.0"], "no prefix length"),
        (&["--subnet", "10.6.0.0/31"], "no room"),
        (&["--subnet", "127.0.0.0/8"], "no container can be there"),
        (&["--subnet", "10.6.0.0/16", "--gateway", "10.7.0.1"], "no subnet of the network contains it"),
        (&["--subnet", "10.6.0.0/16", "--gateway", "10.6.0.0"], "own address"),
        (&["--subnet", "10.6.0.0/16", "--ip-range", "10.7.0.0/24"], "no subnet of the network contains it"),
        (&["--subnet", "fd00:6::/64"], "add --ipv6"),
        (&["--subnet", "10.6.0.0/16", "--subnet", "10.7.0.0/16"], "one of IPv4"),
        (&["-o", "mtu=1"], "68 to 65535"),
        (&["-o", "colour=blue"], "bridge.enable_icc"),
        (&["-o", "bridge.name=mine"], "another link's"),
        (&["-o", "bridge.name=lo"], "another link's"),
        (&["-o", "bridge.name=hull0"], "hull's own links"),
        (&["-o", "bridge.name=hull0-1234"], "hull's own links"),
        (&["-o", "bridge.name=hl-mine"], "hull's own links"),
        (&["-o", "bridge.name=veth0123456"], "hull's own links"),
        (&["-o", "bridge.host_binding_ipv4=::1"], "no IPv4 address"),
        (&["-o", "bridge.name=a-name-that-is-too-long"], "invalid link name"),
        (&["-d", "ipvlan"], "no such network driver: ipvlan"),
    ] {
        let refused = t.hull(&[&["network", "create"], options, &["new"]].concat());
        assert!(!refused.success() && refused.stderr.contains(why), "{refused}");
    }
    for name in ["taken", "bridge", "host", "none", "a/b", ".."] {
        assert!(!t.hull(&["network", "create", name]).success(), "{name}");
    }
    assert_eq!(t.ok(&["network", "ls", "-q", "-f", "driver=bridge"]).lines().count(), 2);
    t.ok(&["network", "rm", "taken"]);
}

#[test]
fn an_address_can_be_asked_for_and_is_had_once() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["network", "create", "--subnet", "10.5.0.0/29", "small"]);
    let run = |name: &str, options: &[&str]| {
        let args = ["run", "-d", "--name", name, "--network", "small"];
        t.hull(&[&args[..], options, &["busybox", "sleep", "300"]].concat())
    };
    run("one", &["--ip", "10.5.0.6", "--mac-address", "02:00:00:00:00:09"]).ok();
    assert_eq!(t.inspect("one", "{{.NetworkSettings.Networks.small.IPAddress}}"), "10.5.0.6");
    let mac = t.ok(&["exec", "one", "cat", "/sys/class/net/eth0/address"]);
    assert_eq!(mac, "02:00:00:00:00:09");
    for (ip, why) in [
        ("10.5.0.6", "already in use by container"),
        ("10.5.0.1", "the gateway"),
        ("10.5.0.0", "own address"),
        ("10.5.0.7", "broadcast"),
        ("10.6.0.2", "outside the subnet"),
    ] {
        let refused = run("other", &["--ip", ip]);
        assert!(refused.fails(125).contains(why), "{refused}");
        t.ok(&["rm", "other"]);
    }
    for name in ["aa", "bb", "cc", "dd"] {
        run(name, &[]).ok();
    }
    assert!(run("full", &[]).fails(125).contains("no addresses left in 10.5.0.0/29"));
    t.ok(&["rm", "-f", "one", "aa", "bb", "cc", "dd", "full"]);
    t.ok(&["network", "rm", "small"]);
}

/// Three networks and five containers: docker's matrix.
#[test]
fn networks_are_isolated_and_who_is_on_two_reaches_both() {
    let Some(lan) = Lan::start() else { return };
    for (name, subnet) in [("red", "10.1.0.0/24"), ("green", "10.2.0.0/24"), ("blue", "10.3.0.0/24")] {
        let internal: &[&str] = if name == "blue" { &["--internal"] } else { &[] };
        lan.t.ok(&[&["network", "create", "--subnet", subnet], internal, &[name]].concat());
    }
    let containers = [
        ("red1", &["red"][..]),
        ("red2", &["red"]),
        ("green1", &["green"]),
        ("both", &["red", "green"]),
        ("blue1", &["blue"]),
    ];
    let places: Vec<_> = containers
        .iter()
        .map(|(name, networks)| {
            let place = lan.run(name, &["--network", networks[0]]);
            for network in &networks[1..] {
                lan.t.ok(&["network", "connect", network, name]);
            }
            place
        })
        .collect();
    let address = |name: &str, network: &str| {
        lan.t.inspect(name, &format!("{{{{.NetworkSettings.Networks.{network}.IPAddress}}}}"))
    };
    for ((from, theirs), place) in containers.iter().zip(&places) {
        for (to, networks) in &containers {
            for network in *networks {
                let address = address(to, network);
                let as_expected = match from == to || theirs.contains(network) {
                    true => place.pings(&address),
                    false => place.never_pings(&address),
                };
                assert!(as_expected, "{from} to {to} on {network}");
            }
        }
        let as_expected = match theirs.contains(&"blue") {
            true => place.never_pings(NEIGHBOUR),
            false => place.pings(NEIGHBOUR),
        };
        assert!(as_expected, "{from} outside");
    }
    drop(places);
    for (name, _) in containers {
        lan.t.ok(&["rm", "-f", name]);
    }
    lan.t.ok(&["network", "prune", "-f"]);
}

#[test]
fn connecting_and_disconnecting_work_on_running_and_stopped_containers() {
    let Some(lan) = Lan::start() else { return };
    let t = &lan.t;
    t.ok(&["network", "create", "--subnet", "10.1.0.0/24", "red"]);
    t.ok(&["network", "create", "--subnet", "10.2.0.0/24", "green"]);
    let place = lan.run("box", &["--network", "red"]);
    lan.run("peer", &["--network", "green"]);
    assert!(place.never_pings("10.2.0.2"));
    t.ok(&["network", "connect", "--ip", "10.2.0.9", "green", "box"]);
    assert!(place.pings("10.2.0.2"));
    assert_eq!(t.inspect("box", "{{.NetworkSettings.Networks.green.IPAddress}}"), "10.2.0.9");
    assert!(t.hull(&["network", "connect", "green", "box"]).fails(1).contains("on that network already"));
    // The default route led over the first network. It leads over the other one when the first is disconnected.
    t.ok(&["network", "disconnect", "red", "box"]);
    assert!(place.pings(NEIGHBOUR) && place.pings("10.2.0.2"));
    assert!(place.sh("ip -o link").contains("eth1") && !place.sh("ip -o link").contains("eth0"));
    drop(place);
    // A connected network is still connected after a restart, and also after somebody has killed the monitor.
    t.ok(&["restart", "-t", "0", "box"]);
    assert_eq!(t.inspect("box", "{{.NetworkSettings.Networks.green.IPAddress}}"), "10.2.0.9");
    t.ok(&["stop", "-t", "0", "box"]);
    t.ok(&["network", "connect", "red", "box"]);
    t.ok(&["start", "box"]);
    assert!(lan.place("box").pings("10.1.0.1") && lan.place("box").pings("10.2.0.2"));
    let monitor = nix::unistd::Pid::from_raw(t.monitor_of("box"));
    nix::sys::signal::kill(monitor, nix::sys::signal::SIGKILL).unwrap();
    eventually("it is cleared", || t.inspect("box", "{{.State.Status}}") == "exited");
    t.ok(&["rm", "box"]);
    t.ok(&["rm", "-f", "peer"]);
    t.ok(&["network", "rm", "red", "green"]);
    for (mode, why) in [("none", "--network none"), ("host", "the host's network")] {
        t.ok(&["create", "--name", mode, "--network", mode, "busybox", "true"]);
        assert!(t.hull(&["network", "connect", "bridge", mode]).fails(1).contains(why));
    }
}

/// A client that tries the addresses of a name in turn must not wait at the first.
#[track_caller]
#[test]
fn ipv6_is_there_where_asked_for_and_nowhere_else() {
    let Some(lan) = Lan::start() else { return };
    lan.host.sh("ip -6 addr add fd00:1::1/64 dev lan0 nodad");
    lan.neighbour.sh("ip -6 addr add fd00:1::2/64 dev eth0 nodad");
    lan.t.ok(&["network", "create", "--ipv6", "--subnet", "fd00:5::/64", "six"]);
    let six = lan.run("six", &["--network", "six", "-p", "8080:80"]);
    lan.serve(&six, "[::]:80");
    assert_eq!(lan.t.inspect("six", "{{.NetworkSettings.Networks.six.GlobalIPv6Address}}"), "fd00:5::2");
    lan.serve(&lan.neighbour, "[::]:90");
    assert_eq!(six.ask(Transport::Tcp, "[fd00:1::2]:90"), "fd00:1::1");
    assert_eq!(lan.neighbour.ask(Transport::Tcp, "[fd00:1::1]:8080"), "fd00:1::2");
    let at_loopback = |port: u16| lan.host.ask(Transport::Tcp, &format!("[::1]:{port}"));
    assert!(!at_loopback(8080).is_empty(), "connections to ::1 are copied");
    let four = lan.run("four", &["-p", "8081:80"]);
    lan.serve(&four, "0.0.0.0:80");
    assert_eq!(at_loopback(8081), lan.gateway("four"));
    assert_eq!(four.sh("ip -6 -o addr show dev eth0"), "");
    drop((six, four));
    lan.stop_serving();
    lan.t.ok(&["rm", "-f", "six", "four"]);
    lan.t.ok(&["network", "rm", "six"]);
}

#[test]
fn a_network_without_talk_between_containers_has_none() {
    let Some(lan) = Lan::start() else { return };
    lan.t.ok(&["network", "create", "-o", "bridge.enable_icc=false", "quiet"]);
    let one = lan.run("one", &["--network", "quiet"]);
    lan.run("two", &["--network", "quiet"]);
    assert!(one.never_pings(&lan.address("two")) && one.pings(NEIGHBOUR) && one.pings(&lan.gateway("one")));
    drop(one);
    lan.t.ok(&["rm", "-f", "one", "two"]);
    lan.t.ok(&["network", "rm", "quiet"]);
}

#[test]
fn two_roots_do_not_touch_each_other() {
    let Some(lan) = Lan::start() else { return };
    let second = lan.t.second_root();
    second.busybox();
    let one = lan.server("one", &["-p", "8080:80"]);
    second.ok(&["run", "-d", "--name", "two", "-p", "8081:80", "busybox", "sleep", "300"]);
    let (first_address, second_address) =
        (lan.address("one"), second.inspect("two", "{{.NetworkSettings.IPAddress}}"));
    assert_ne!(first_address.split('.').nth(1), second_address.split('.').nth(1), "two subnets");
    assert!(one.never_pings(&second_address));
    second.ok(&["rm", "-f", "two"]);
    lan.neighbour.ask(Transport::Tcp, &format!("{}:8080", lan::HOST));
    drop(one);
    // Each scenario checks the namespaces that both share.
    drop(lan);
    drop(second);
}

#[test]
fn two_hundred_started_sixteen_at_a_time_get_different_addresses_and_leave_nothing() {
    const ALL: usize = 200;
    const AT_ONCE: usize = 16;
    let Some(t) = Scenario::with_busybox() else { return };
    let names: Vec<_> = (0..ALL).map(|number| format!("box{number}")).collect();
    let start = |name: &String| t.spawn(&["run", "-d", "--name", name, "busybox", "sleep", "3000"]);
    let mut running = std::collections::VecDeque::new();
    for name in &names {
        if running.len() == AT_ONCE {
            running.pop_front().map(|first: hull_test_support::Running| first.wait().ok().to_owned());
        }
        running.push_back(start(name));
    }
    running.into_iter().for_each(|last| drop(last.wait().ok().to_owned()));
    let all = json(&t.ok(&["network", "inspect", "bridge"]));
    let containers = all[0]["Containers"].as_object().unwrap();
    let addresses: std::collections::BTreeSet<_> =
        containers.values().map(|container| container["IPv4Address"].as_str().unwrap()).collect();
    assert_eq!(addresses.len(), ALL);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    t.ok(&[&["rm", "-f"], &names[..]].concat());
    assert_eq!(t.inspect("bridge", "{{len .Containers}}"), "0");
}

#[test]
fn host_and_none_list_who_is_on_them() {
    let Some(t) = Scenario::with_busybox() else { return };
    for network in ["host", "none"] {
        t.ok(&["run", "-d", "--name", network, "--network", network, "busybox", "sleep", "300"]);
    }
    t.ok(&["create", "--name", "idle", "--network", "host", "busybox", "true"]);
    for network in ["host", "none"] {
        let names = "{{range .Containers}}{{.Name}} {{end}}";
        assert_eq!(t.ok(&["network", "inspect", "-f", names, network]).trim(), network);
    }
    t.ok(&["rm", "-f", "host", "none", "idle"]);
    assert_eq!(t.ok(&["network", "inspect", "-f", "{{len .Containers}}", "host"]), "0");
}

#[test]
fn an_auxiliary_address_is_no_containers() {
    let Some(t) = Scenario::with_busybox() else { return };
    let create = |options: &[&str], name: &str| t.hull(&[&["network", "create"], options, &[name]].concat());
    let subnet = ["--subnet", "10.6.0.0/29"];
    let addresses = ["--aux-address", "router=10.6.0.2", "--aux-address", "printer=10.6.0.4"];
    create(&[&subnet[..], &addresses].concat(), "one").ok();
    let config = &json(&t.ok(&["network", "inspect", "one"]))[0]["IPAM"]["Config"][0];
    assert_eq!(config["AuxiliaryAddresses"], json(r#"{"printer": "10.6.0.4", "router": "10.6.0.2"}"#));
    let address = |name: &str| {
        t.ok(&["run", "-d", "--name", name, "--network", "one", "busybox", "sleep", "300"]);
        t.inspect(name, "{{.NetworkSettings.Networks.one.IPAddress}}")
    };
    assert_eq!(["box1", "box2", "box3"].map(address), ["10.6.0.3", "10.6.0.5", "10.6.0.6"]);
    let full = t.hull(&["run", "--rm", "--network", "one", "busybox", "true"]);
    assert!(full.fails(125).contains("10.6.0.0/29"), "{full}");
    let asked = t.hull(&["run", "--rm", "--network", "one", "--ip", "10.6.0.4", "busybox", "true"]);
    assert!(asked.fails(125).contains("reserved by --aux-address"), "{asked}");
    for (wrong, expected) in [
        ("gateway=10.7.0.1", "the gateway"),
        ("outside=10.8.0.1", "no matching subnet for aux-address"),
        ("broadcast=10.7.0.7", "broadcast"),
        ("text=x", "no IP address"),
    ] {
        let outcome = create(&["--subnet", "10.7.0.0/29", "--aux-address", wrong], "two");
        assert!(outcome.fails(1).contains(expected), "{wrong}: {outcome}");
    }
    let twice = ["--aux-address", "a=10.7.0.3", "--aux-address", "b=10.7.0.3"];
    create(&[&["--subnet", "10.7.0.0/29"], &twice[..]].concat(), "two").fails(1);
    assert!(!t.ok(&["network", "ls", "--format", "{{.Name}}"]).contains("two"));
}

#[test]
fn link_local_addresses_are_further_ones() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["network", "create", "--subnet", "10.9.0.0/24", "--subnet", "fd00:9::/64", "--ipv6", "one"]);
    let own = ["--link-local-ip", "169.254.7.1", "--link-local-ip", "fe80::7:1"];
    let words =
        [&["run", "-d", "--name", "near", "--network", "one"], &own[..], &["busybox", "sleep", "300"]];
    t.ok(&words.concat());
    let addresses = t.ok(&["exec", "near", "ip", "-o", "addr", "show", "dev", "eth0"]);
    for address in ["10.9.0.2/24", "169.254.7.1/16", "fe80::7:1/64"] {
        assert!(addresses.contains(address), "{addresses}");
    }
    let shown = t.inspect("near", "{{json .NetworkSettings.Networks.one.IPAMConfig.LinkLocalIPs}}");
    assert_eq!(shown, r#"["169.254.7.1","fe80::7:1"]"#);
    t.ok(&[
        "run",
        "-d",
        "--name",
        "far",
        "--network",
        "name=one,link-local-ip=169.254.7.2",
        "busybox",
        "sleep",
        "300",
    ]);
    t.ok(&["exec", "far", "ping", "-c", "1", "-W", "5", "-I", "169.254.7.2", "169.254.7.1"]);
    t.ok(&["run", "-d", "--name", "late", "busybox", "sleep", "300"]);
    t.ok(&["network", "connect", "--link-local-ip", "169.254.7.3", "one", "late"]);
    t.ok(&["exec", "late", "ping", "-c", "1", "-W", "5", "-I", "169.254.7.3", "169.254.7.1"]);
    let run = |words: &[&str]| t.hull(&[&["run", "--rm"], words, &["busybox", "true"]].concat());
    assert!(
        run(&["--link-local-ip", "10.0.0.1"]).fails(125).contains("invalid link local IP address: 10.0.0.1")
    );
    assert!(run(&["--link-local-ip", "fe80::1"]).fails(125).contains("has no IPv6"));
    run(&["--network", "none", "--link-local-ip", "169.254.1.1"]).fails(125);
}
