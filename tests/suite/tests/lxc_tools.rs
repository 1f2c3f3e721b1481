//! hull under the names of LXC's programs and of LXD's client: what each flag does, and what is said of what hull lacks.

use std::os::unix::process::CommandExt;
use std::process::Command;

use hull_test_support::outcome::{eventually, run};
use hull_test_support::terminal::Terminal;
use hull_test_support::{Outcome, Scenario, System, program};

fn named(t: &Scenario, words: &[&str]) -> Command {
    let mut command = t.command(&words[1..]);
    command.arg0(words[0]);
    command
}

fn tool(t: &Scenario, line: &str) -> Outcome {
    let words: Vec<&str> = line.split(' ').collect();
    run(&mut named(t, &words))
}

#[track_caller]
fn code(t: &Scenario, line: &str) -> i32 {
    tool(t, line).code()
}

fn system() -> Option<Scenario> {
    let t = Scenario::with_systems(&[System::Busybox])?;
    let words = ["run", "-d", "--system", "--name", "box", "--network", "none", "--restart", "always"];
    t.ok(&[&words[..], &[System::Busybox.image()]].concat());
    until_booted(&t);
    Some(t)
}

fn until_booted(t: &Scenario) {
    eventually("the system has booted", || t.hull(&["exec", "box", "test", "-e", "/run/booted"]).success());
}

#[test]
fn a_stop_without_a_wait_tells_the_init_what_is_meant() {
    let Some(t) = system() else { return };
    let before = t.pid_of("box");
    assert_eq!(code(&t, "lxc-stop -n box -W -r"), 0);
    eventually("the system has rebooted", || {
        let now = t.hull(&["inspect", "-f", "{{.State.Pid}}", "box"]).stdout.trim().parse().unwrap_or(0);
        now > 0 && now != before
    });
    until_booted(&t);
    for line in ["lxc-stop -n box -W", "lxc-stop -n box --nokill"] {
        assert_eq!(code(&t, line), 0, "{line}");
        assert_eq!(code(&t, "lxc-wait -n box -s STOPPED -t 20"), 0, "{line}");
        // The init has turned the system off, and was not killed: 128 and SIGINT (reboot(2)).
        assert_eq!(t.inspect("box", "{{.State.ExitCode}} {{.State.Status}}"), "130 exited", "{line}");
        t.ok(&["start", "box"]);
        until_booted(&t);
    }
    let before = t.pid_of("box");
    assert_eq!(code(&t, "lxc-stop -n box -r"), 0);
    assert_ne!(t.pid_of("box"), before);
    for refused in ["-k -r", "-k --nokill", "-k -t 5", "--nolock"] {
        assert_eq!(code(&t, &format!("lxc-stop -n box {refused}")), 1, "{refused}");
    }
    assert_eq!(code(&t, "lxc-stop -n box -k -W"), 0);
    for line in ["lxc-stop -n box", "lxc-stop -n box -r", "lxc-stop -n box -W", "lxc-stop -n nothing"] {
        assert_eq!(code(&t, line), 2, "{line}");
    }
    assert_eq!(t.inspect("box", "{{.State.Status}}"), "exited", "a stopped container is not rebooted");
}

#[test]
fn a_wait_ends_with_the_state_or_with_the_time() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["create", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    assert_eq!(code(&t, "lxc-wait -n box -s STOPPED -t 0"), 0);
    assert_eq!(code(&t, "lxc-wait -n box -s RUNNING -t 0"), 1);
    let mut waiting = named(&t, &["lxc-wait", "-n", "box", "-s", "RUNNING|FROZEN"]).spawn().unwrap();
    t.ok(&["start", "box"]);
    assert!(waiting.wait().unwrap().success());
    assert_eq!(code(&t, "lxc-freeze -n box"), 0);
    assert_eq!(code(&t, "lxc-wait -n box -s FROZEN -t 5"), 0);
    assert_eq!(code(&t, "lxc-wait -n box -s RUNNING -t 1"), 1);
    assert_eq!(code(&t, "lxc-unfreeze -n box"), 0);
    assert_eq!(code(&t, "lxc-wait -n box -s RUNNING -t 5"), 0);
    for wrong in ["FOO", "running", "STARTING"] {
        assert!(tool(&t, &format!("lxc-wait -n box -s {wrong}")).fails(1).contains("STOPPED"), "{wrong}");
    }
    t.ok(&["rm", "-f", "box"]);
}

#[test]
fn a_console_is_left_by_its_keys() {
    let Some(t) = system() else { return };
    t.ok(&["stop", "-t", "0", "box"]);
    assert!(tool(&t, "lxc-console -n box").fails(1).contains("not running"));
    assert!(tool(&t, "lxc start box --console=vga").fails(1).contains("vga"));
    // A terminal's session does not pass the name on, so here it is that of a file.
    let linked = |words: &[&str]| {
        let link = t.path(words[0]);
        let _ = std::os::unix::fs::symlink(program::hull(), &link);
        let command = t.command(&words[1..]);
        let mut linked = Command::new(link);
        linked.args(command.get_args());
        linked.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        Terminal::start(&linked)
    };
    let mut terminal = linked(&["lxc", "start", "box", "--console"]);
    until_booted(&t);
    terminal.send("\u{1}q");
    terminal.wait();
    let mut terminal = linked(&["lxc-console", "-n", "box", "-t", "0", "-e", "^b"]);
    t.until_connected("box", 1);
    terminal.send("\u{2}q");
    terminal.wait();
    assert_eq!(t.inspect("box", "{{.State.Status}}"), "running");
    assert_eq!(code(&t, "lxc-console -n box -t 1"), 1);
    t.ok(&["rm", "-f", "box"]);
}

#[test]
fn what_hull_lacks_is_said_in_one_sentence() {
    let Some(t) = Scenario::with_busybox() else { return };
    for (line, instead) in [
        ("lxc-autostart --all", "hull boot start"),
        ("lxc-cgroup -n box memory.max", "hull update"),
        ("lxc-checkpoint -n box -D /tmp/x", "hull snapshot --stateful"),
        ("lxc-config -l", "hull info"),
        ("lxc-device -n box -- add /dev/null", "hull device add"),
        ("lxc-execute -n box -- true", "hull run"),
        ("lxc-monitor", "hull events"),
        ("lxc-unshare -s NETWORK true", "unshare"),
        ("lxc-nothing --help", "hull --help"),
    ] {
        let said = tool(&t, line).fails(1).to_owned();
        let program = line.split(' ').next().unwrap();
        assert!(said.contains(&format!("hull has no {program}")) && said.contains(instead), "{line}: {said}");
        assert!(!said.contains("Usage"), "{line}: {said}");
    }
    assert!(tool(&t, "lxc info --resources").fails(1).contains("lscpu"));
    assert!(tool(&t, "lxc info --show-log").fails(1).contains("INSTANCE"));
    let said = t.hull(&["profile", "create", "p", "-c", "user.a", "-c", "b"]).fails(1).to_owned();
    assert!(said.contains("KEY=VALUE"), "{said}");
}
