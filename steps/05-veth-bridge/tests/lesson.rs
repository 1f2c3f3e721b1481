//! The lesson as tests, in its order: the link, the way out, the way in, and what is left at the end. Every test runs in
//! network namespaces of its own, without a route to any other machine.

use std::fs;

use lesson_lab::{Chapter, Ended, Lab, Running, wait_for};
use nix::sys::signal::Signal;

const LINK: Chapter = Chapter::new("5. Networks: veth pair and bridge", "steps/05-veth-bridge/link.md");
const OUT: Chapter =
    Chapter::new("Outgoing connections: forwarding and masquerade", "steps/05-veth-bridge/out.md");
const IN: Chapter = Chapter::new("Incoming connections: published ports", "steps/05-veth-bridge/in.md");

/// Serves a page that says which address the client has.
const SERVER: &str = "mkdir -p /tmp/w/cgi-bin; printf '#!/bin/sh\\necho; echo you are $REMOTE_ADDR\\n' >/tmp/w/cgi-bin/who; \
                      chmod +x /tmp/w/cgi-bin/who; echo ready; exec busybox httpd -f -p 0.0.0.0:80 -h /tmp/w";
const ASK: &str = "curl -sS -m 20";
/// The same for a server that may not listen yet.
const ASK_UNTIL: &str = "curl -sS -m 20 --retry 9 --retry-max-time 20 --retry-connrefused --retry-all-errors";

lesson_lab::isolated!();

fn everyone() -> Vec<Lab> {
    lesson_lab::everyone(env!("CARGO_BIN_EXE_step-05-veth-bridge"))
}

/// Root of a network namespace, with the programs that the tests look at it with.
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

/// Fails unless the program ended with 0 and printed this. What it wrote to stderr is shown beside it.
#[track_caller]
fn prints(ended: &Ended, stdout: &str, why: &str, chapter: Chapter) {
    chapter.same((ended.code, &*ended.stdout, &*ended.stderr), (Some(0), stdout, &*ended.stderr), why);
}

/// A container that runs until it is dropped.
fn start(lab: &Lab, options: &[&str], script: &str) -> Running {
    let mut running = lab.start(&[&["run"], options, &["--", "sh", "-c", script]].concat());
    assert_eq!(running.line(), "ready", "{}", running.trace);
    running
}

/// All that a network could leave: links, rules, forwarding.
fn state(lab: &Lab) -> String {
    lab.shell("ip -br link | cut -d' ' -f1; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward").stdout
}

#[test]
fn t01_a_container_has_links_of_its_own() {
    for lab in everyone() {
        let own = lab.run(&["run", "--", "sh", "-c", "readlink /proc/self/ns/net; ls /sys/class/net"]);
        let (namespace, links) = own.stdout.split_once('\n').unwrap_or((&own.stdout, ""));
        let what =
            "The container is in a network namespace of its own: without CLONE_NEWNET it is in the host's.";
        let hosts = lab.shell("readlink /proc/self/ns/net").stdout;
        LINK.holds(namespace != hosts, &own, what);
        let what =
            "Root's container has lo and eth0, its end of the veth pair. Without root there is only lo.";
        let expected = if lab.is_root() { "eth0\nlo" } else { "lo" };
        LINK.same(links, expected, what);
        let what = "lo is up (IFF_UP | IFF_LOOPBACK is 0x9): a new namespace has it down, and `configure` sets it up.";
        prints(&lab.run(&["run", "--", "sh", "-c", "cat /sys/class/net/lo/flags"]), "0x9", what, LINK);
    }
}

#[test]
fn t02_the_gateway_and_a_second_container_answer() {
    let Some(lab) = root() else { return };
    let _second = start(&lab, &[], "echo ready; sleep 60");
    for (address, who) in [("10.105.0.1", "The bridge"), ("10.105.0.2", "A second container")] {
        let ping = lab.run(&["run", "--", "busybox", "ping", "-c1", "-W20", address]);
        let what = format!("{who} answers at {address}: both veth pairs have an end at the bridge.");
        let answered = ping.code == Some(0) && ping.stdout.contains("1 packets received");
        LINK.holds(answered, &ping, &what);
    }
    let nobody = lab.run(&["run", "--", "busybox", "ping", "-c1", "-W1", "10.105.0.77"]);
    let what = "Nobody answers at an address that no container has. (This is the control of the test.)";
    LINK.same(nobody.code, Some(1), what);
}

#[test]
fn t03_containers_that_start_at_once_get_different_addresses() {
    let Some(lab) = root() else { return };
    let before = state(&lab);
    // Each container keeps its address until all eight have one.
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
    let what = "Eight containers have eight addresses: a lock is held from the choice of an address until the link exists.";
    LINK.same(addresses.len(), 8, what);
    wait_for("all links and rules to be gone", || state(&lab) == before);
}

#[test]
fn t04_a_subnet_that_the_host_has_a_route_to_is_not_taken() {
    let Some(lab) = root() else { return };
    let setup = "ip link add vpn0 type veth peer name far0 && ip link set vpn0 up && ip addr add 192.0.2.1/32 dev vpn0";
    assert_eq!(lab.shell(setup).code, Some(0));
    let before = state(&lab);
    for (route, overlaps) in [
        ("10.0.0.0/8", true),
        ("10.105.0.0/24", true),
        ("10.105.0.128/25", true),
        ("10.105.0.7/32", true),
        ("10.105.1.0/24", false),
        ("default", false),
    ] {
        assert_eq!(lab.shell(&format!("ip route add {route} dev vpn0")).code, Some(0), "{route}");
        let ended = lab.run(&["run", "true"]);
        let what = format!(
            "A route to {route} {}: two routes to one address would cut off the VPN or the containers.",
            if overlaps { "overlaps with 10.105.0.0/24 and is an error" } else { "does not overlap" }
        );
        OUT.same(ended.code, Some(if overlaps { 125 } else { 0 }), &what);
        let reason = format!("this machine has a route that overlaps with it: {route} dev vpn0");
        OUT.holds(ended.stderr.contains(&reason) == overlaps, &ended, &what);
        let hint = "hint: this lesson knows only one network";
        OUT.holds(ended.stderr.contains(hint) == overlaps, &ended, &what);
        let what = "Nothing is left of a container that did not start.";
        OUT.same((state(&lab), lab.left()), (before.clone(), vec![]), what);
        assert_eq!(lab.shell(&format!("ip route del {route} dev vpn0")).code, Some(0), "{route}");
    }
}

/// Another machine: a network namespace at the end of a veth pair. It is 192.0.2.2, and the host is 192.0.2.1.
const NEIGHBOUR: &str = "
    unshare -n sleep 60 & other=$!
    until [ \"$(readlink /proc/$other/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do sleep 0.01; done
    ip link add out0 type veth peer name in0 netns $other && ip addr add 192.0.2.1/24 dev out0 && ip link set out0 up
    there() { nsenter -t $other -n \"$@\"; }
    there ip link set lo up && there ip addr add 192.0.2.2/24 dev in0 && there ip link set in0 up
    trap 'kill $other' EXIT";

#[test]
fn t05_a_server_sees_the_hosts_address_and_the_container_sees_its_clients() {
    let Some(lab) = root() else { return };
    let script = format!(
        "{NEIGHBOUR}
        mkdir -p $TMPDIR/w/cgi-bin && printf '#!/bin/sh\\necho; echo you are $REMOTE_ADDR\\n' >$TMPDIR/w/cgi-bin/who
        chmod +x $TMPDIR/w/cgi-bin/who; nsenter -t $other -n busybox httpd -f -p 0.0.0.0:80 -h $TMPDIR/w & server=$!
        $P run -- sh -c '{ASK_UNTIL} 192.0.2.2/cgi-bin/who'
        $P run -p 8080:80 -- sh -c \"$0\" & container=$!
        there {ASK_UNTIL} 192.0.2.1:8080/cgi-bin/who
        there {ASK} 10.105.0.2; echo $?
        kill $container $server; wait $container"
    );
    let ended = lab.shell_with(&script, SERVER);
    let lines: Vec<&str> = ended.stdout.lines().filter(|line| *line != "ready").collect();
    let line = |n: usize| lines.get(n).copied().unwrap_or_default();
    let what =
        "A server elsewhere sees the host's address 192.0.2.1: the rule `masquerade` changes the source.";
    OUT.same(line(0), "you are 192.0.2.1", what);
    let what = "The container sees the client's own address: `dnat` changes the destination only.";
    IN.same(line(1), "you are 192.0.2.2", what);
    let what = "Other machines have no route to 10.105.0.2 (7: could not connect). (This is the control of the test.)";
    OUT.same(line(2), "7", what);
}

#[test]
fn t06_forwarding_that_somebody_else_switched_on_or_off_stays_so() {
    let Some(lab) = root() else { return };
    let file = "/proc/sys/net/ipv4/ip_forward";
    assert_eq!(lab.shell(&format!("echo 1 >{file}")).code, Some(0));
    let ended = lab.run(&["-v", "run", "true"]);
    let what = "ip_forward was on before the container started, so the step must not write to the file.";
    OUT.holds(!ended.stderr.contains(file), &ended, what);
    prints(&lab.shell(&format!("cat {file}")), "1", what, OUT);
    let ended = lab.shell(&format!("echo 0 >{file}; $P -v run -- true"));
    let what = "ip_forward was off, so the step writes twice: on for the container, and off after it.";
    OUT.same(ended.stderr.matches(file).count(), 2, what);
    prints(&lab.shell(&format!("cat {file}")), "0", what, OUT);
}

#[test]
fn t07_a_table_that_drops_forwarded_packets_is_named() {
    let Some(lab) = root() else { return };
    let quiet = lab.run(&["run", "true"]);
    OUT.same(quiet.stderr, "", "Without such a table there is no note.");
    let rules = "nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'";
    let ended = lab.shell(&format!("{rules} && $P run -- true"));
    let what = "A note names the table: no accept in the step's own table can undo a drop in another one.";
    for part in ["note: the chain FORWARD of the table filter drops forwarded packets", "DOCKER-USER"] {
        OUT.holds(ended.stderr.contains(part), &ended, what);
    }
}

#[test]
fn t08_the_name_servers_are_the_hosts() {
    for lab in everyone() {
        let asked = lab.run(&["run", "cat", "/etc/resolv.conf"]);
        let ours = "cat /run/systemd/resolve/resolv.conf 2>/dev/null || cat /etc/resolv.conf";
        let before = lab.shell(ours).stdout;
        let what = "The container has a copy of the host's list of name servers.";
        prints(&asked, &before, what, OUT);
        let change = "echo nameserver 192.0.2.1 >/etc/resolv.conf";
        prints(&lab.run(&["run", "--", "sh", "-c", change]), "", what, OUT);
        let what = "A change in the container does not change the host's list.";
        OUT.same(lab.shell(ours).stdout, before, what);
    }
}

#[test]
fn t09_a_published_port_is_reached_by_every_caller() {
    let Some(lab) = root() else { return };
    let _server = start(&lab, &["-p", "8080:80"], SERVER);
    let page = "/cgi-bin/who";
    for (address, what) in [
        (
            "localhost:8080",
            "From localhost: `output` has the dnat rule, route_localnet is on, and the source is masqueraded.",
        ),
        ("10.105.0.1:8080", "From the host by its own address: `output` has the dnat rule."),
        ("10.105.0.2", "From the host by the container's address: nothing is translated."),
    ] {
        prints(&lab.shell(&format!("{ASK} {address}{page}")), "you are 10.105.0.1", what, IN);
    }
    let both = format!("{ASK} 10.105.0.1:8080{page}; {ASK} 10.105.0.2{page}");
    let asked = lab.run(&["run", "--", "sh", "-c", &both]);
    let what =
        "From another container: by the host's port its source is masqueraded, directly it is its own.";
    prints(&asked, "you are 10.105.0.1\nyou are 10.105.0.3", what, IN);
    let other = lab.shell(&format!("{ASK} localhost:8081"));
    let what = "A port that is not published refuses the connection. (This is the control of the test.)";
    IN.same(other.code, Some(7), what);
}

#[test]
fn t10_a_container_reaches_its_own_published_port() {
    let Some(lab) = root() else { return };
    let script = format!("({SERVER}) & {ASK_UNTIL} 10.105.0.1:8080/cgi-bin/who; kill $!");
    let own = lab.run(&["run", "-p", "8080:80", "--", "sh", "-c", &script]);
    let what = "The packet goes to the bridge, is translated there, and comes back by the same link.";
    IN.holds(own.stdout.ends_with("you are 10.105.0.1"), &own, what);
}

#[test]
fn t11_a_container_does_not_reach_services_on_the_hosts_loopback() {
    let Some(lab) = root() else { return };
    // The port is published, because that switches route_localnet on.
    let attack = "echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet; ip addr del 127.0.0.1/8 dev lo;
        ip route add 127.0.0.0/8 via 10.105.0.1 dev eth0 src 10.105.0.2 || echo no route;
        curl -sS -m 2 127.0.0.1:9999; curl -sS -m 20 10.105.0.1:9998";
    let script = format!(
        "mkdir $TMPDIR/w; echo secret >$TMPDIR/w/index.html
         busybox httpd -f -p 127.0.0.1:9999 -h $TMPDIR/w & one=$!; busybox httpd -f -p 9998 -h $TMPDIR/w & two=$!
         {ASK_UNTIL} 127.0.0.1:9999; $P run -p 8080:80 -- sh -c '{attack}'; kill $one $two"
    );
    let ended = lab.shell(&script);
    let what = "The host reads the page at 127.0.0.1 and the container at 10.105.0.1. At 127.0.0.1 the container must not: \
                the rule of `guard_loopback` drops packets from the bridge to 127.0.0.0/8.";
    IN.same(&*ended.stdout, "secret\nsecret", what);
    IN.holds(ended.stderr.contains("timed out"), &ended, what);
}

#[test]
fn t12_a_port_that_is_taken_is_refused_and_nothing_is_left() {
    let Some(lab) = root() else { return };
    let before = state(&lab);
    let ended = lab.shell(
        "busybox httpd -f -p 8080 & pid=$!; until curl -s localhost:8080 >/dev/null; do sleep 0.02; done
         $P run -p 8080:80 -- true; echo $?; kill $pid",
    );
    let what =
        "A program listens on port 8080: a dnat rule would take the port away from it without an error.";
    IN.same(&*ended.stdout, "125", what);
    let reason =
        "port 8080 of the host: bind(0.0.0.0:8080): EADDRINUSE: Address already in use\nhint: `ss -ltnp`";
    IN.holds(ended.stderr.contains(reason), &ended, what);
    let what = "Nothing is left of a container that did not start.";
    IN.same((state(&lab), lab.left()), (before, vec![]), what);
    let _first = start(&lab, &["-p", "8080:80"], "echo ready; sleep 60");
    let (same, other) = (["run", "-p", "8080:80", "true"], ["run", "-p", "8081:80", "true"]);
    IN.same(lab.run(&same).code, Some(125), "Another container has the port.");
    IN.same(lab.run(&other).code, Some(0), "Another port is free. (This is the control of the test.)");
    let what = "The socket that reserves the port does not listen (state 0A), because nobody serves its connections.";
    IN.same(&*lab.shell("grep -c ' 0A ' /proc/net/tcp").stdout, "0", what);
}

#[test]
fn t13_a_port_that_is_no_number_is_refused_before_anything_is_made() {
    for lab in everyone() {
        for value in ["80", "0:80", "80:65536", "a:b", "80:80:80"] {
            let refused = lab.run(&["-v", "run", "-p", value, "true"]);
            let what = format!("-p {value} is an error of the command line, so nothing is made.");
            let told = refused.stderr.contains("two ports") && !refused.stderr.contains("mkdir(");
            IN.holds(told && refused.code != Some(0), &refused, &what);
        }
    }
}

#[test]
fn t14_an_unprivileged_user_gets_lo_and_a_note_and_no_published_port() {
    for lab in everyone().iter().filter(|lab| !lab.is_root()) {
        let quiet = lab.run(&["run", "true"]);
        let what = "An unprivileged user may not add a link to the host, so a note of one line says that there is only lo.";
        LINK.same((quiet.code, quiet.stderr.lines().count()), (Some(0), 1), what);
        LINK.holds(quiet.stderr.starts_with("note: the container has only lo"), &quiet, what);
        let refused = lab.run(&["run", "-p", "8080:80", "true"]);
        let what = "A published port needs the bridge, so for an unprivileged user -p is an error, and nothing is left.";
        LINK.same((refused.code, lab.left()), (Some(125), vec![]), what);
        let reason = "EPERM: Operation not permitted\nhint: only root may create a bridge";
        LINK.holds(refused.stderr.contains(reason), &refused, what);
        let lo = "busybox ping -c1 -W20 127.0.0.1 >/dev/null && echo up";
        prints(&lab.run(&["run", "--", "sh", "-c", lo]), "up", "lo works in the container.", LINK);
    }
}

#[test]
fn t15_inside_unshare_an_unprivileged_user_has_all_of_it() {
    for lab in everyone() {
        let script = format!(
            "ip link set lo up; $P run -p 8080:80 -- sh -c \"$0\" & c=$!
             {ASK_UNTIL} localhost:8080/cgi-bin/who
             $P run -- busybox ping -c1 -W20 10.105.0.2 | grep -o '1 packets received'; kill $c; wait $c; ip -br link | wc -l"
        );
        let ended = lab.shell_with(
            &format!("exec unshare -Urn sh -c '{}' \"$0\"", script.replace('\'', "'\\''")),
            SERVER,
        );
        let lines: Vec<&str> = ended.stdout.lines().filter(|line| *line != "ready").collect();
        let what = "In `unshare -Urn` you are root of a network namespace, so bridge, rules and ports work, and only lo is left.";
        let expected = ["you are 10.105.0.1", "1 packets received", "1"];
        LINK.holds(lines == expected, &ended, what);
    }
}

#[test]
fn t16_the_bridge_exists_as_long_as_a_container_uses_it() {
    let Some(lab) = root() else { return };
    let before = state(&lab);
    let first = start(&lab, &[], "echo ready; sleep 60");
    let mut second = start(&lab, &["-p", "8080:80"], SERVER);
    first.signal(Signal::SIGKILL);
    first.assert_nothing_left();
    wait_for("the first container's veth pair to be gone", || !state(&lab).contains("box2-"));
    let what = "The first container has ended, and the second one uses the bridge: its supervisor must leave the bridge.";
    prints(&lab.shell(&format!("{ASK} localhost:8080/cgi-bin/who")), "you are 10.105.0.1", what, LINK);
    let third = start(&lab, &[], "echo ready; sleep 60");
    let what = "The address of the first container is free again.";
    LINK.holds(state(&lab).contains("box2-"), state(&lab), what);
    drop(third);
    second.signal(Signal::SIGTERM);
    assert_eq!(second.child.wait().unwrap().code(), Some(143));
    wait_for("links, rules and forwarding to be as before", || state(&lab) == before);
}

#[test]
fn t17_nothing_is_left_however_it_ends() {
    let Some(lab) = root() else { return };
    let before = state(&lab);
    assert!(before.ends_with('0'), "{before}");
    let endings: [(&[&str], i32); 3] =
        [(&["true"], 0), (&["no-such-program"], 127), (&["--hostname", &"x".repeat(65), "true"], 125)];
    for (ending, code) in endings {
        let ended = lab.run(&[&["-v", "run", "-p", "8080:80"], ending].concat());
        assert_eq!(ended.code, Some(code), "{ended:?}");
        let what = "Links, rules and forwarding are as before: the supervisor and the end of the sockets remove them.";
        OUT.same(&*state(&lab), &*before, what);
    }
    for by in [Signal::SIGTERM, Signal::SIGKILL] {
        let running = start(&lab, &["-p", "8080:80"], "setsid sleep 60 & echo ready; sleep 60");
        let during = state(&lab);
        let is_there = during.contains("boxes") && during.contains("8080") && during.ends_with('1');
        let what = "While it runs, links and rules are there. (This is the control of the test.)";
        OUT.holds(is_there, during, what);
        running.signal(by);
        running.assert_nothing_left();
        wait_for("links and rules to be gone", || state(&lab) == before);
    }
}

#[test]
fn t18_the_trace_tells_the_calls_in_order() {
    let Some(lab) = root() else { return };
    let told = lab.run(&["-v", "run", "-p", "8080:80", "true"]);
    let mut rest = &*told.stderr;
    for call in [
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
        let at = rest.find(call).unwrap_or_else(|| panic!("{call} is not in its place in\n{}", told.stderr));
        rest = &rest[at..];
    }
}

#[test]
fn t19_what_the_steps_before_have_shown_still_holds() {
    for lab in everyone() {
        let script = "hostname; echo $PPID; id -u; test -e $0 || echo gone; echo >>/lesson/change-me; exit 3";
        let inside = lab.run(&["run", "--diff", "--", "sh", "-c", script, &lab.dir.to_string_lossy()]);
        let expected = "box\n1\n0\ngone\nC /lesson\nC /lesson/change-me";
        let what = "Hostname, PID 1, root inside, a root directory of its own, and the list of changes: steps 1 to 4.";
        LINK.same((inside.code, &*inside.stdout), (Some(3), expected), what);
        assert_eq!(lab.run(&["run", "no-such-program"]).code, Some(127));
        assert!(fs::read_dir(lab.dir.join("tmp")).unwrap().next().is_none(), "A directory is left.");
    }
}

#[test]
fn t20_the_script_with_the_idea_in_25_lines_works() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/bare.sh");
    let text = fs::read_to_string(path).unwrap();
    let code = text.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')).count();
    LINK.holds(code <= 25, code, "bare.sh shows the idea in at most 25 lines of code.");
    let Some(lab) = root() else { return };
    let script = format!(
        "{NEIGHBOUR}
        mkfifo $TMPDIR/end; mkdir $TMPDIR/site; echo hello >$TMPDIR/site/index.html
        serve='busybox httpd -f -p 0.0.0.0:8000 -h '$TMPDIR'/site & read -r end; kill $!'
        sh -c \"$0\" bare.sh sh -c \"$serve\" <$TMPDIR/end & exec 9>$TMPDIR/end
        {ASK_UNTIL} 10.105.0.1:8080; there {ASK} 192.0.2.1:8080
        echo >&9; wait $!; ip -br link show type bridge; nft list tables"
    );
    let ended = lab.shell_with(&script, &text);
    let what =
        "The host and another machine read the page of the container's web server at the host's port 8080.";
    prints(&ended, "hello\nhello", what, LINK);
}
