//! `generate systemd`: podman's unit, with hull's commands.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use hull_test_support::outcome::{self, eventually};
use hull_test_support::{Scenario, fixtures, program, skip};

/// The lines that differ by program: its name, how it runs a container, and how it reports the start.
const OWN: [&str; 12] = [
    "Description=",
    "Documentation=",
    "RequiresMountsFor=",
    "Environment=PODMAN_SYSTEMD_UNIT=",
    "ExecStartPre=",
    "ExecStart=",
    "ExecStop=",
    "ExecStopPost=",
    "PIDFile=",
    "Type=",
    "NotifyAccess=",
    "\t",
];

fn shared(unit: &str) -> Vec<String> {
    let is_shared = |line: &&str| !OWN.iter().any(|own| line.starts_with(own)) && !line.starts_with("# auto");
    let is_date = |line: &str| line.starts_with("# ") && line.contains(':');
    let lines = unit.lines().filter(is_shared).filter(|line| !is_date(line));
    lines.map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

fn created(t: &Scenario) {
    t.ok(&[
        "create",
        "--name",
        "web",
        "--restart",
        "always",
        "-e",
        "A=1",
        "-e",
        "B=x y",
        "--label",
        "foo=$bar %n",
        "--stop-timeout",
        "5",
        "busybox",
        "sh",
        "-c",
        "echo \"$A\"; exec sleep 300",
    ]);
}

#[test]
fn the_unit_has_podmans_options_and_layout() {
    let Some(t) = Scenario::with_busybox() else { return };
    if skip::find_program("podman").is_none() {
        return skip::skip("podman is not installed");
    }
    created(&t);
    let (root, run) = (t.path("podman"), t.path("run/podman"));
    let podman = |args: &[&str]| {
        let mut command = Command::new("podman");
        command
            .arg("--root")
            .arg(&root)
            .arg("--runroot")
            .arg(&run)
            .arg("--tmpdir")
            .arg(t.path("run/podman-tmp"));
        command.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
        command.env("CONTAINERS_STORAGE_CONF", t.path("storage.conf")).args(args);
        command.current_dir(t.path(""));
        outcome::run(&mut command)
    };
    t.write("storage.conf", format!("[storage]\ndriver=\"vfs\"\ngraphroot={root:?}\nrunroot={run:?}\n"));
    podman(&["import", fixtures::busybox().to_str().unwrap(), "busybox"]).ok();
    let create =
        ["create", "--name", "web", "--restart", "always", "--stop-timeout", "5", "busybox", "sleep", "300"];
    podman(&create).ok();
    // podman 4.3 accepts --restart-sec and leaves it out of the unit.
    for options in [
        &["-n"][..],
        &["-n", "--new"],
        &["-n", "--no-header"],
        &["-n", "--new", "--restart-policy", "on-abort", "-t", "30", "--start-timeout", "7"],
        &["-n", "--container-prefix", "c", "--separator", "+", "--stop-timeout", "33"],
        &[
            "-n",
            "--after",
            "a.service",
            "--after",
            "b.service",
            "--requires",
            "r.service",
            "--wants",
            "w.service",
        ],
        &["-n", "-e", "X=1", "-e", "Y=a b"],
    ] {
        let words = [&["generate", "systemd"], options, &["web"]].concat();
        let (of_podman, of_hull) = (podman(&words), t.hull(&words));
        let mut expected = shared(of_podman.ok());
        let mut found = shared(of_hull.ok());
        // The order of the lines in a section has no meaning.
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{options:?}\n{of_hull}");
    }
    for wrong in [
        &["-n", "--restart-policy", "foo", "web"][..],
        &["-n", "--format", "yaml", "web"],
        &["nosuch"],
        &[],
        &["-t", "-1", "web"],
    ] {
        let words = [&["generate", "systemd"], wrong].concat();
        assert!(!podman(&words).success() && !t.hull(&words).success(), "{wrong:?}");
    }
    for format in
        [&["-n", "--format", "json"][..], &["-n", "--files"], &["-n", "--files", "--format", "json"]]
    {
        let words = [&["generate", "systemd"], format, &["web"]].concat();
        let (of_podman, of_hull) = (podman(&words), t.hull(&words));
        if format.contains(&"--files") {
            assert_eq!(
                of_hull.ok().replace(char::is_whitespace, ""),
                of_podman.ok().replace(char::is_whitespace, "")
            );
        } else {
            let keys = |text: &str| {
                let object: serde_json::Value = serde_json::from_str(text).unwrap();
                object.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
            };
            assert_eq!(keys(of_hull.ok()), keys(of_podman.ok()));
        }
    }
    podman(&["rm", "-f", "web"]).ok();
}

/// The words of a unit's command, split as systemd splits them.
fn words(unit: &str, key: &str) -> Vec<String> {
    let unit = unit.replace("\\\n\t", "");
    let line = unit.lines().find_map(|line| line.strip_prefix(&format!("{key}="))).unwrap().to_owned();
    let line = line.trim_start_matches('-').replace("$$", "$").replace("%%", "%").replace("%N", "unit-name");
    let (mut words, mut word, mut quoted, mut any) = (vec![], String::new(), false, false);
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.extend(characters.next()),
            '"' => (quoted, any) = (!quoted, true),
            ' ' if !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            character => word.push(character),
        }
    }
    words.push(word);
    words
}

/// Runs the unit's command as systemd does, and waits until it reports that the container has started.
fn run_as_unit(t: &Scenario, unit: &str) -> outcome::Running {
    let notify = t.path("notify");
    let _ = std::fs::remove_file(&notify);
    let socket = UnixDatagram::bind(&notify).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let main = words(unit, "ExecStart");
    assert_eq!(Path::new(&main[0]), program::hull());
    let arguments: Vec<&str> = main[1..].iter().map(String::as_str).collect();
    let mut command = t.command(&arguments);
    command.env("NOTIFY_SOCKET", &notify).stdin(std::process::Stdio::null());
    let running = outcome::Running::start(&mut command);
    let mut message = [0; 64];
    let length = socket.recv(&mut message).expect("it tells systemd");
    assert_eq!(&message[..length], b"READY=1");
    running
}

#[test]
fn the_units_commands_run_the_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    created(&t);
    let unit = t.ok(&["generate", "systemd", "-n", "web"]);
    let running = run_as_unit(&t, &unit);
    assert_eq!(t.inspect("web", "{{.State.Status}}"), "running");
    let stop = words(&unit, "ExecStop");
    t.ok(&stop[1..].iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(running.wait().code(), 137);
    // A new container each time, with the same options.
    let unit = t.ok(&["generate", "systemd", "--new", "-n", "web"]);
    assert!(unit.contains("Restart=always") && !unit.contains("--restart"), "{unit}");
    t.ok(&["rm", "web"]);
    let running = run_as_unit(&t, &unit);
    let shown = "{{.HostConfig.AutoRemove}} {{.HostConfig.RestartPolicy.Name}} {{.Config.Labels.foo}} {{json .Config.Cmd}}";
    assert_eq!(t.inspect("web", shown), r#"true no $bar %n ["sh","-c","echo \"$A\"; exec sleep 300"]"#);
    let environment = t.ok(&["exec", "web", "env"]);
    assert!(environment.contains("B=x y"), "{environment}");
    let after = words(&unit, "ExecStopPost");
    t.ok(&after[1..].iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(running.wait().code(), 137);
    eventually("it is removed", || t.ok(&["ps", "-aq"]).is_empty());
    // A container that its user did not name gets the unit's name. A terminal needs a unit of type forking.
    let id = t.ok(&["create", "-it", "busybox", "sh"]);
    let unit = t.ok(&["generate", "systemd", "--new", &id]);
    assert!(
        unit.contains("--name %N") && unit.contains("Type=forking") && unit.contains("--detach"),
        "{unit}"
    );
}

#[test]
fn systemd_takes_the_unit() {
    let Some(t) = Scenario::with_busybox() else { return };
    if skip::find_program("systemd-analyze").is_none() {
        return skip::skip("systemd-analyze is not installed");
    }
    created(&t);
    for options in [&["-n"][..], &["-n", "--new"]] {
        let unit = t.ok(&[&["generate", "systemd"], options, &["web"]].concat());
        let file = t.write("container-web.service", unit);
        let verified =
            Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(!said.contains("container-web.service"), "{said}");
    }
}
