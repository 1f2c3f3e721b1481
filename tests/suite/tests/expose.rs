//! A container's network seen from outside: by `ip netns`, and in one picture.

use std::path::Path;
use std::process::Command;

use hull_test_support::outcome::{eventually, run};
use hull_test_support::{Scenario, skip};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

mod lan;
use lan::Lan;

/// A separate /run for this test, where the names are.
struct Run;

impl Run {
    fn own() -> Self {
        mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), c"mode=755").expect("a tmpfs can be mounted");
        Self
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = unmount("/run", UnmountFlags::DETACH);
    }
}

fn start() -> Option<Scenario> {
    if skip::find_program("ip").is_none() {
        skip::skip("ip is not installed");
        return None;
    }
    Scenario::with_busybox()
}

#[track_caller]
fn ip(args: &[&str]) -> String {
    run(Command::new("ip").args(args)).ok().to_owned()
}

fn kill_monitor(t: &Scenario, name: &str) {
    let monitor = nix::unistd::Pid::from_raw(t.monitor_of(name));
    nix::sys::signal::kill(monitor, nix::sys::signal::SIGKILL).unwrap();
    eventually("it is cleared", || t.inspect(name, "{{.State.Status}}") == "exited");
}

#[test]
fn an_exposed_network_is_known_to_ip_netns_until_the_container_ends() {
    let Some(t) = start() else { return };
    let _run = Run::own();
    let link = Path::new("/run/netns/box");
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    assert_eq!(t.ok(&["network", "expose", "box"]), "box");
    assert_eq!(t.ok(&["network", "expose", "box"]), "box", "twice is once");
    assert!(ip(&["netns", "list"]).lines().any(|line| line.starts_with("box")));
    let address = t.inspect("box", "{{.NetworkSettings.IPAddress}}");
    assert!(ip(&["-n", "box", "-o", "addr"]).contains(&address));
    assert!(ip(&["netns", "exec", "box", "ip", "-o", "addr"]).contains(&address));
    // A restart ends the first run.
    t.ok(&["restart", "-t", "0", "box"]);
    assert!(!link.is_symlink());
    t.ok(&["network", "expose", "box"]);
    assert_eq!(t.ok(&["network", "expose", "--remove", "box"]), "box");
    assert_eq!(t.ok(&["network", "expose", "--remove", "box"]), "");
    assert!(!link.is_symlink());
    // The name is removed in whatever way the container ends.
    for end in ["rm", "stop", "kill -9"] {
        t.ok(&["start", "box"]);
        t.ok(&["network", "expose", "--name", "other", "box"]);
        let link = Path::new("/run/netns/other");
        assert!(link.is_symlink());
        match end {
            "kill -9" => kill_monitor(&t, "box"),
            "stop" => drop(t.ok(&["stop", "-t", "0", "box"])),
            _ => {
                t.ok(&["rm", "-f", "box"]);
                t.ok(&["create", "--name", "box", "busybox", "sleep", "300"]);
            }
        }
        eventually(&format!("no name after {end}"), || !link.is_symlink());
    }
    t.ok(&["rm", "-f", "box"]);
}

#[test]
fn a_restarted_containers_name_follows_it() {
    let Some(t) = start() else { return };
    let _run = Run::own();
    let link = Path::new("/run/netns/box");
    t.ok(&["run", "-d", "--name", "box", "--restart", "always", "busybox", "sleep", "300"]);
    t.ok(&["network", "expose", "box"]);
    let first = t.pid_of("box");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first), nix::sys::signal::SIGKILL).unwrap();
    eventually("it runs again, under its name", || {
        let pid = t.inspect("box", "{{.State.Pid}}");
        pid != first.to_string()
            && std::fs::read_link(link).is_ok_and(|to| to == Path::new(&format!("/proc/{pid}/ns/net")))
    });
    t.ok(&["rm", "-f", "box"]);
    assert!(!link.is_symlink());
}

#[test]
fn what_cannot_be_exposed_is_refused() {
    let Some(t) = start() else { return };
    let _run = Run::own();
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    t.ok(&["run", "-d", "--name", "hosts", "--network", "host", "busybox", "sleep", "300"]);
    t.ok(&["create", "--name", "new", "busybox", "true"]);
    std::fs::create_dir("/run/netns").unwrap();
    std::fs::write("/run/netns/taken", "somebody's").unwrap();
    for (args, why) in [
        (&["hosts"][..], "it has the host's network"),
        (&["new"], "not running"),
        (&["nosuch"], "No such container"),
        (&["--name", "taken", "box"], "/run/netns/taken exists; choose another one with --name"),
        (&["--name", "../x", "box"], "invalid namespace name"),
        (&["--name", "x", "--remove", "box"], "cannot be used together"),
    ] {
        let refused = t.hull(&[&["network", "expose"], args].concat());
        assert!(!refused.success() && refused.stderr.contains(why), "{why}: {refused}");
    }
    t.ok(&["network", "expose", "box"]);
    let refused = t.hull(&["network", "expose", "--name", "other", "box"]);
    assert!(refused.fails(1).contains("it is exposed as box"), "{refused}");
    // A file that somebody else has put there is left alone.
    std::fs::remove_file("/run/netns/box").unwrap();
    std::fs::write("/run/netns/box", "somebody's").unwrap();
    t.ok(&["rm", "-f", "box", "hosts", "new"]);
    assert_eq!(std::fs::read_dir("/run/netns").unwrap().count(), 2);
}

#[test]
fn a_trace_shows_links_addresses_rules_and_ports() {
    let Some(lan) = Lan::start() else { return };
    let t = &lan.t;
    lan.run("box", &["-p", "8080:80", "-p", "127.0.0.1:53:53/udp"]);
    lan.create_wire();
    t.ok(&["network", "connect", "wire", "box"]);
    let trace: serde_json::Value =
        serde_json::from_str(&t.ok(&["network", "trace", "--format", "json", "box"])).unwrap();
    assert_eq!(trace["Pid"], t.pid_of("box"));
    let place = lan.place("box");
    let bridged = &trace["Networks"][0];
    let index = |text: &str| text.split(':').next().unwrap().parse::<u32>().unwrap();
    assert_eq!(bridged["Inside"]["Index"], index(&place.sh("ip -o link show eth0")));
    let veth = bridged["Veth"]["Name"].as_str().unwrap();
    assert_eq!(bridged["Veth"]["Index"], index(&lan.host.sh(&format!("ip -o link show {veth}"))));
    assert_eq!(bridged["Bridge"]["Name"].as_str().unwrap().get(..5), Some("hull0"));
    assert!(bridged["Rules"].as_array().unwrap().iter().all(|rule| rule["Present"] == true), "{bridged}");
    assert_eq!(trace["Networks"][1]["Parent"]["Name"], "lan0");
    assert_eq!(t.ok(&["network", "trace", "--format", "{{.Name}}", "box"]), "box");
    let picture = t.ok(&["network", "trace", "box"]);
    let address = t.inspect("box", "{{.NetworkSettings.IPAddress}}");
    for part in [
        "default route via",
        "├─ eth0  index 2  mtu 1500  02:42:",
        &format!("{address}/16"),
        &format!("└─ {veth}  index "),
        "bridge of network bridge",
        "├─ 0.0.0.0:8080 ─▶",
        &format!("inet ports4 {{ tcp . 8080 : {address} . 80 }}"),
        &format!("inet ports4_at {{ udp . 127.0.0.1 . 53 : {address} . 53 }}"),
        &format!("bridge addresses4 {{ {veth} . {address} }}"),
        "└─ eth1  index",
        "parent of macvlan network wire",
    ] {
        assert!(picture.contains(part), "{part} in\n{picture}");
    }
    assert!(!picture.contains("MISSING"), "{picture}");
    if skip::find_program("nft").is_some() {
        let table = bridged["Table"].as_str().unwrap();
        lan.host.sh(&format!("nft flush set bridge {table} macs"));
        let picture = t.ok(&["network", "trace", "box"]);
        assert_eq!(picture.matches("MISSING: hull network reload").count(), 1, "{picture}");
        t.ok(&["network", "reload"]);
        assert!(!t.ok(&["network", "trace", "box"]).contains("MISSING"));
    }
    // A container that shares the network of another is traced to the same places, one without a network to none.
    lan.run("guest", &["--network", "container:box"]);
    assert!(t.ok(&["network", "trace", "guest"]).contains(veth));
    for mode in ["none", "host"] {
        lan.run(mode, &["--network", mode]);
        assert!(t.ok(&["network", "trace", mode]).contains(&format!("network {mode}: no links of its own")));
    }
    drop(place);
    t.ok(&["rm", "-f", "guest", "none", "host", "box"]);
    assert!(t.hull(&["network", "trace", "box"]).fails(1).contains("No such container"));
    t.ok(&["create", "--name", "new", "busybox", "true"]);
    assert!(t.hull(&["network", "trace", "new"]).fails(1).contains("not running"));
    t.ok(&["network", "rm", "wire"]);
}
