//! Names on networks: which container is found by which name, from where, and which server answers for all other names.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use hull_test_support::outcome::eventually;

mod lan;
use lan::{Lan, Place};

const A: u16 = 1;
const PTR: u16 = 12;
const AAAA: u16 = 28;

/// A query in the format of RFC 1035.
fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, kind as u8, 0, 1]);
    bytes
}

/// The response code, and the data of the records. Names in them are so short that they are not compressed.
fn records(answer: &[u8], question: &[u8]) -> (u8, Vec<Vec<u8>>) {
    let mut rest = &answer[question.len()..];
    let mut found = Vec::new();
    for _ in 0..u16::from_be_bytes([answer[6], answer[7]]) {
        let length = usize::from(u16::from_be_bytes([rest[10], rest[11]]));
        found.push(rest[12..12 + length].to_vec());
        rest = &rest[12 + length..];
    }
    (answer[3] & 0xf, found)
}

/// The answer that a program in `place` gets from its resolver.
#[track_caller]
fn ask(place: &Place, name: &str, kind: u16) -> (u8, Vec<Vec<u8>>) {
    let question = question(name, kind);
    let answer = place.inside(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send_to(&question, "127.0.0.11:53").unwrap();
        let mut answer = vec![0; 2048];
        let length = socket.recv(&mut answer).expect("the resolver answers");
        answer.truncate(length);
        answer
    });
    assert_eq!(answer[..2], question[..2]);
    records(&answer, &question)
}

/// The IPv4 addresses behind a name.
#[track_caller]
fn find(place: &Place, name: &str) -> Vec<String> {
    let addresses = ask(place, name, A).1;
    addresses.iter().map(|data| Ipv4Addr::from(<[u8; 4]>::try_from(&data[..]).unwrap()).to_string()).collect()
}

#[test]
fn containers_on_a_network_find_each_other() {
    let Some(lan) = Lan::start() else { return };
    lan.t.ok(&["network", "create", "--subnet", "10.1.0.0/24", "back"]);
    let web = lan.run("web", &["--network", "back"]);
    let alias = ["--network", "back", "--network-alias", "store"];
    lan.run("db1", &alias);
    lan.run("db2", &alias);
    let short = lan.t.inspect("db1", "{{.Id}}")[..12].to_owned();
    for name in ["db1", "DB1", "db1.back", &short] {
        assert_eq!(find(&web, name), [lan.address("db1")], "{name}");
    }
    assert_eq!(find(&web, "web"), [lan.address("web")]);
    let mut both = find(&web, "store");
    assert_ne!(both[0], find(&web, "store")[0], "they take turns");
    both.sort();
    assert_eq!(both, [lan.address("db1"), lan.address("db2")]);
    assert_eq!(ask(&web, "db1", AAAA), (0, vec![]), "it is there, and has no IPv6");
    let (_, names) = ask(&web, "3.0.1.10.in-addr.arpa", PTR);
    assert_eq!(names, [b"\x03db1\x04back\0"]);
    // Programs inside read the resolver's address in the usual file.
    let settings = |name: &str| lan.t.ok(&["exec", name, "cat", "/etc/resolv.conf"]);
    assert!(settings("web").contains("nameserver 127.0.0.11\noptions ndots:0"), "{}", settings("web"));
    lan.run("dotted", &["--network", "back", "--dns-option", "ndots:2"]);
    assert!(
        settings("dotted").trim_end().ends_with("ndots:2"),
        "the last one counts: {}",
        settings("dotted")
    );
    lan.t.ok(&["rm", "-f", "dotted"]);
    // A removed container is not found; a renamed one is found by its new name.
    lan.t.ok(&["rm", "-f", "db1"]);
    assert_eq!(find(&web, "store"), [lan.address("db2")]);
    lan.t.ok(&["rename", "db2", "database"]);
    assert_eq!(find(&web, "database"), [lan.address("database")]);
    assert!(find(&web, "db2").is_empty());
    // A container may use port 53 for itself.
    lan.serve(&web, "0.0.0.0:53");
    assert_eq!(find(&web, "web"), [lan.address("web")]);
    drop(web);
    lan.stop_serving();
    lan.t.ok(&["rm", "-f", "web", "database"]);
    lan.t.ok(&["network", "rm", "back"]);
}

#[test]
fn a_container_knows_the_names_of_its_networks_only() {
    let Some(lan) = Lan::start() else { return };
    for network in ["red", "green"] {
        lan.t.ok(&["network", "create", network]);
        lan.run(&format!("of-{network}"), &["--network", network]);
    }
    let red = lan.place("of-red");
    assert!(find(&red, "of-green").is_empty());
    // Links work in both directions while the containers run.
    lan.t.ok(&["network", "connect", "--alias", "guest", "green", "of-red"]);
    assert_eq!(find(&red, "of-green"), [lan.address("of-green")]);
    assert_eq!(find(&lan.place("of-green"), "guest").len(), 1);
    lan.t.ok(&["network", "disconnect", "green", "of-red"]);
    assert!(find(&red, "of-green").is_empty());
    assert!(find(&lan.place("of-green"), "guest").is_empty());
    // The default network has no names, as in docker.
    lan.run("plain", &[]);
    assert!(!lan.t.ok(&["exec", "plain", "cat", "/etc/resolv.conf"]).contains("127.0.0.11"));
    drop(red);
    lan.t.ok(&["rm", "-f", "of-red", "of-green", "plain"]);
    lan.t.ok(&["network", "prune", "-f"]);
}

#[test]
fn a_container_of_the_default_network_gets_names_with_its_first_other_one() {
    let Some(lan) = Lan::start() else { return };
    lan.t.ok(&["network", "create", "back"]);
    lan.run("db", &["--network", "back"]);
    let plain = lan.run("plain", &[]);
    let changed = lan.run("changed", &["--restart", "always"]);
    lan.t.ok(&["exec", "changed", "sh", "-c", "echo '# mine' > /etc/resolv.conf"]);
    for name in ["plain", "changed"] {
        lan.t.ok(&["network", "connect", "back", name]);
    }
    for place in [&plain, &changed] {
        assert_eq!(find(place, "db"), [lan.address("db")]);
    }
    assert!(lan.t.ok(&["exec", "plain", "cat", "/etc/resolv.conf"]).contains("nameserver 127.0.0.11"));
    assert_eq!(lan.t.ok(&["exec", "changed", "cat", "/etc/resolv.conf"]), "# mine", "the user's own");
    lan.t.ok(&["network", "disconnect", "back", "plain"]);
    assert!(find(&plain, "db").is_empty());
    drop((plain, changed));
    lan.t.ok(&["rm", "-f", "db", "plain", "changed"]);
    lan.t.ok(&["network", "rm", "back"]);
}

#[test]
fn other_names_are_the_hosts_servers_to_answer() {
    let Some(lan) = Lan::start() else { return };
    lan.serve_names(&lan.neighbour, "0.0.0.0");
    lan.t.ok(&["network", "create", "open"]);
    lan.t.ok(&["network", "create", "--internal", "closed"]);
    let dns = ["--dns", lan::NEIGHBOUR];
    let open = lan.run("open", &[&dns[..], &["--network", "open"]].concat());
    let closed = lan.run("closed", &[&dns[..], &["--network", "closed"]].concat());
    assert_eq!(find(&open, "www.example.org"), [lan::KNOWN.to_string()]);
    assert_eq!(find(&open, "open"), [lan.address("open")], "ours are not asked for there");
    assert_eq!(ask(&closed, "www.example.org", A).0, 2, "no way out, not for names either");
    assert_eq!(find(&closed, "closed"), [lan.address("closed")]);
    lan.stop_serving();
    lan.t.ok(&["rm", "-f", "open", "closed"]);
    lan.t.ok(&["network", "rm", "open", "closed"]);
}

#[test]
fn hostile_questions_are_survived() {
    let Some(lan) = Lan::start() else { return };
    lan.t.ok(&["network", "create", "back"]);
    let place = lan.run("box", &["--network", "back"]);
    let monitor = lan.t.monitor_of("box");
    place.inside(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let whole = question("box", A);
        for length in 0..whole.len() {
            socket.send_to(&whole[..length], "127.0.0.11:53").unwrap();
        }
        for at in 0..whole.len() {
            for byte in [0, 0x3f, 0x40, 0xc0, 0xff] {
                let mut bent = whole.clone();
                bent[at] = byte;
                socket.send_to(&bent, "127.0.0.11:53").unwrap();
            }
        }
        // Connections without data, with half of a length, and with a length but no message.
        for start in [&[][..], &[0], &[0xff, 0xff, 1]] {
            let mut stream = std::net::TcpStream::connect("127.0.0.11:53").unwrap();
            std::io::Write::write_all(&mut stream, start).unwrap();
        }
    });
    assert_eq!(find(&place, "box"), [lan.address("box")]);
    assert_eq!(lan.t.monitor_of("box"), monitor);
    drop(place);
    lan.t.ok(&["rm", "-f", "box"]);
    lan.t.ok(&["network", "rm", "back"]);
}

#[test]
fn names_are_there_again_after_a_restart() {
    let Some(lan) = Lan::start() else { return };
    lan.t.ok(&["network", "create", "back"]);
    lan.run("box", &["--network", "back", "--restart", "always"]);
    let pid = lan.t.pid_of("box");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
    eventually("it has restarted", || {
        let now = lan.t.inspect("box", "{{.State.Pid}} {{.State.Status}}");
        now.ends_with(" running") && !now.starts_with(&format!("{pid} "))
    });
    assert_eq!(find(&lan.place("box"), "box"), [lan.address("box")]);
    assert!(lan.address("box").parse::<IpAddr>().is_ok());
    lan.t.ok(&["rm", "-f", "box"]);
    lan.t.ok(&["network", "rm", "back"]);
}

#[test]
fn linked_containers_are_in_the_file_of_hosts() {
    let Some(lan) = Lan::start() else { return };
    lan.run("db", &[]);
    let hosts = |options: &[&str]| {
        lan.t.hull(&[&["run", "--rm"], options, &["busybox", "cat", "/etc/hosts"]].concat())
    };
    let address = lan.address("db");
    let line = |hosts: &str, name: &str| {
        hosts
            .lines()
            .any(|line| line.starts_with(&address) && line.split_whitespace().any(|word| word == name))
    };
    let text = hosts(&["--link", "db:database", "--add-host", "gateway:host-gateway"]).ok().to_owned();
    assert!(line(&text, "database") && line(&text, "db"), "{text}");
    assert!(text.contains(&format!("{}\tgateway", lan.gateway("db"))), "{text}");
    lan.t.ok(&["stop", "-t", "0", "db"]);
    assert!(hosts(&["--link", "db"]).fails(125).contains("does not run on one of"));
    assert!(hosts(&["--link", "nobody"]).fails(125).contains("No such container: nobody"));
}

/// As docker's documentation describes legacy container links.
#[test]
fn a_link_on_the_default_network_tells_ports_and_environment() {
    let Some(lan) = Lan::start() else { return };
    lan.run("db", &["--expose", "5432", "--expose", "53/udp", "-p", "53", "-e", "USER=a=b"]);
    let ip = lan.address("db");
    let linked = ["run", "-d", "--name", "web", "--link", "db:my-db", "-e", "MY_DB_ENV_USER=own", "busybox"];
    lan.t.ok(&[&linked[..], &["sh", "-c", "env; exec sleep 100"]].concat());
    let expected = [
        format!("MY_DB_PORT=tcp://{ip}:53"),
        format!("MY_DB_PORT_53_TCP=tcp://{ip}:53"),
        format!("MY_DB_PORT_53_UDP=udp://{ip}:53"),
        "MY_DB_PORT_53_UDP_PROTO=udp".into(),
        format!("MY_DB_PORT_5432_TCP=tcp://{ip}:5432"),
        format!("MY_DB_PORT_5432_TCP_ADDR={ip}"),
        "MY_DB_PORT_5432_TCP_PORT=5432".into(),
        "MY_DB_PORT_5432_TCP_PROTO=tcp".into(),
        "MY_DB_NAME=/web/my-db".into(),
        "MY_DB_ENV_USER=own".into(),
    ];
    let check = |env: &str| {
        let missing: Vec<_> = expected.iter().filter(|&one| !env.lines().any(|line| line == one)).collect();
        assert!(missing.is_empty() && !env.contains("ENV_PATH"), "{missing:?} in {env}");
    };
    check(&lan.t.ok(&["exec", "web", "env"]));
    eventually("the program has its variables", || lan.t.ok(&["logs", "web"]).contains("MY_DB_NAME"));
    check(&lan.t.ok(&["logs", "web"]));
    // The link outlives the container that it leads to.
    lan.t.ok(&["rm", "-f", "db"]);
    assert!(!lan.t.ok(&["exec", "web", "env"]).contains("MY_DB_PORT"));
    lan.t.ok(&["rm", "-f", "web"]);
}

#[test]
fn on_a_users_network_a_link_is_a_name_for_every_later_container() {
    let Some(lan) = Lan::start() else { return };
    lan.t.ok(&["network", "create", "back"]);
    let place = lan.run("web", &["--network", "back", "--link", "db:database", "--link", "later"]);
    assert!(find(&place, "database").is_empty());
    lan.run("db", &["--network", "back"]);
    assert_eq!(find(&place, "database"), [lan.address("db")]);
    let hosts = lan.t.ok(&["exec", "web", "cat", "/etc/hosts"]);
    assert!(!hosts.contains("database"), "{hosts}");
    lan.t.ok(&["rm", "-f", "web", "db"]);
    lan.t.ok(&["network", "rm", "back"]);
}
