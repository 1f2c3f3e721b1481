//! What services ask for beyond what dockerd 20.10 has, by which `compose_behaviour/attributes` was recorded; what is kept
//! when a container is made again; and what is refused before anything is made.

use std::process::Command;

use hull_test_support::outcome::{Outcome, run};
use hull_test_support::{Scenario, registry};

struct Project(Scenario);

impl Project {
    fn start() -> Option<Self> {
        let scenario = Scenario::with_busybox()?;
        registry::network_up();
        std::fs::create_dir_all(scenario.path("p")).unwrap();
        Some(Self(scenario))
    }

    fn compose(&self, args: &[&str]) -> Outcome {
        let mut command: Command = self.0.command(&[&["compose"], args].concat());
        command.current_dir(self.0.path("p")).env("VARIABLE", "of the caller");
        run(&mut command)
    }

    fn up(&self, file: &str) -> Outcome {
        self.0.write("p/compose.yaml", file);
        self.compose(&["up", "-d"])
    }

    /// What a shell in a service's container prints.
    fn shell(&self, service: &str, script: &str) -> String {
        self.compose(&["exec", "-T", service, "sh", "-c", script]).ok().to_owned()
    }
}

const NEWER: &str = r#"
x-sleeper: &sleeper {image: busybox, command: sleep 1000, stop_grace_period: 0s}
services:
  routed:
    <<: *sleeper
    networks:
      first: {interface_name: wan7, mac_address: "02:42:ac:11:00:11", priority: 2}
      second:
        gw_priority: 9
        driver_opts: {com.docker.network.endpoint.sysctls: net.ipv4.conf.IFNAME.log_martians=1}
  pictured:
    <<: *sleeper
    volumes:
      - {type: image, source: filled, target: /image}
      - {type: image, source: filled, target: /part, read_only: true, image: {subpath: data}}
      - {type: volume, source: kept, target: /sub, volume: {subpath: below}}
      - {type: bind, source: ., target: /flat, bind: {recursive: disabled}}
  reader:
    <<: *sleeper
    volumes: ["kept:/kept"]
    volumes_from: ["owner:ro"]
  owner:
    <<: *sleeper
    volumes: [/own]
networks:
  first: {ipam: {config: [{subnet: 10.78.1.0/24}]}}
  second: {ipam: {config: [{subnet: 10.78.2.0/24}]}}
volumes:
  kept: {}
"#;

#[test]
fn services_have_what_newer_engines_give() {
    let Some(project) = Project::start() else { return };
    let t = &project.0;
    let dockerfile = "FROM busybox\nRUN mkdir /data && echo of the image > /data/file\n";
    t.hull_with_input(&["build", "-q", "-t", "filled", "-"], dockerfile.as_bytes()).ok();
    t.ok(&["volume", "create", "p_kept", "--label", "com.docker.compose.volume=kept"]);
    t.ok(&[
        "run",
        "--rm",
        "-v",
        "p_kept:/v",
        "busybox",
        "sh",
        "-c",
        "mkdir /v/below; echo below > /v/below/file",
    ]);
    project.up(NEWER).ok();
    assert_eq!(
        project
            .shell("routed", "ls /sys/class/net; ip route | grep default; cat /sys/class/net/wan7/address"),
        "eth0\nlo\nwan7\ndefault via 10.78.2.1 dev eth0 \n02:42:ac:11:00:11"
    );
    let settings = "cd /proc/sys/net/ipv4/conf; cat eth0/log_martians wan7/log_martians";
    assert_eq!(project.shell("routed", settings), "1\n0");
    let script = "cat /image/data/file /part/file /sub/file; echo x > /image/x; echo x > /part/x";
    let written = project.compose(&["exec", "-T", "pictured", "sh", "-c", script]);
    assert_eq!(written.stdout, "of the image\nof the image\nbelow\n");
    assert!(written.stderr.contains("/part/x: Read-only"), "{written}");
    let refused = t.hull(&["rmi", "filled"]);
    assert!(refused.stderr.contains("used by container p-pictured-1"), "{refused}");
    let written = project.compose(&["exec", "-T", "reader", "touch", "/own/x"]);
    assert!(written.stderr.contains("Read-only file system"), "{written}");
    project.compose(&["down"]).ok();
    t.ok(&["rmi", "filled"]);
}

#[test]
fn a_container_that_is_made_again_keeps_its_anonymous_volumes() {
    let Some(project) = Project::start() else { return };
    let t = &project.0;
    let dockerfile = "FROM busybox\nVOLUME /of-image\n";
    t.hull_with_input(&["build", "-q", "-t", "with-volume", "-"], dockerfile.as_bytes()).ok();
    let file = |value: &str| {
        format!(
            "services: {{a: {{image: with-volume, command: sleep 1000, stop_grace_period: 0s, volumes: [/own], \
             environment: {{V: {value:?}}}}}}}"
        )
    };
    project.up(&file("1")).ok();
    project.shell("a", "echo kept > /own/k; echo kept > /of-image/k");
    project.up(&file("2")).ok();
    assert_eq!(project.shell("a", "cat /own/k /of-image/k; echo $V"), "kept\nkept\n2");
    assert_eq!(t.ok(&["volume", "ls", "-q"]).lines().count(), 2);
    assert_eq!(t.inspect("p-a-1", "{{index .Config.Labels \"com.docker.compose.replace\"}}"), "a-1");
    project.compose(&["down", "-v"]).ok();
    assert_eq!(t.ok(&["volume", "ls", "-q"]), "");
}

#[test]
fn names_are_those_of_compose_v1_if_that_is_asked_for() {
    let Some(project) = Project::start() else { return };
    project.0.write(
        "p/compose.yaml",
        "services: {a: {image: busybox, command: sleep 1000, stop_grace_period: 0s}}",
    );
    project.compose(&["--compatibility", "up", "-d"]).ok();
    assert_eq!(project.0.ok(&["ps", "--format", "{{.Names}}"]), "p_a_1");
    project.compose(&["down"]).ok();
}

/// A service's keys, the line of the error, and what it says.
const REFUSED: [(&str, u32, &str); 8] = [
    ("provider: {type: cloud}", 2, "provider"),
    ("cap_add: [NOTHING]", 2, "CAP_NOTHING"),
    ("volumes: [{type: cluster, source: x, target: /x}]", 2, "\"cluster\""),
    (
        "volumes: [{type: bind, source: ./none, target: /x, bind: {create_host_path: false}}]",
        2,
        "does not exist",
    ),
    ("security_opt: [\"seccomp=none.json\"]", 2, "none.json"),
    ("secrets: [of-nobody]", 3, "NOBODY_HAS_IT"),
    ("use_api_socket: true", 2, "hull serve"),
    ("ports: [\"8099:80\", \"127.0.0.1:8099:81\"]", 2, "8099"),
];

#[test]
fn what_cannot_be_had_is_refused_before_anything_is_made() {
    let Some(project) = Project::start() else { return };
    for (keys, line, says) in REFUSED {
        let refused = project.up(&format!(
            "services:\n  a: {{image: busybox, {keys}}}\nsecrets: {{of-nobody: {{environment: NOBODY_HAS_IT}}}}\n"
        ));
        let text = &refused.stderr;
        let place = format!("compose.yaml:{line}:");
        assert!(!refused.success() && text.contains(&place) && text.contains(says), "{keys}: {refused}");
    }
    let network = project.up("services: {a: {image: busybox}}\nnetworks: {default: {driver: overlay}}\n");
    assert!(network.stderr.contains("networks.default: no such network driver: overlay"), "{network}");
    let t = &project.0;
    assert_eq!((t.ok(&["ps", "-aq"]), t.ok(&["volume", "ls", "-q"])), (String::new(), String::new()));
    assert_eq!(t.ok(&["network", "ls", "-q", "--filter", "type=custom"]), "");
}
