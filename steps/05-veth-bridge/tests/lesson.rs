//! The lesson, proved: who reaches whom, by which address, who does not, and that nothing stays. All of it in network
//! namespaces of the test's own, without a route to anywhere.

use std::fs;

use lesson_lab::{Ended, Lab, Running, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Serves a page that says what its one visitor's address was.
const SERVER: &str = "mkdir -p /tmp/w/cgi-bin; printf '#!/bin/sh\\necho; echo you are $REMOTE_ADDR\\n' >/tmp/w/cgi-bin/who; \
                      chmod +x /tmp/w/cgi-bin/who; echo ready; exec busybox httpd -f -p 0.0.0.0:80 -h /tmp/w";
const ASK: &str = "curl -sS -m 20";

fn everyone() -> Vec<Lab> {
    lesson_lab::everyone(env!("CARGO_BIN_EXE_step-05-veth-bridge"))
}

/// Root of its network namespace, with what the tests need to look at it.
fn root() -> Option<Lab> {
    let root = everyone().into_iter().find(Lab::is_root)?;
    let tools =
        root.shell("for tool in busybox curl ip nft; do command -v $tool >/dev/null || echo $tool; done");
    if !tools.stdout.is_empty() {
        lesson_lab::skip(&format!("without {}", tools.stdout.replace('\n', ", ")));
        return None;
    }
    assert_eq!(root.shell("ip link set lo up").code, Some(0));
    Some(root)
}

fn signal(running: &Running, signal: Signal) {
    kill(Pid::from_raw(running.child.id() as i32), signal).unwrap();
}

/// One that runs until it is dropped, with these options.
fn start(lab: &Lab, options: &[&str], script: &str) -> Running {
    let mut running = lab.start(&[&["run"], options, &["--", "sh", "-c", script]].concat());
    assert_eq!(running.line(), "ready", "{}", running.trace);
    running
}

/// Everything that a network leaves: links, rules, forwarding.
fn state(lab: &Lab) -> String {
    lab.shell("ip -br link | cut -d' ' -f1; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward").stdout
}

fn assert_ok(ended: &Ended, stdout: &str) {
    assert_eq!((ended.code, &*ended.stdout), (Some(0), stdout), "{ended:?}");
}

#[test]
fn the_links_inside_are_its_own() {
    for lab in everyone() {
        let own = lab.run(&["run", "--", "sh", "-c", "readlink /proc/self/ns/net; ls /sys/class/net"]);
        let (namespace, links) = own.stdout.split_once('\n').unwrap();
        assert_ne!(namespace, lab.shell("readlink /proc/self/ns/net").stdout);
        assert_eq!(links, if lab.is_root() { "eth0\nlo" } else { "lo" }, "{own:?}");
        assert_ok(&lab.run(&["run", "--", "sh", "-c", "cat /sys/class/net/lo/flags"]), "0x9");
    }
}

#[test]
fn the_gateway_and_a_sibling_answer() {
    let Some(lab) = root() else { return };
    let _sibling = start(&lab, &[], "echo ready; sleep 60");
    for address in ["10.105.0.1", "10.105.0.2"] {
        let ping = lab.run(&["run", "--", "busybox", "ping", "-c1", "-W20", address]);
        assert!(ping.code == Some(0) && ping.stdout.contains("1 packets received"), "{ping:?}");
    }
    let nobody = lab.run(&["run", "--", "busybox", "ping", "-c1", "-W1", "10.105.0.77"]);
    assert_eq!(nobody.code, Some(1), "the control: {nobody:?}");
}

#[test]
fn a_published_port_is_reached_from_everywhere() {
    let Some(lab) = root() else { return };
    let _server = start(&lab, &["-p", "8080:80"], SERVER);
    let page = "/cgi-bin/who";
    // By the host's loopback address the answer could not come back, so the bridge's is what the server sees.
    assert_ok(&lab.shell(&format!("{ASK} localhost:8080{page}")), "you are 10.105.0.1");
    assert_ok(&lab.shell(&format!("{ASK} 10.105.0.1:8080{page}")), "you are 10.105.0.1");
    assert_ok(&lab.shell(&format!("{ASK} 10.105.0.2{page}")), "you are 10.105.0.1");
    let sibling = format!("{ASK} 10.105.0.1:8080{page}; {ASK} 10.105.0.2{page}");
    let asked = lab.run(&["run", "--", "sh", "-c", &sibling]);
    assert_ok(&asked, "you are 10.105.0.1\nyou are 10.105.0.3");
    assert_eq!(
        lab.shell(&format!("{ASK} localhost:8081")).code,
        Some(7),
        "the control: another port is refused"
    );
}

#[test]
fn a_container_reaches_its_own_published_port() {
    let Some(lab) = root() else { return };
    let script = format!(
        "({SERVER}) & {ASK} --retry 9 --retry-max-time 20 --retry-connrefused 10.105.0.1:8080/cgi-bin/who; kill $!"
    );
    let own = lab.run(&["run", "-p", "8080:80", "--", "sh", "-c", &script]);
    assert!(own.stdout.ends_with("you are 10.105.0.1"), "{own:?}");
}

/// Another machine: a network namespace at the end of a veth pair, 192.0.2.2, and the host is its 192.0.2.1.
const NEIGHBOUR: &str = "
    unshare -n sleep 60 & other=$!
    until [ \"$(readlink /proc/$other/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do sleep 0.01; done
    ip link add out0 type veth peer name in0 netns $other && ip addr add 192.0.2.1/24 dev out0 && ip link set out0 up
    there() { nsenter -t $other -n \"$@\"; }
    there ip link set lo up && there ip addr add 192.0.2.2/24 dev in0 && there ip link set in0 up
    trap 'kill $other' EXIT";

#[test]
fn outside_the_hosts_address_is_seen_and_a_visitors_own_is_inside() {
    let Some(lab) = root() else { return };
    let script = format!(
        "{NEIGHBOUR}
        mkdir -p $TMPDIR/w/cgi-bin && printf '#!/bin/sh\\necho; echo you are $REMOTE_ADDR\\n' >$TMPDIR/w/cgi-bin/who
        chmod +x $TMPDIR/w/cgi-bin/who; nsenter -t $other -n busybox httpd -f -p 0.0.0.0:80 -h $TMPDIR/w & server=$!
        $P run -- sh -c '{ASK} --retry 9 --retry-max-time 20 --retry-connrefused 192.0.2.2/cgi-bin/who'
        $P run -p 8080:80 -- sh -c \"$0\" & container=$!
        there {ASK} --retry 9 --retry-max-time 20 --retry-connrefused --retry-all-errors 192.0.2.1:8080/cgi-bin/who
        there {ASK} 10.105.0.2; echo $?
        kill $container $server; wait $container"
    );
    let ended = lab.shell_with(&script, SERVER);
    let lines: Vec<&str> = ended.stdout.lines().filter(|line| *line != "ready").collect();
    assert_eq!(lines[..2], ["you are 192.0.2.1", "you are 192.0.2.2"], "{ended:?}");
    assert_eq!(lines[2], "7", "the control: by its own address nobody out there finds it: {ended:?}");
}

#[test]
fn a_container_does_not_reach_what_listens_on_the_hosts_loopback() {
    let Some(lab) = root() else { return };
    // Published, so that route_localnet is on.
    let attack = "echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet; ip addr del 127.0.0.1/8 dev lo;
        ip route add 127.0.0.0/8 via 10.105.0.1 dev eth0 src 10.105.0.2 || echo no route;
        curl -sS -m 2 127.0.0.1:9999; curl -sS -m 20 10.105.0.1:9998";
    let script = format!(
        "mkdir $TMPDIR/w; echo secret >$TMPDIR/w/index.html
         busybox httpd -f -p 127.0.0.1:9999 -h $TMPDIR/w & one=$!; busybox httpd -f -p 9998 -h $TMPDIR/w & two=$!
         {ASK} --retry 9 --retry-max-time 20 --retry-connrefused 127.0.0.1:9999; $P run -p 8080:80 -- sh -c '{attack}'; kill $one $two"
    );
    let ended = lab.shell(&script);
    assert_eq!(ended.stdout, "secret\nsecret", "the host by both, the container by the gateway's: {ended:?}");
    assert!(ended.stderr.contains("timed out"), "{ended:?}");
}

#[test]
fn an_unprivileged_user_gets_lo_and_is_told_and_a_port_is_refused_with_the_reason() {
    for lab in everyone().iter().filter(|lab| !lab.is_root()) {
        let quiet = lab.run(&["run", "true"]);
        assert_eq!((quiet.code, quiet.stderr.lines().count()), (Some(0), 1), "{quiet:?}");
        assert!(quiet.stderr.starts_with("note: no network but lo"), "{quiet:?}");
        let refused = lab.run(&["run", "-p", "8080:80", "true"]);
        assert_eq!((refused.code, lab.left()), (Some(125), vec![]));
        assert!(refused.stderr.contains("EPERM: Operation not permitted\nhint: a bridge on"), "{refused:?}");
        let lo = "busybox ping -c1 -W20 127.0.0.1 >/dev/null && echo up";
        assert_ok(&lab.run(&["run", "--", "sh", "-c", lo]), "up");
    }
}

#[test]
fn inside_unshare_an_unprivileged_user_has_all_of_it() {
    for lab in everyone() {
        let script = format!(
            "ip link set lo up; $P run -p 8080:80 -- sh -c \"$0\" & c=$!
             {ASK} --retry 9 --retry-max-time 20 --retry-connrefused --retry-all-errors localhost:8080/cgi-bin/who
             $P run -- busybox ping -c1 -W20 10.105.0.2 | grep -o '1 packets received'; kill $c; wait $c; ip -br link | wc -l"
        );
        let ended = lab.shell_with(
            &format!("exec unshare -Urn sh -c '{}' \"$0\"", script.replace('\'', "'\\''")),
            SERVER,
        );
        let lines: Vec<&str> = ended.stdout.lines().filter(|line| *line != "ready").collect();
        assert_eq!(lines, ["you are 10.105.0.1", "1 packets received", "1"], "{ended:?}");
    }
}

#[test]
fn the_servers_for_names_are_the_hosts() {
    for lab in everyone() {
        let asked = lab.run(&["run", "cat", "/etc/resolv.conf"]);
        let ours = lab.shell("cat /run/systemd/resolve/resolv.conf 2>/dev/null || cat /etc/resolv.conf");
        assert_ok(&asked, &ours.stdout);
        let changed = lab.run(&["run", "--", "sh", "-c", "echo nameserver 192.0.2.1 >/etc/resolv.conf"]);
        assert_eq!(changed.code, Some(0), "a copy is theirs to change: {changed:?}");
        let after = lab.shell("cat /run/systemd/resolve/resolv.conf 2>/dev/null || cat /etc/resolv.conf");
        assert_eq!(after.stdout, ours.stdout);
    }
}

#[test]
fn addresses_that_the_host_has_a_route_to_already_are_not_taken() {
    let Some(lab) = root() else { return };
    let setup = "ip link add vpn0 type veth peer name far0 && ip link set vpn0 up && ip addr add 192.0.2.1/32 dev vpn0";
    assert_eq!(lab.shell(setup).code, Some(0));
    let before = state(&lab);
    for (route, is_in_the_way) in [
        ("10.0.0.0/8", true),
        ("10.105.0.0/24", true),
        ("10.105.0.128/25", true),
        ("10.105.0.7/32", true),
        ("10.105.1.0/24", false),
        ("default", false),
    ] {
        assert_eq!(lab.shell(&format!("ip route add {route} dev vpn0")).code, Some(0), "{route}");
        let ended = lab.run(&["run", "true"]);
        assert_eq!(ended.code, Some(if is_in_the_way { 125 } else { 0 }), "{route}: {ended:?}");
        let reason = format!("this machine has a route there: {route} dev vpn0");
        assert_eq!(ended.stderr.contains(&reason), is_in_the_way, "{ended:?}");
        assert_eq!(ended.stderr.contains("hint: this lesson knows one network"), is_in_the_way, "{ended:?}");
        assert_eq!((state(&lab), lab.left()), (before.clone(), vec![]), "{route}");
        assert_eq!(lab.shell(&format!("ip route del {route} dev vpn0")).code, Some(0), "{route}");
    }
}

#[test]
fn a_port_that_is_taken_is_refused_and_nothing_stays() {
    let Some(lab) = root() else { return };
    let before = state(&lab);
    let ended = lab.shell(
        "busybox httpd -f -p 8080 & pid=$!; until curl -s localhost:8080 >/dev/null; do sleep 0.02; done
         $P run -p 8080:80 -- true; echo $?; kill $pid",
    );
    assert_eq!(ended.stdout, "125", "{ended:?}");
    let reason =
        "port 8080 of the host: bind(0.0.0.0:8080): EADDRINUSE: Address already in use\nhint: somebody";
    assert!(ended.stderr.contains(reason), "{ended:?}");
    assert_eq!((state(&lab), lab.left()), (before, vec![]));
    let _first = start(&lab, &["-p", "8080:80"], "echo ready; sleep 60");
    assert_eq!(lab.run(&["run", "-p", "8080:80", "true"]).code, Some(125), "by another container");
    assert_eq!(lab.run(&["run", "-p", "8081:80", "true"]).code, Some(0), "the control");
}

#[test]
fn nothing_stays_whatever_the_end() {
    let Some(lab) = root() else { return };
    let before = state(&lab);
    assert!(before.ends_with('0'), "{before}");
    let endings: [(&[&str], i32); 3] =
        [(&["true"], 0), (&["no-such-program"], 127), (&["--hostname", &"x".repeat(65), "true"], 125)];
    for (ending, code) in endings {
        let ended = lab.run(&[&["-v", "run", "-p", "8080:80"], ending].concat());
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert_eq!(state(&lab), before, "{ended:?}");
    }
    for by in [Signal::SIGTERM, Signal::SIGKILL] {
        let running = start(&lab, &["-p", "8080:80"], "setsid sleep 60 & echo ready; sleep 60");
        let during = state(&lab);
        assert!(
            during.contains("boxes") && during.contains("8080") && during.ends_with('1'),
            "the control: {during}"
        );
        signal(&running, by);
        running.assert_nothing_left();
        wait_for("links and rules to be gone", || state(&lab) == before);
    }
}

#[test]
fn the_bridge_stays_for_as_long_as_somebody_needs_it() {
    let Some(lab) = root() else { return };
    let before = state(&lab);
    let first = start(&lab, &[], "echo ready; sleep 60");
    let mut second = start(&lab, &["-p", "8080:80"], SERVER);
    signal(&first, Signal::SIGKILL);
    first.assert_nothing_left();
    wait_for("the first one's veth pair to be gone", || !state(&lab).contains("box2-"));
    assert_ok(&lab.shell(&format!("{ASK} localhost:8080/cgi-bin/who")), "you are 10.105.0.1");
    let third = start(&lab, &[], "echo ready; sleep 60");
    assert!(state(&lab).contains("box2-"), "its address is free again");
    drop(third);
    signal(&second, Signal::SIGTERM);
    assert_eq!(second.child.wait().unwrap().code(), Some(143));
    wait_for("all to be gone", || state(&lab) == before);
}

#[test]
fn many_at_once_get_an_address_each() {
    let Some(lab) = root() else { return };
    let before = state(&lab);
    // Each keeps its address until all have one.
    let script = "mkfifo sync_pipe && exec 9<>sync_pipe
        for n in 1 2 3 4 5 6 7 8; do
            $P run -- sh -c 'echo $(ip -4 -br addr show eth0); read -r go' <sync_pipe >>out &
        done
        until [ $(wc -l <out) = 8 ]; do sleep 0.1; done
        for n in 1 2 3 4 5 6 7 8; do echo >&9; done; wait; cat out";
    let ended = lab.shell(&format!("cd {}; touch out; {script}", lab.dir.display()));
    let mut addresses: Vec<&str> =
        ended.stdout.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 8, "{ended:?}");
    wait_for("all to be gone", || state(&lab) == before);
}

#[test]
fn forwarding_is_left_alone_where_it_was_on_and_where_somebody_else_has_switched_it() {
    let Some(lab) = root() else { return };
    let file = "/proc/sys/net/ipv4/ip_forward";
    assert_eq!(lab.shell(&format!("echo 1 >{file}")).code, Some(0));
    let told = lab.run(&["-v", "run", "true"]);
    assert!(!told.stderr.contains(file), "{told:?}");
    assert_ok(&lab.shell(&format!("cat {file}")), "1");
    let told = lab.shell(&format!("echo 0 >{file}; $P -v run -- true"));
    assert_eq!(told.stderr.matches(file).count(), 2, "on and off again: {told:?}");
    assert_ok(&lab.shell(&format!("cat {file}")), "0");
}

#[test]
fn a_table_that_drops_what_is_forwarded_is_named() {
    let Some(lab) = root() else { return };
    assert_eq!(lab.run(&["run", "true"]).stderr, "", "the control");
    let rules = "nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'";
    let told = lab.shell(&format!("{rules} && $P run -- true"));
    assert!(told.stderr.contains("note: table filter drops in its chain FORWARD"), "{told:?}");
    assert!(told.stderr.contains("DOCKER-USER"), "{told:?}");
}

#[test]
fn a_port_that_makes_no_sense_is_refused_before_anything_is_made() {
    for lab in everyone() {
        for value in ["80", "0:80", "80:65536", "a:b", "80:80:80"] {
            let refused = lab.run(&["-v", "run", "-p", value, "true"]);
            assert_ne!(refused.code, Some(0));
            assert!(
                refused.stderr.contains("two ports") && !refused.stderr.contains("mkdir("),
                "{refused:?}"
            );
        }
    }
}

#[test]
fn the_story_is_told_in_order() {
    let Some(lab) = root() else { return };
    let told = lab.run(&["-v", "run", "-p", "8080:80", "true"]);
    let mut rest = &*told.stderr;
    for chapter in [
        "outside | RTM_NEWLINK(boxes, bridge, up)",
        "outside | RTM_NEWADDR(boxes, 10.105.0.1/24)",
        "outside | write \"1\" to /proc/sys/net/ipv4/ip_forward   was \"0\"",
        "outside | NFT_MSG_NEWTABLE(",
        "outside | clone(",
        "outside | RTM_NEWLINK(box2-",
        "inside  | RTM_SETLINK(lo, up)",
        "inside  | RTM_NEWADDR(eth0, 10.105.0.2/24)",
        "inside  | RTM_NEWROUTE(default via 10.105.0.1)",
        "inside  | mount(sysfs -> ",
        "inside  | execve([\"true\"]",
        "outside | write \"0\" to /proc/sys/net/ipv4/ip_forward   was \"1\"",
        "outside | RTM_DELLINK(boxes)",
    ] {
        let at = rest.find(chapter).unwrap_or_else(|| panic!("{chapter} not in order in\n{}", told.stderr));
        rest = &rest[at..];
    }
}

#[test]
fn what_the_steps_before_have_shown_still_holds() {
    for lab in everyone() {
        let script = "hostname; echo $PPID; id -u; test -e $0 || echo gone; echo >>/lesson/change-me; exit 3";
        let inside = lab.run(&["run", "--diff", "--", "sh", "-c", script, &lab.dir.to_string_lossy()]);
        let expected = "box\n1\n0\ngone\nC /lesson\nC /lesson/change-me";
        assert_eq!((inside.code, &*inside.stdout), (Some(3), expected), "{inside:?}");
        assert_eq!(lab.run(&["run", "no-such-program"]).code, Some(127));
        assert!(fs::read_dir(lab.dir.join("tmp")).unwrap().next().is_none());
    }
}
