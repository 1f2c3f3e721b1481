//! Networks of an unprivileged user's containers: a program that the user runs transfers the packets.

use std::path::Path;

use hull_test_support::outcome::eventually;
use hull_test_support::skip;

mod lan;
use lan::{BOTH, HOST, KNOWN, Lan, NEIGHBOUR, Transport};

const PROGRAMS: [&str; 2] = ["slirp4netns", "pasta"];

/// Runs the test with each installed program. The first one is hull's default.
fn with_each(test: impl Fn(&Lan, &str) + Sync) {
    for program in PROGRAMS {
        if skip::find_program(program).is_none() {
            skip::skip(&format!("{program} is not installed"));
            continue;
        }
        std::thread::scope(|scope| {
            let ran = scope.spawn(|| Lan::of_unprivileged_user().iter().for_each(|lan| test(lan, program)));
            ran.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    }
}

/// The child of the monitor that is not the container.
fn network_program(lan: &Lan, name: &str) -> i32 {
    let (monitor, init) = (lan.t.monitor_of(name), lan.t.pid_of(name));
    let children = std::fs::read_to_string(format!("/proc/{monitor}/task/{monitor}/children")).unwrap();
    let mut pids = children.split_whitespace().map(|pid| pid.parse().unwrap());
    pids.find(|pid| *pid != init).expect("a program carries its packets")
}

fn is_gone(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.is_empty() || status.contains("State:\tZ") || status.contains("State:\tX")
}

fn kill(pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
}

#[test]
fn an_unprivileged_users_container_goes_out_and_its_ports_lead_in() {
    with_each(|lan, program| {
        let web = lan.run("web", &["--network", program, "-p", "8080:80", "-p", "8080:80/udp", "-p", "81"]);
        let answers = || {
            lan.stop_serving();
            lan.serve(&lan.place("web"), "0.0.0.0:80");
            for transport in BOTH {
                lan.neighbour.ask(transport, &format!("{HOST}:8080"));
            }
            for own in ["127.0.0.1:8080", &format!("{HOST}:8080")] {
                lan.host.ask(Transport::Tcp, own);
            }
            // Neither program forwards udp from the host's loopback, and Debian 12's pasta forwards it from no address of
            // the host.
            if program == "slirp4netns" {
                lan.host.ask(Transport::Udp, &format!("{HOST}:8080"));
            }
        };
        answers();
        for transport in BOTH {
            lan.serve(&lan.neighbour, "0.0.0.0:90");
            assert_eq!(web.ask(transport, &format!("{NEIGHBOUR}:90")), HOST, "out, as the host");
            lan.stop_serving();
        }
        // Services on the host's loopback are not reachable.
        lan.serve(&lan.host, "127.0.0.1:95");
        for address in ["127.0.0.1:95", "10.0.2.2:95", &format!("{HOST}:95"), &format!("{NEIGHBOUR}:95")] {
            web.assert_refused(Transport::Tcp, address);
        }
        drop(web);
        assert_eq!(lan.t.inspect("web", "{{.HostConfig.NetworkMode}}"), program);
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", network_program(lan, "web"))).unwrap();
        assert!(status.contains("Seccomp:\t2"), "it parses what the container sends: {status}");
        let ports = lan.t.ok(&["port", "web"]);
        assert!(ports.contains("80/tcp -> 0.0.0.0:8080") && ports.contains("81/tcp -> 0.0.0.0:"), "{ports}");
        assert!(lan.t.ok(&["ps", "--format", "{{.Ports}}"]).contains("0.0.0.0:8080->80/tcp"));
        let taken = lan.t.hull(&["run", "--rm", "--network", program, "-p", "8080:80", "busybox", "true"]);
        assert!(taken.fails(125).contains("port taken: 0.0.0.0:8080 (tcp)"), "{taken}");
        lan.stop_serving();
        lan.t.ok(&["restart", "-t", "0", "web"]);
        answers();
        lan.stop_serving();
        lan.t.ok(&["stop", "-t", "0", "web"]);
        eventually("the port is free", || {
            lan.host.inside(|| std::net::TcpListener::bind("0.0.0.0:8080").is_ok())
        });
    });
}

#[test]
fn who_carries_the_packets_ends_with_the_container_whatever_that_dies_of() {
    with_each(|lan, program| {
        let run = |name: &str| drop(lan.run(name, &["--network", program, "-p", "8080:80"]));
        let ends = |name: &str, what: &dyn Fn()| {
            let pid = network_program(lan, name);
            assert!(!is_gone(pid));
            what();
            eventually("the program has ended", || is_gone(pid));
        };
        run("stopped");
        ends("stopped", &|| drop(lan.t.ok(&["stop", "-t", "0", "stopped"])));
        run("killed");
        ends("killed", &|| kill(lan.t.pid_of("killed")));
        run("orphaned");
        ends("orphaned", &|| kill(lan.t.monitor_of("orphaned")));
        // The next container can start, and nothing of the namespaces is left.
        run("next");
        ends("next", &|| drop(lan.t.ok(&["rm", "-f", "next"])));
        assert!(!Path::new("/proc/mounts").exists() || !lan.host.sh("cat /proc/mounts").contains("nsfs"));
    });
}

#[test]
fn a_program_is_the_users_choice_where_there_is_one() {
    let Some(lan) = Lan::of_unprivileged_user() else { return };
    let expected = PROGRAMS.into_iter().find(|program| skip::find_program(program).is_some());
    lan.run("box", &[]);
    assert_eq!(lan.t.inspect("box", "{{.HostConfig.NetworkMode}}"), expected.unwrap_or("none"));
    // A user that may not open the device has none of these networks, and an error says so when one is needed.
    lan.host.sh("chmod 600 /dev/net/tun");
    lan.run("alone", &[]);
    assert_eq!(lan.t.inspect("alone", "{{.HostConfig.NetworkMode}}"), "none");
    let refused = lan.t.hull(&["run", "--rm", "-p", "80", "busybox", "true"]);
    let told = refused.fails(125);
    assert!(
        told.contains("an unprivileged user's containers have no network of their own here"),
        "{refused}"
    );
    assert!(told.contains("/dev/net/tun cannot be opened: Permission denied"), "{refused}");
    assert!(told.contains("chmod 666 /dev/net/tun") && told.contains("--network host"), "{refused}");
}

#[test]
fn a_container_whose_packets_are_carried_knows_its_own_name() {
    with_each(|lan, program| {
        let run = ["run", "--rm", "--network", program, "--hostname", "me", "--domainname", "example.org"];
        let shown =
            lan.t.ok(&[&run[..], &["busybox", "sh", "-c", "ip addr show eth0; cat /etc/hosts"]].concat());
        let own = shown.split_once("inet ").and_then(|(_, rest)| rest.split('/').next()).expect("it has one");
        assert!(shown.ends_with(&format!("\n{own}\tme.example.org me")), "{shown}");
    });
}

#[test]
fn a_resolver_on_the_hosts_loopback_answers_a_container_whose_packets_are_carried() {
    with_each(|lan, program| {
        let settings = lan.t.path("resolv.conf");
        std::fs::write(&settings, "nameserver 127.0.0.53\nsearch example.org\n").unwrap();
        lan.host.sh(&format!("mount --bind {} /etc/resolv.conf", settings.display()));
        // On a machine with systemd-resolved, this is the file with the real servers.
        lan.host.sh("! test -d /run/systemd/resolve || mount -t tmpfs none /run/systemd/resolve");
        lan.serve_names(&lan.host, "127.0.0.53");
        let run = ["run", "--rm", "--network", program];
        let ask = ["busybox", "nslookup", "www.example.org"];
        // On a busy machine a lost packet would end the program that asks, so it asks again.
        eventually("the name is known", || {
            lan.t.hull(&[&run[..], &ask].concat()).stdout.contains(&KNOWN.to_string())
        });
        let settings = lan.t.ok(&[&run[..], &["busybox", "cat", "/etc/resolv.conf"]].concat());
        assert!(settings.contains("search example.org") && !settings.contains("127.0.0"), "{settings}");
        // Only the program that is named is asked.
        let settings =
            lan.t.ok(&[&run[..], &["--dns", NEIGHBOUR, "busybox", "cat", "/etc/resolv.conf"]].concat());
        let servers: Vec<_> = settings.lines().filter(|line| line.starts_with("nameserver")).collect();
        assert_eq!(servers, [format!("nameserver {NEIGHBOUR}")]);
        lan.host.sh("umount /etc/resolv.conf; ! test -d /run/systemd/resolve || umount /run/systemd/resolve");
    });
}

#[test]
fn networks_that_take_root_are_refused_to_an_unprivileged_user_with_what_there_is_instead() {
    let Some(lan) = Lan::of_unprivileged_user() else { return };
    lan.run("box", &[]);
    let no_network = "no network can be made on the host: that takes CAP_NET_ADMIN";
    let macvlan = ["-d", "macvlan", "-o", "parent=lan0", "--subnet", "198.51.100.0/24"];
    let vxlan = ["-d", "vxlan", "-o", "vni=9", "--peer", NEIGHBOUR];
    let ranges = ["--subnet", "10.9.0.0/24", "--ip-range", "10.9.0.0/25"];
    for (args, why) in [
        (&["network", "create", "mine"][..], no_network),
        (&[&["network", "create"], &macvlan[..], &["mine"]].concat(), no_network),
        (&[&["network", "create"], &vxlan[..], &ranges, &["mine"]].concat(), no_network),
        (&["run", "--rm", "--network", "bridge", "busybox", "true"], no_network),
        (&["create", "--network", "bridge", "--ip", "172.17.0.9", "busybox", "true"], no_network),
        (&["network", "connect", "bridge", "box"], "cannot connect container box: "),
        (&["network", "disconnect", "bridge", "box"], "cannot disconnect container box: "),
        (&["network", "reload"], "networks need CAP_NET_ADMIN"),
        (&["network", "expose", "box"], "network expose: /run/netns is root's; use sudo"),
    ] {
        let refused = lan.t.hull(args);
        assert!(!refused.success() && refused.stderr.contains(why), "{refused}");
        assert!(why != no_network || refused.stderr.contains("apt install slirp4netns"), "{refused}");
    }
    assert_eq!(lan.t.ok(&["ps", "-a", "--format", "{{.Names}}"]), "box", "nothing stays created");
    assert!(!lan.t.ok(&["network", "ls"]).contains("mine"));
}

#[test]
fn a_user_namespace_of_the_containers_own_goes_with_it() {
    with_each(|lan, program| {
        let script = "id -u; ls -d /sys/class; ip link | grep -c mtu; echo > /etc/hosts";
        let args = [
            "run",
            "--rm",
            "--network",
            program,
            "--userns",
            "keep-id",
            "-u",
            "0",
            "busybox",
            "sh",
            "-c",
            script,
        ];
        assert_eq!(lan.t.ok(&args), "0\n/sys/class\n2");
    });
}
