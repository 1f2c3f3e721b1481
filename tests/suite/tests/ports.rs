//! Published ports: the clients that reach them, the container that holds them, and their end.

use hull_test_support::outcome::{eventually, run as run_to_end, wrapped};
use hull_test_support::{Scenario, skip};

mod lan;
use lan::{BOTH, HOST, Lan, NEIGHBOUR, Transport};

#[test]
fn published_ports_answer_from_everywhere() {
    let Some(lan) = Lan::start() else { return };
    let web = lan.server("web", &["-p", "8080:80", "-p", "8080:80/udp"]);
    let sibling = lan.run("sibling", &[]);
    let at = |address: &str, port: u16| format!("{address}:{port}");
    for transport in BOTH {
        lan.host.ask(transport, "127.0.0.1:8080");
        assert_eq!(lan.host.ask(transport, &at(HOST, 8080)), HOST);
        assert_eq!(lan.neighbour.ask(transport, &at(HOST, 8080)), NEIGHBOUR, "the server sees who asks");
        for container in [&web, &sibling] {
            container.ask(transport, &at(HOST, 8080));
            container.ask(transport, &at(&lan.gateway("web"), 8080));
        }
        assert_eq!(sibling.ask(transport, &at(&lan.address("web"), 80)), lan.address("sibling"));
    }
    drop(web);
    lan.t.ok(&["rm", "-f", "web"]);
    lan.neighbour.assert_refused(Transport::Tcp, &at(HOST, 8080));
}

#[test]
fn containers_reach_the_lan_with_the_hosts_address() {
    let Some(lan) = Lan::start() else { return };
    let container = lan.server("box", &[]);
    lan.serve(&lan.neighbour, "0.0.0.0:90");
    lan.neighbour.sh(&format!("ip route add 172.16.0.0/12 via {HOST}"));
    for transport in BOTH {
        assert_eq!(container.ask(transport, &format!("{NEIGHBOUR}:90")), HOST);
        // The neighbour has a route, but a port that is not published cannot be reached.
        lan.neighbour.assert_refused(transport, &format!("{}:80", lan.address("box")));
    }
    assert!(container.pings(NEIGHBOUR) && lan.neighbour.never_pings(&lan.address("box")));
}

#[test]
fn a_port_of_any_process_is_taken_and_nothing_is_left() {
    let Some(t) = Scenario::with_busybox() else { return };
    let listener = std::net::TcpListener::bind("0.0.0.0:8080").unwrap();
    let error = t.hull(&["run", "--rm", "-p", "8080:80", "busybox", "true"]);
    assert!(error.fails(125).contains("port taken: 0.0.0.0:8080 (tcp)"), "{error}");
    assert!(error.stderr.contains("hint:"), "{error}");
    drop(listener);
    t.ok(&["run", "-d", "--name", "one", "-p", "8080:80", "busybox", "sleep", "300"]);
    let error = t.hull(&["run", "-d", "--name", "two", "-p", "7000:70", "-p", "8080:80", "busybox", "true"]);
    assert!(error.fails(125).contains("port taken"), "{error}");
    // The other port was released.
    t.ok(&["run", "-d", "--name", "three", "-p", "7000:70", "busybox", "sleep", "300"]);
    t.ok(&["rm", "-f", "one", "three"]);
    t.ok(&["start", "two"]);
}

#[test]
fn ports_are_shown_by_port_ps_and_inspect() {
    let Some(lan) = Lan::start() else { return };
    let t = &lan.t;
    let args =
        ["run", "-d", "--name", "box", "-p", "8080:80", "-p", "127.0.0.1:5353:53/udp", "--expose", "99"];
    t.ok(&[&args[..], &["busybox", "sleep", "300"]].concat());
    assert_eq!(t.ok(&["port", "box"]), "53/udp -> 127.0.0.1:5353\n80/tcp -> 0.0.0.0:8080");
    assert_eq!(t.ok(&["port", "box", "80"]), "0.0.0.0:8080");
    assert_eq!(t.ok(&["port", "box", "53/udp"]), "127.0.0.1:5353");
    assert!(t.hull(&["port", "box", "99"]).fails(1).contains("no public port 99"));
    let shown = t.ok(&["ps", "--format", "{{.Ports}}"]);
    assert_eq!(shown, "127.0.0.1:5353->53/udp, 0.0.0.0:8080->80/tcp, 99/tcp");
    let bindings = t.inspect("box", "{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}");
    assert_eq!(bindings, "8080");
    // In the order of the keys, as Go prints a map.
    assert_eq!(
        t.inspect("box", "{{json .HostConfig.PortBindings}}"),
        r#"{"53/udp":[{"HostIp":"127.0.0.1","HostPort":"5353"}],"80/tcp":[{"HostIp":"","HostPort":"8080"}]}"#
    );
    t.ok(&["stop", "-t", "0", "box"]);
    assert_eq!(t.ok(&["port", "box"]), "");
}

#[test]
fn all_exposed_ports_are_published_at_free_ones() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&[
        "run", "-d", "--name", "box", "-P", "--expose", "80-81", "-p", "8082:82", "busybox", "sleep", "300",
    ]);
    let ports = t.ok(&["port", "box"]);
    let lines: Vec<_> = ports.lines().collect();
    assert!(
        lines[0].starts_with("80/tcp -> 0.0.0.0:") && lines[1].starts_with("81/tcp -> 0.0.0.0:"),
        "{ports}"
    );
    assert_eq!(lines[2..], ["82/tcp -> 0.0.0.0:8082"]);
    t.ok(&["run", "-d", "--name", "other", "-p", "80", "busybox", "sleep", "300"]);
    assert_ne!(t.ok(&["port", "other", "80"]), t.ok(&["port", "box", "80"]));
}

#[test]
fn nonsense_is_refused_and_leaves_nothing() {
    let Some(t) = Scenario::with_busybox() else { return };
    for (options, why) in [
        (&["-p", "0"][..], "\"0\" is no port"),
        (&["-p", "70000:80"], "\"70000\" is no port"),
        (&["-p", "90-80:90-80"], "ends before it begins"),
        (&["-p", "80-90:80-81"], "different lengths"),
        (&["-p", "80:80/icmp"], "there is no protocol"),
        (&["-p", "::"], "the container port is missing"),
        (&["--mac-address", "01:00:00:00:00:00"], "invalid MAC address"),
        (&["--network", "nosuch"], "No such network: nosuch"),
        (&["--network", "a/b"], "is no network"),
        (&["--network", "none", "--ip", "10.0.0.1"], "need a network of the container's own"),
        (&["--network", "host", "--network", "bridge"], "go with no other network"),
        (&["--ip", "10.1.2.3"], "is outside the subnet"),
        (&["-p", "192.0.2.9:80:80"], "no link of the host has this address"),
    ] {
        let refused = t.hull(&[&["run", "--rm"], options, &["busybox", "true"]].concat());
        assert!(refused.fails(125).contains(why), "{refused}");
    }
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn a_restart_keeps_the_ports() {
    let Some(lan) = Lan::start() else { return };
    let answers = |why: &str| {
        lan.stop_serving();
        lan.serve(&lan.place("web"), "0.0.0.0:80");
        assert_eq!(lan.neighbour.ask(Transport::Tcp, &format!("{HOST}:8080")), NEIGHBOUR, "{why}");
    };
    lan.run("web", &["-p", "8080:80", "--restart", "always"]);
    answers("it runs");
    let address = lan.address("web");
    lan.t.ok(&["restart", "-t", "0", "web"]);
    answers("it was restarted");
    assert_ne!(lan.address("web"), address, "an address rests before it is given again");
    let (pid, address) = (lan.t.pid_of("web"), lan.address("web"));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
    eventually("it has restarted by itself", || {
        let now = lan.t.inspect("web", "{{.State.Pid}} {{.State.Status}}");
        now.ends_with(" running") && !now.starts_with(&format!("{pid} "))
    });
    answers("it restarted by itself");
    assert_eq!(lan.address("web"), address);
}

#[test]
fn ports_are_the_containers_and_move_with_it_from_network_to_network() {
    let Some(lan) = Lan::start() else { return };
    for network in ["red", "green"] {
        lan.t.ok(&["network", "create", network]);
    }
    let web = lan.server("web", &["--network", "red", "-p", "8080:80", "-p", "8080:80/udp", "-p", "81"]);
    let ports = lan.t.ok(&["port", "web"]);
    let answers = |why: &str| {
        for transport in BOTH {
            assert_eq!(lan.neighbour.ask(transport, &format!("{HOST}:8080")), NEIGHBOUR, "{why}");
            lan.host.ask(transport, "127.0.0.1:8080");
            web.ask(transport, &format!("{HOST}:8080"));
        }
        assert_eq!(lan.t.ok(&["port", "web"]), ports, "{why}");
    };
    answers("on red");
    lan.t.ok(&["network", "connect", "green", "web"]);
    answers("on both");
    lan.t.ok(&["network", "disconnect", "red", "web"]);
    answers("on green");
    lan.t.ok(&["network", "disconnect", "green", "web"]);
    assert_eq!(lan.t.ok(&["port", "web"]), "");
    for transport in BOTH {
        lan.neighbour.assert_refused(transport, &format!("{HOST}:8080"));
    }
    assert!(std::net::TcpListener::bind("0.0.0.0:8080").is_err(), "it stays the container's");
    lan.t.ok(&["network", "connect", "red", "web"]);
    answers("on red again");
    drop(web);
    lan.stop_serving();
    lan.t.ok(&["rm", "-f", "web"]);
    lan.t.ok(&["network", "rm", "red", "green"]);
}

#[test]
fn a_network_without_a_way_in_leaves_the_ports_to_another_one() {
    let Some(lan) = Lan::start() else { return };
    lan.t.ok(&["network", "create", "--internal", "inner"]);
    lan.t.ok(&["network", "create", "outer"]);
    lan.server("web", &["--network", "inner", "-p", "8080:80"]);
    assert_eq!(lan.t.ok(&["port", "web"]), "");
    lan.t.ok(&["network", "connect", "outer", "web"]);
    assert_eq!(lan.neighbour.ask(Transport::Tcp, &format!("{HOST}:8080")), NEIGHBOUR);
    lan.stop_serving();
    lan.t.ok(&["rm", "-f", "web"]);
    lan.t.ok(&["network", "rm", "inner", "outer"]);
}

/// Kills the container's monitor, which also ends the container.
fn kill_with_monitor(lan: &Lan, name: &str) {
    let pid = lan.t.pid_of(name);
    let monitor = nix::unistd::Pid::from_raw(lan.t.monitor_of(name));
    nix::sys::signal::kill(monitor, nix::sys::signal::SIGKILL).unwrap();
    eventually("it has died with its monitor", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    eventually("its veth pair has gone with it", || !lan.host.sh("ip -o link").contains("veth"));
}

fn empty_run_root(lan: &Lan) {
    for entry in std::fs::read_dir(lan.t.run_root()).unwrap().flatten().map(|entry| entry.path()) {
        let _ = std::fs::remove_dir_all(&entry).or_else(|_| std::fs::remove_file(&entry));
    }
}

#[test]
fn an_address_that_an_emptied_run_root_has_forgotten_is_not_given_twice() {
    let Some(lan) = Lan::start() else { return };
    let networks = ["--network", "bridge", "--network", "six"];
    lan.t.ok(&["network", "create", "--ipv6", "--subnet", "10.5.0.0/24", "--subnet", "fd00:5::/64", "six"]);
    let living = lan.run("living", &networks);
    let monitor = nix::unistd::Pid::from_raw(lan.t.monitor_of("living"));
    let pid = lan.t.pid_of("living");
    let addresses = |place: &lan::Place| {
        let shown = place.sh("ip -o addr show scope global");
        let address = |line: &str| line.split_whitespace().nth(3).map(String::from);
        shown.lines().filter_map(address).collect::<Vec<_>>()
    };
    empty_run_root(&lan);
    let taken = addresses(&living);
    assert_eq!(taken.len(), 3, "{taken:?}");
    for name in ["one", "two"] {
        let place = lan.run(name, &networks);
        let given = addresses(&place);
        assert!(given.len() == 3 && given.iter().all(|address| !taken.contains(address)), "{given:?}");
        assert!(place.pings("10.5.0.2"), "it is still there");
    }
    let asked = lan.t.hull(&["run", "--rm", "--network", "six", "--ip", "10.5.0.2", "busybox", "true"]);
    assert!(asked.fails(125).contains("10.5.0.2"), "{asked}");
    drop(living);
    nix::sys::signal::kill(monitor, nix::sys::signal::SIGKILL).unwrap();
    eventually("it has died", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    lan.t.ok(&["rm", "-f", "one", "two"]);
    eventually("veth pairs have gone", || !lan.host.sh("ip -o link").contains("veth"));
    // The address of a container without its veth pair is free.
    lan.t.ok(&["run", "--rm", "--network", "six", "--ip", "10.5.0.2", "busybox", "true"]);
    lan.t.ok(&["rm", "-f", "living"]);
    lan.t.ok(&["network", "reload"]);
    lan.t.ok(&["network", "rm", "six"]);
}

#[test]
fn what_an_emptied_run_root_has_forgotten_does_not_stay_in_the_rules() {
    let Some(lan) = Lan::start() else { return };
    if skip::find_program("nft").is_none() {
        return skip::skip("nft is not installed");
    }
    let ports = ["-p", "8080:80", "-p", "127.0.0.1:8081:80/udp"];
    lan.run("lost", &ports);
    let address = lan.address("lost");
    kill_with_monitor(&lan, "lost");
    empty_run_root(&lan);
    assert!(lan.host.sh("nft list ruleset").contains(&address), "nobody has looked yet");
    // The next container may have its address.
    lan.t.ok(&["run", "-d", "--name", "next", "busybox", "sleep", "300"]);
    let rules = lan.host.sh("nft list ruleset");
    assert!(!rules.contains("8080") && !rules.contains("8081"), "{rules}");
    assert_eq!(rules.contains(&address), lan.address("next") == address, "{rules}");
    lan.t.ok(&["rm", "-f", "next", "lost"]);
}

#[test]
fn a_reload_forgets_who_is_gone_and_keeps_who_is_there() {
    let Some(lan) = Lan::start() else { return };
    if skip::find_program("nft").is_none() {
        return skip::skip("nft is not installed");
    }
    lan.run("lost", &["-p", "8080:80"]);
    let id = lan.t.inspect("lost", "{{.Id}}");
    kill_with_monitor(&lan, "lost");
    let kept = lan.server("kept", &["-p", "8082:80"]);
    std::fs::remove_dir_all(lan.t.run_root().join("containers").join(id)).unwrap();
    lan.t.ok(&["network", "reload"]);
    let rules = lan.host.sh("nft list ruleset");
    assert!(!rules.contains("8080") && rules.contains("8082"), "{rules}");
    lan.neighbour.ask(Transport::Tcp, &format!("{HOST}:8082"));
    assert!(kept.pings(NEIGHBOUR));
    drop(kept);
    lan.stop_serving();
    lan.t.ok(&["rm", "-f", "kept", "lost"]);
}

#[test]
fn who_has_ended_is_swept_with_others_and_nobody_stays_when_all_have() {
    let Some(lan) = Lan::start() else { return };
    if skip::find_program("nft").is_none() {
        return skip::skip("nft is not installed");
    }
    let members = || {
        let rules = lan.host.sh("nft list ruleset");
        let after = rules.split_once("set members4").map_or("", |(_, after)| after);
        let set = after.split("\n\t}").next().unwrap_or_default();
        let elements = set.split_once("elements = {").map_or("", |(_, elements)| elements);
        elements.split(',').filter(|element| element.contains(" . ")).map(str::to_owned).collect::<Vec<_>>()
    };
    lan.run("stays", &[]);
    let subnet = lan.address("stays");
    let address = format!("{}.77", subnet.rsplit_once('.').unwrap().0);
    lan.t.ok(&["run", "--rm", "--ip", &address, "busybox", "true"]);
    // Another container has the port before the leftovers of the first one are removed.
    lan.run("again", &["--ip", &address]);
    for _ in 0..45 {
        lan.t.ok(&["run", "--rm", "busybox", "true"]);
    }
    let many = members();
    assert!(many.len() < 40, "{many:?}");
    assert!(many.iter().any(|member| member.contains(&address)), "{many:?}");
    lan.t.ok(&["rm", "-f", "stays"]);
    lan.t.ok(&["rm", "-f", "again"]);
    eventually("all have been swept", || members().is_empty());
}

#[test]
fn what_a_killed_monitor_published_can_be_published_again() {
    let Some(lan) = Lan::start() else { return };
    lan.run("one", &["-p", "8080:80"]);
    let monitor = nix::unistd::Pid::from_raw(lan.t.monitor_of("one"));
    nix::sys::signal::kill(monitor, nix::sys::signal::SIGKILL).unwrap();
    eventually("its port is free", || std::net::TcpListener::bind("0.0.0.0:8080").is_ok());
    lan.server("two", &["-p", "8080:80"]);
    lan.neighbour.ask(Transport::Tcp, &format!("{HOST}:8080"));
    // Removing the leftovers of the first container does not take the port away from the other.
    lan.t.ok(&["ps", "-a"]);
    lan.neighbour.ask(Transport::Tcp, &format!("{HOST}:8080"));
    assert!(lan.t.hull(&["start", "one"]).fails(1).contains("port taken"));
}

#[test]
fn a_port_of_a_killed_monitors_is_no_trap_for_a_server_of_the_hosts() {
    let Some(lan) = Lan::start() else { return };
    lan.run("one", &["-p", "8080:80"]);
    let monitor = nix::unistd::Pid::from_raw(lan.t.monitor_of("one"));
    nix::sys::signal::kill(monitor, nix::sys::signal::SIGKILL).unwrap();
    let mut server = None;
    eventually("its port is free", || {
        server = std::net::TcpListener::bind("0.0.0.0:8080").ok();
        server.is_some()
    });
    lan.t.ok(&["rm", "one"]);
    std::net::TcpStream::connect(("127.0.0.1", 8080)).expect("the host's server is reached");
}

#[test]
fn rules_that_another_tool_flushed_are_put_back() {
    let Some(lan) = Lan::start() else { return };
    if skip::find_program("nft").is_none() {
        return skip::skip("nft is not installed");
    }
    lan.server("web", &["-p", "8080:80"]);
    let address = format!("{HOST}:8080");
    lan.neighbour.ask(Transport::Tcp, &address);
    lan.host.sh("nft flush ruleset");
    lan.neighbour.assert_refused(Transport::Tcp, &address);
    lan.t.ok(&["network", "reload"]);
    lan.neighbour.ask(Transport::Tcp, &address);
    // The next container that starts finds the port taken as well.
    lan.host.sh("nft flush ruleset");
    lan.t.ok(&["run", "--rm", "busybox", "true"]);
    lan.neighbour.ask(Transport::Tcp, &address);
}

#[test]
fn ports_answer_where_iptables_drops_what_is_forwarded() {
    let Some(lan) = Lan::start() else { return };
    if skip::find_program("iptables-nft").is_none() {
        return skip::skip("iptables is not installed");
    }
    lan.host.sh("iptables-nft -P FORWARD DROP");
    let before = lan.host.sh("iptables-nft -S");
    lan.t.ok(&["network", "create", "back"]);
    let web = lan.server("web", &["--network", "back", "-p", "8080:80", "-p", "8080:80/udp"]);
    for transport in BOTH {
        lan.neighbour.ask(transport, &format!("{HOST}:8080"));
    }
    assert!(web.pings(NEIGHBOUR));
    drop(web);
    lan.stop_serving();
    lan.t.ok(&["rm", "-f", "web"]);
    lan.t.ok(&["network", "rm", "back"]);
    assert_eq!(lan.host.sh("iptables-nft -S"), before);
    lan.host.sh("nft delete table ip filter");
}

#[test]
fn old_iptables_that_drop_what_is_forwarded_are_named() {
    let Some(lan) = Lan::start() else { return };
    if skip::find_program("iptables-legacy").is_none() {
        return skip::skip("iptables is not installed");
    }
    // A kernel may be built without it.
    if !lan.host.try_sh("iptables-legacy -P FORWARD DROP").success() {
        return skip::skip("this kernel has no old iptables");
    }
    let box_ = ["run", "-d", "--name", "box", "-p", "8080:80", "busybox", "sleep", "300"];
    let run = lan.t.hull(&box_);
    run.ok();
    let hint = run.stderr.lines().find_map(|line| line.strip_prefix("hint: ")).expect("there is one");
    assert!(run.stderr.contains("iptables (legacy) drops what is forwarded"), "{run}");
    lan.serve(&lan.place("box"), "0.0.0.0:80");
    lan.neighbour.assert_refused(Transport::Tcp, &format!("{HOST}:8080"));
    // The hint is the remedy: after it there is no message any more.
    lan.host.sh(hint);
    lan.neighbour.ask(Transport::Tcp, &format!("{HOST}:8080"));
    lan.stop_serving();
    assert_eq!(lan.t.hull(&["restart", "-t", "0", "box"]).stderr, "");
    let again = lan.t.hull(&["run", "--rm", "busybox", "true"]);
    assert!(again.success() && again.stderr.is_empty(), "{again}");
    // A container without a way to the outside gets no warning.
    lan.host.sh("iptables-legacy -F FORWARD");
    assert!(lan.t.hull(&["run", "--rm", "--network", "none", "busybox", "true"]).stderr.is_empty());
}

#[test]
fn a_thousand_ports_are_more_descriptors_than_the_container_is_to_have() {
    let Some(t) = Scenario::with_busybox() else { return };
    let run = t.command(&["run", "-d", "--name", "box", "-p", "10000-11499:20000-21499", "busybox"]);
    let mut limited = wrapped(&["prlimit", "--nofile=1024:8192"], &run);
    run_to_end(limited.args(["sh", "-c", "ulimit -n; ulimit -Hn; sleep 300"])).ok();
    eventually("it has spoken", || t.ok(&["logs", "box"]) == "1024\n8192");
    assert_eq!(t.ok(&["port", "box"]).lines().count(), 1500);
    let shown = t.ok(&["ps", "--format", "{{.Ports}}"]);
    assert_eq!(shown, "0.0.0.0:10000-11499->20000-21499/tcp");
}

/// No rule can lead to that address, so a process copies each connection.
#[test]
fn a_published_port_answers_at_the_hosts_own_ipv6_address() {
    let Some(lan) = Lan::start() else { return };
    let web = lan.server("web", &["-p", "8080:80", "-p", "[::1]:8090:80"]);
    let gateway = lan.gateway("web");
    for port in [8080, 8090] {
        for _ in 0..20 {
            assert_eq!(lan.host.ask(Transport::Tcp, &format!("[::1]:{port}")), gateway);
        }
    }
    assert!(lan.t.ok(&["port", "web"]).contains("80/tcp -> [::1]:8090"));
    // Many connections at once, and one that stays open.
    let open = std::net::TcpStream::connect("[::1]:8080").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(lan.host.ask(Transport::Tcp, "[::1]:8080"), gateway));
        }
    });
    let monitor = lan.t.monitor_of("web");
    let children = || std::fs::read_to_string(format!("/proc/{monitor}/task/{monitor}/children")).unwrap();
    eventually("those who are served have gone", || children().split_whitespace().count() == 2);
    drop(web);
    lan.t.ok(&["rm", "-f", "web"]);
    assert!(std::net::TcpStream::connect("[::1]:8080").is_err(), "nobody listens any more");
    drop(open);
    // A server of the host at ::1 does not conflict with the port.
    let own = std::net::TcpListener::bind("[::1]:8080").unwrap();
    lan.t.ok(&["run", "--rm", "-p", "8080:80", "busybox", "true"]);
    drop(own);
}
