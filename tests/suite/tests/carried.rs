//! Networks of an ordinary user's containers: a program of the user's carries the packets.

use std::path::Path;

use hull_test_support::outcome::eventually;
use hull_test_support::skip;

mod lan;
use lan::{BOTH, HOST, Lan, NEIGHBOUR, Transport};

const PROGRAMS: [&str; 2] = ["slirp4netns", "pasta"];

/// With each program that is installed; the first one is what the user gets without asking.
fn with_each(test: impl Fn(&Lan, &str) + Sync) {
    for program in PROGRAMS {
        if skip::find_program(program).is_none() {
            skip::skip(&format!("{program} is not installed"));
            continue;
        }
        std::thread::scope(|scope| {
            let ran = scope.spawn(|| Lan::of_ordinary_user().iter().for_each(|lan| test(lan, program)));
            ran.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    }
}

/// The monitor's child that is not the container.
fn carrier(lan: &Lan, name: &str) -> i32 {
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
fn an_ordinary_users_container_goes_out_and_its_ports_lead_in() {
    with_each(|lan, program| {
        let web = lan.run("web", &["--network", program, "-p", "8080:80", "-p", "8080:80/udp", "-p", "81"]);
        let answers = || {
            lan.stop_serving();
            lan.serve(&lan.place("web"), "0.0.0.0:80");
            for transport in BOTH {
                lan.neighbour.ask(transport, &format!("{HOST}:8080"));
            }
            // Debian 12's programs do not carry udp from the host itself.
            lan.host.ask(Transport::Tcp, "127.0.0.1:8080");
        };
        answers();
        for transport in BOTH {
            lan.serve(&lan.neighbour, "0.0.0.0:90");
            assert_eq!(web.ask(transport, &format!("{NEIGHBOUR}:90")), HOST, "out, as the host");
            lan.stop_serving();
        }
        // What the host keeps to itself stays so.
        lan.serve(&lan.host, "127.0.0.1:95");
        for address in ["127.0.0.1:95", "10.0.2.2:95", &format!("{HOST}:95"), &format!("{NEIGHBOUR}:95")] {
            web.is_refused(Transport::Tcp, address);
        }
        drop(web);
        assert_eq!(lan.t.inspect("web", "{{.HostConfig.NetworkMode}}"), program);
        let status = std::fs::read_to_string(format!("/proc/{}/status", carrier(lan, "web"))).unwrap();
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
            let pid = carrier(lan, name);
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
        // Nothing keeps the next one from starting, and nothing of the namespaces stays.
        run("next");
        ends("next", &|| drop(lan.t.ok(&["rm", "-f", "next"])));
        assert!(!Path::new("/proc/mounts").exists() || !lan.host.sh("cat /proc/mounts").contains("nsfs"));
    });
}

#[test]
fn a_program_is_the_users_choice_where_there_is_one() {
    let Some(lan) = Lan::of_ordinary_user() else { return };
    let expected = PROGRAMS.into_iter().find(|program| skip::find_program(program).is_some());
    lan.run("box", &[]);
    assert_eq!(lan.t.inspect("box", "{{.HostConfig.NetworkMode}}"), expected.unwrap_or("none"));
    // Who may not open the device has none of them, and is told so when it matters.
    lan.host.sh("chmod 600 /dev/net/tun");
    lan.run("alone", &[]);
    assert_eq!(lan.t.inspect("alone", "{{.HostConfig.NetworkMode}}"), "none");
    let refused = lan.t.hull(&["run", "--rm", "-p", "80", "busybox", "true"]);
    let told = refused.fails(125);
    assert!(told.contains("an ordinary user's containers have no network of their own here"), "{refused}");
    assert!(told.contains("/dev/net/tun cannot be opened: Permission denied"), "{refused}");
    assert!(told.contains("apt install passt") && told.contains("apt install slirp4netns"), "{refused}");
}
