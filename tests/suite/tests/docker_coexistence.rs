//! docker and hull on one machine: hull's containers reach on hull's networks what docker's containers reach on docker's,
//! and neither engine disturbs the other.

#[path = "engines/sandbox.rs"]
#[allow(dead_code, reason = "each suite uses what it needs")]
mod sandbox;

use std::collections::BTreeSet;

use hull_test_support::outcome::eventually;
use hull_test_support::{Outcome, fixtures, program, skip};
use sandbox::Sandbox;

/// The networks: for each one the first number of its subnet, and whether it has a way to the outside.
const NETWORKS: [(&str, bool); 3] = [("red", true), ("green", true), ("blue", false)];

/// The containers, each with its networks.
const CONTAINERS: [(&str, &[&str]); 5] = [
    ("red1", &["red"]),
    ("red2", &["red"]),
    ("green1", &["green"]),
    ("both", &["red", "green"]),
    ("blue1", &["blue"]),
];

/// An engine with docker's command line, and the addresses it is to use.
struct Engine<'a> {
    run: &'a dyn Fn(&[&str]) -> Outcome,
    prefix: &'static str,
}

impl Engine<'_> {
    fn ok(&self, words: &[&str]) -> String {
        (self.run)(words).ok().trim().to_owned()
    }

    fn make(&self) {
        for (number, (name, outside)) in NETWORKS.iter().enumerate() {
            let subnet = format!("{}.{number}.0/24", self.prefix);
            let internal: &[&str] = if *outside { &[] } else { &["--internal"] };
            self.ok(&[&["network", "create", "--subnet", &subnet], internal, &[name]].concat());
        }
        for (name, networks) in CONTAINERS {
            self.ok(&["run", "-d", "--name", name, "--network", networks[0], "busybox", "sleep", "1000"]);
            for network in &networks[1..] {
                self.ok(&["network", "connect", network, name]);
            }
        }
    }

    /// Which container reaches which one, on which network. A connection that has to work is tried until it does.
    fn matrix(&self) -> Vec<String> {
        let address = |to: &str, network: &str| {
            self.ok(&["inspect", "-f", &format!("{{{{.NetworkSettings.Networks.{network}.IPAddress}}}}"), to])
        };
        let places = CONTAINERS.iter().flat_map(|(to, networks)| networks.iter().map(move |n| (*to, *n)));
        let places: Vec<_> = places.map(|(to, network)| (to, network, address(to, network))).collect();
        let all: Vec<&str> = places.iter().map(|(_, _, address)| address.as_str()).collect();
        let script = "for a; do (ping -c 1 -W 1 $a >/dev/null 2>&1 && echo $a) & done; wait";
        let mut lines = Vec::new();
        for (from, theirs) in CONTAINERS {
            let mut reached = BTreeSet::new();
            // On a busy machine the first packets may be lost.
            for _ in 0..10 {
                let said = self.ok(&[&["exec", from, "sh", "-c", script, "sh"], &all[..]].concat());
                reached.extend(said.lines().map(str::to_owned));
                let due = |(_, network, address): &&(_, &str, String)| {
                    theirs.contains(network) && !reached.contains(address)
                };
                if !places.iter().any(|place| due(&place)) {
                    break;
                }
            }
            lines.extend(places.iter().map(|(to, network, address)| {
                let verb = if reached.contains(address) { "reaches" } else { "misses" };
                format!("{from} {verb} {to} on {network}")
            }));
        }
        lines
    }

    fn remove(&self) {
        for (name, _) in CONTAINERS {
            self.ok(&["rm", "-f", name]);
        }
        for (name, _) in NETWORKS {
            self.ok(&["network", "rm", name]);
        }
    }
}

#[test]
fn hulls_networks_are_dockers_and_both_go_on_side_by_side() {
    for needed in ["dockerd", "docker", "containerd", "iptables"] {
        if skip::find_program(needed).is_none() {
            return skip::skip(&format!("{needed} is not installed"));
        }
    }
    let tar = fixtures::busybox();
    let tar = tar.to_str().unwrap();
    let Some(h) = Sandbox::start() else { return };
    let socket = format!("unix://{}", h.path("docker.sock"));
    let parent = h.cgroup_parent();
    let mut dockerd = vec!["dockerd".to_owned(), "-H".into(), socket.clone()];
    for (flag, file) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
        dockerd.extend([flag.into(), h.path(file)]);
    }
    dockerd.extend(["--storage-driver", "vfs", "--cgroup-parent", &parent].map(String::from));
    let mut dockerd = h.spawn(&dockerd.iter().map(String::as_str).collect::<Vec<_>>());
    let run = |words: &[&str]| h.run(&[&["docker", "-H", &socket][..], words].concat());
    let docker = Engine { run: &run, prefix: "10.101" };
    h.slowly("the daemon answers", || run(&["version"]).success());
    docker.ok(&["import", tar, "busybox"]);

    let settings = [
        format!("HULL_ROOT={}", h.path("hull")),
        format!("HULL_RUNROOT={}", h.path("hull-run")),
        format!("HULL_CGROUP_PARENT={parent}/hull"),
    ];
    let hull = program::hull().to_str().expect("a plain path").to_owned();
    let run = |words: &[&str]| {
        let mut all = vec!["env"];
        all.extend(settings.iter().map(String::as_str));
        all.push(&hull);
        h.run(&[&all[..], words].concat())
    };
    let hull = Engine { run: &run, prefix: "10.102" };
    hull.ok(&["import", tar, "busybox"]);

    docker.make();
    let expected = docker.matrix();
    assert!(expected.contains(&"red1 reaches red2 on red".into()), "{expected:#?}");
    assert!(expected.contains(&"red1 misses green1 on green".into()), "{expected:#?}");
    let serve = |engine: &Engine<'_>, port: &str, name: &str| {
        let script = format!("mkdir /www; echo {name} > /www/index.html; httpd -f -h /www");
        engine.ok(&["run", "-d", "--name", name, "-p", port, "busybox", "sh", "-c", &script]);
    };
    let answers = |port: u16, name: &str| {
        let url = format!("http://127.0.0.1:{port}/");
        eventually(&format!("{name} answers"), || {
            h.run(&["busybox", "wget", "-qO-", &url]).stdout.trim() == name
        });
    };
    serve(&docker, "8080:80", "of-docker");
    answers(8080, "of-docker");
    hull.make();
    serve(&hull, "8081:80", "of-hull");
    assert_eq!(hull.matrix(), expected, "on hull's left, on docker's right");
    answers(8081, "of-hull");
    answers(8080, "of-docker");
    // Each container is reached at the other engine's gateway, which is the host.
    let gateway = |engine: &Engine<'_>, name: &str| {
        engine.ok(&["inspect", "-f", "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}", name])
    };
    for (engine, own, port, other) in
        [(&hull, "of-hull", 8080, "of-docker"), (&docker, "of-docker", 8081, "of-hull")]
    {
        let url = format!("http://{}:{port}/", gateway(engine, own));
        eventually(&format!("{own} reaches {other}"), || {
            (engine.run)(&["exec", own, "wget", "-qO-", &url]).stdout.trim() == other
        });
    }
    // Removing hull's objects removes nothing of docker.
    hull.ok(&["rm", "-f", "of-hull"]);
    hull.remove();
    assert_eq!(docker.matrix(), expected, "docker's, as before");
    answers(8080, "of-docker");
    docker.ok(&["rm", "-f", "of-docker"]);
    docker.remove();
    sandbox::terminate(&mut dockerd);
    h.end(&["hull"]);
}
