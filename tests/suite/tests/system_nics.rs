//! Network devices of containers: whole after a killed command, as they were after their end, and whatever the container
//! makes of them.

use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use hull_test_support::outcome::{eventually, wrapped};
use hull_test_support::{Scenario, skip};

fn ip(args: &[&str]) -> String {
    run("ip", args)
}

/// Runs ip(8) in the network namespace of a container.
fn inside(t: &Scenario, args: &[&str]) -> String {
    let pid = t.pid_of("box").to_string();
    run("nsenter", &[&["-t", &pid, "-n", "ip"][..], args].concat())
}

#[track_caller]
fn run(program: &str, args: &[&str]) -> String {
    let done = Command::new(program).args(args).output().expect("the program is installed");
    assert!(done.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn container() -> Option<Scenario> {
    let t = Scenario::with_busybox()?;
    ip(&["link", "set", "lo", "up"]);
    t.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    Some(t)
}

/// Runs the command, and kills it at its `nth` request to the kernel's networking. True if it had ended before.
fn killed_at(t: &Scenario, nth: usize, args: &[&str]) -> bool {
    let inject = format!("inject=sendto:signal=SIGKILL:when={nth}");
    let strace = ["strace", "-o", "/dev/null", "-e", "trace=sendto", "-e", &inject];
    let mut command = wrapped(&strace, &t.command(args));
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("strace is installed").success()
}

/// A device, the link that it gives the container, and what ip(8) shows of this link if it is whole.
struct Nic {
    keys: &'static [&'static str],
    link: &'static str,
    whole: &'static [&'static str],
}

const NICS: [Nic; 4] = [
    Nic {
        keys: &["nictype=routed", "ipv4.address=10.92.0.5", "name=eth6", "limits.ingress=10Mbit"],
        link: "eth6",
        whole: &["10.92.0.5/32", "LOWER_UP", "default via 169.254.0.1"],
    },
    Nic {
        keys: &["nictype=macvlan", "parent=br-own", "name=eth3", "mtu=1400"],
        link: "eth3",
        whole: &["mtu 1400", ",UP"],
    },
    Nic {
        keys: &["nictype=physical", "parent=card", "name=card0", "hwaddr=00:16:3e:00:00:09", "mtu=1300"],
        link: "card0",
        whole: &["mtu 1300", "00:16:3e:00:00:09", ",UP"],
    },
    Nic {
        keys: &["network=lan", "ipv4.address=10.91.0.77", "name=eth1", "limits.ingress=10Mbit"],
        link: "eth1",
        whole: &["10.91.0.77/24", "LOWER_UP", "default via 10.91.0.1"],
    },
];

#[test]
fn a_killed_command_leaves_each_link_whole_or_not_there() {
    if skip::find_program("strace").is_none() {
        return skip::skip("strace is not installed");
    }
    let Some(t) = container() else { return };
    t.ok(&["network", "create", "--subnet", "10.91.0.0/24", "lan"]);
    ip(&["link", "add", "br-own", "up", "type", "bridge"]);
    ip(&["link", "add", "card", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "wire"]);
    for nic in &NICS {
        let add = [&["device", "add", "box", "d", "nic"][..], nic.keys].concat();
        let mut nth = 1;
        loop {
            let is_done = killed_at(&t, nth, &add);
            check(&t, nic, &format!("an addition of {} was killed at {nth}", nic.link));
            if t.ok(&["device", "list", "box"]) == "d" {
                // The removal is killed at the same place, and completed or undone.
                killed_at(&t, nth, &["device", "remove", "box", "d"]);
                check(&t, nic, &format!("a removal of {} was killed at {nth}", nic.link));
            }
            if t.ok(&["device", "list", "box"]) == "d" {
                t.ok(&["device", "remove", "box", "d"]);
            }
            let card = ip(&["link", "show", "card"]);
            assert!(card.contains("02:00:00:00:00:01") && card.contains("mtu 1500"), "{card}");
            if is_done {
                break;
            }
            nth += 1;
        }
        assert!(nth > 5, "{}: nothing was killed", nic.link);
    }
    t.ok(&["rm", "-f", "box"]);
    ip(&["link", "del", "card"]);
    ip(&["link", "del", "br-own"]);
}

/// The next change finishes what was begun. Then the link is there as the device says, or not at all.
#[track_caller]
fn check(t: &Scenario, nic: &Nic, what: &str) {
    t.ok(&["device", "add", "box", "other", "none"]);
    t.ok(&["device", "remove", "box", "other"]);
    let shown = inside(t, &["addr"]);
    if t.ok(&["device", "list", "box"]) != "d" {
        assert!(!shown.contains(nic.link), "{what}: {shown}");
        return;
    }
    let shown = inside(t, &["addr", "show", nic.link]) + &inside(t, &["route"]);
    for part in nic.whole {
        assert!(shown.contains(part), "{what}: no {part} in {shown}");
    }
    if nic.keys.contains(&"limits.ingress=10Mbit") {
        assert!(run("tc", &["qdisc", "show"]).contains("rate 10Mbit"), "{what}: no limit");
    }
}

#[test]
fn a_killed_connection_to_a_network_can_be_made_again() {
    if skip::find_program("strace").is_none() {
        return skip::skip("strace is not installed");
    }
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["network", "create", "--subnet", "10.93.0.0/24", "first"]);
    t.ok(&["network", "create", "--subnet", "10.91.0.0/24", "lan"]);
    t.ok(&["run", "-d", "--name", "box", "--network", "first", "busybox", "sleep", "1000"]);
    let connect = ["network", "connect", "--ip", "10.91.0.77", "lan", "box"];
    let links = || inside(&t, &["-br", "addr"]).matches("10.91.0.77").count();
    let is_connected = || t.inspect("box", "{{json .NetworkSettings.Networks}}").contains("lan");
    // Only each second place, which takes half as long.
    for nth in (2..).step_by(2) {
        let is_done = killed_at(&t, nth, &connect);
        // Refused if the killed command has recorded the connection, which is the last thing that it does.
        t.hull(&connect);
        assert!(links() == 1 && is_connected(), "killed at {nth}: {}", inside(&t, &["addr"]));
        t.ok(&["network", "disconnect", "lan", "box"]);
        let shown = inside(&t, &["-br", "link"]);
        assert_eq!(shown.lines().count(), 2, "killed at {nth}: {shown}");
        if is_done {
            break;
        }
    }
    t.ok(&["rm", "-f", "box"]);
    t.ok(&["network", "rm", "lan", "first"]);
}

#[test]
fn a_lent_link_comes_back_as_it_was() {
    let Some(t) = container() else { return };
    ip(&[
        "link",
        "add",
        "card",
        "address",
        "02:00:00:00:00:01",
        "mtu",
        "1450",
        "type",
        "veth",
        "peer",
        "name",
        "wire",
    ]);
    let add = ["device", "add", "box", "d", "nic", "nictype=physical", "parent=card", "name=eth7"];
    let check = |what: &str| {
        let shown = ip(&["link", "show", "card"]);
        assert!(shown.contains("02:00:00:00:00:01") && shown.contains("mtu 1450"), "{what}: {shown}");
    };
    t.ok(&[&add[..], &["hwaddr=00:16:3e:00:00:09", "mtu=1300"]].concat());
    assert!(inside(&t, &["link", "show", "eth7"]).contains("mtu 1300"));
    t.ok(&["device", "remove", "box", "d"]);
    check("after its device");
    // The container changes everything, and puts another link in the place of the one that was lent.
    t.ok(&add);
    inside(&t, &["link", "set", "eth7", "down"]);
    inside(&t, &["link", "set", "eth7", "name", "mine", "address", "02:00:00:00:00:77", "mtu", "1200"]);
    inside(&t, &["link", "add", "eth7", "type", "bridge"]);
    t.ok(&["device", "remove", "box", "d"]);
    check("after the container has changed it");
    let said = t.hull(&add).fails(1).to_owned();
    assert!(said.contains("another link called eth7"), "{said}");
    check("after an addition that was refused");
    inside(&t, &["link", "del", "eth7"]);
    t.ok(&[&add[..], &["mtu=1300"]].concat());
    t.ok(&["stop", "-t", "0", "box"]);
    check("after the end");
    t.ok(&["start", "box"]);
    assert!(inside(&t, &["link", "show", "eth7"]).contains("mtu 1300"));
    t.ok(&["rm", "-f", "box"]);
    check("after the removal");
    ip(&["link", "del", "card"]);
}

#[test]
fn a_renamed_link_is_removed_and_no_other_one() {
    let Some(t) = container() else { return };
    ip(&["link", "add", "br-own", "up", "type", "bridge"]);
    for keys in [["nictype=bridged", "parent=br-own"], ["nictype=macvlan", "parent=br-own"]] {
        t.ok(&[&["device", "add", "box", "eth5", "nic"][..], &keys].concat());
        inside(&t, &["link", "set", "eth5", "down"]);
        inside(&t, &["link", "set", "eth5", "name", "mine"]);
        t.ok(&["device", "remove", "box", "eth5"]);
        let shown = inside(&t, &["link"]);
        assert!(!shown.contains("mine"), "{keys:?}: {shown}");
    }
    // The end on the host has a name that the user chooses, which may be another link's.
    let said = t
        .hull(&["device", "add", "box", "eth5", "nic", "nictype=p2p", "host_name=br-own"])
        .fails(1)
        .to_owned();
    assert!(said.contains("br-own"), "{said}");
    ip(&["link", "show", "br-own"]);
    let p2p = |name: &str| t.hull(&["device", "add", name, "eth6", "nic", "nictype=p2p", "host_name=end"]);
    t.ok(&["run", "-d", "--name", "other", "--network", "none", "busybox", "sleep", "1000"]);
    p2p("box").ok();
    let said = p2p("other").fails(1).to_owned();
    assert!(said.contains("a link of container box"), "{said}");
    assert!(inside(&t, &["link"]).contains("eth6"), "the other container's link stays");
    t.ok(&["restart", "-t", "0", "box"]);
    let said = t.hull(&["device", "add", "box", "lo", "nic", "nictype=p2p"]).fails(1).to_owned();
    assert!(said.contains("called lo"), "{said}");
    t.ok(&["rm", "-f", "box", "other"]);
    ip(&["link", "del", "br-own"]);
}

#[test]
fn a_link_has_the_mtu_of_its_device() {
    let Some(t) = container() else { return };
    t.ok(&["network", "create", "--subnet", "10.91.0.0/24", "-o", "bridge.name=br-lan", "lan"]);
    let mtu = |link: &str| {
        let shown = inside(&t, &["-d", "link", "show", link]);
        shown.split("mtu ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned()
    };
    let of_host = |mtu: &str| ip(&["-d", "link", "show", "master", "br-lan"]).contains(&format!("mtu {mtu}"));
    for keys in [&["network=lan"][..], &["nictype=bridged", "parent=br-lan"]] {
        t.ok(&[&["device", "add", "box", "eth0", "nic", "mtu=1300"][..], keys].concat());
        assert!(mtu("eth0") == "1300" && of_host("1300"), "{keys:?}");
        t.ok(&["device", "set", "box", "eth0", "mtu=1280"]);
        assert!(mtu("eth0") == "1280" && of_host("1280"), "{keys:?}: changed while it runs");
        t.ok(&["restart", "-t", "0", "box"]);
        assert!(mtu("eth0") == "1280" && of_host("1280"), "{keys:?}: after a restart");
        t.ok(&["device", "unset", "box", "eth0", "mtu"]);
        assert_eq!(mtu("eth0"), "1500", "{keys:?}");
        let said = t.hull(&["device", "set", "box", "eth0", "mtu=60"]).fails(1).to_owned();
        assert!(said.contains("68"), "{said}");
        t.ok(&["device", "remove", "box", "eth0"]);
    }
    t.ok(&["rm", "-f", "box"]);
    t.ok(&["network", "rm", "lan"]);
}

#[test]
fn a_proxy_outlives_a_shortage_of_threads() {
    let Some(t) = container() else { return };
    let server = TcpListener::bind(("127.0.0.1", 7071)).unwrap();
    std::thread::spawn(move || {
        server.incoming().flatten().for_each(|mut one| {
            let _ = one.write_all(b"here\n");
        });
    });
    echo(t.pid_of("box"));
    let add = |device: &str, keys: &[&str]| {
        let before = children(t.monitor_of("box"));
        t.ok(&[&["device", "add", "box", device, "proxy"][..], keys].concat());
        let after = children(t.monitor_of("box"));
        *after.iter().find(|pid| !before.contains(pid)).expect("a proxy has a process")
    };
    let tcp = add("t", &["listen=tcp:127.0.0.1:99", "connect=tcp:127.0.0.1:7071", "bind=instance"]);
    let udp = add("u", &["listen=udp:127.0.0.1:7053", "connect=udp:127.0.0.1:53"]);
    let ask = |count: usize| {
        let script = format!("for i in $(seq {count}); do nc -w 5 127.0.0.1 99 </dev/null; done");
        t.hull(&["exec", "box", "sh", "-c", &script]).stdout
    };
    // There is room for the stack of one thread, and a connection has two.
    [tcp, udp].iter().for_each(|process| limit_memory(*process, Some(3 << 20)));
    ask(20);
    for _ in 0..20 {
        let client = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        client.send_to(b"question", ("127.0.0.1", 7053)).unwrap();
    }
    std::thread::sleep(Duration::from_millis(200));
    [tcp, udp].iter().for_each(|process| limit_memory(*process, None));
    eventually("connections are copied again", || ask(1).trim() == "here");
    let client = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.send_to(b"answer me", ("127.0.0.1", 7053)).unwrap();
    assert_eq!(client.recv(&mut [0; 64]).expect("an answer comes back"), 9);
    let now = children(t.monitor_of("box"));
    assert!(now.contains(&tcp) && now.contains(&udp), "a proxy has ended");
    t.ok(&["rm", "-f", "box"]);
}

/// Answers packets in the network namespace of a process.
fn echo(pid: i32) {
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net")).unwrap();
    let (sender, bound) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        let socket = UdpSocket::bind(("127.0.0.1", 53)).unwrap();
        sender.send(()).unwrap();
        let mut packet = [0; 64];
        while let Ok((length, client)) = socket.recv_from(&mut packet) {
            let _ = socket.send_to(&packet[..length], client);
        }
    });
    bound.recv().unwrap();
}

/// Limits how much more memory a process can map.
fn limit_memory(process: i32, more: Option<u64>) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let size: u64 = size.trim().trim_end_matches(" kB").parse().unwrap();
    let limit = Rlimit { current: more.map(|more| size * 1024 + more), maximum: None };
    prlimit(Pid::from_raw(process), Resource::As, limit).unwrap();
}

/// The children of a process.
fn children(pid: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
