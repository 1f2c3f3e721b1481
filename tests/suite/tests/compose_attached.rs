//! `compose up` without `--detach`, and `logs -f`: what many containers print, in a terminal and in pipes.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hull_test_support::composer::Kind;
use hull_test_support::outcome::{eventually, run};
use hull_test_support::{Composer, Outcome, Running, Terminal};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

struct Project {
    composer: Composer,
    directory: PathBuf,
}

impl Project {
    fn start(text: &str) -> Option<Self> {
        let composer = Composer::start(Kind::Hull)?;
        composer.scenario().write("home/p/compose.yaml", text);
        let directory = composer.scenario().path("home/p");
        Some(Self { composer, directory })
    }

    fn shell(&self, script: &str) -> std::process::Command {
        self.composer.shell(&self.directory, script)
    }

    fn compose(&self, words: &str) -> Outcome {
        run(&mut self.shell(&format!("docker compose {words}")))
    }

    fn begin(&self, words: &str) -> Running {
        Running::start(self.shell(&format!("exec docker compose {words}")).stdin(Stdio::null()))
    }

    fn terminal(&self, words: &str) -> Terminal {
        Terminal::start(&self.shell(&format!("exec docker compose {words}")))
    }

    fn running(&self) -> String {
        self.compose("ps --format '{{.Name}}'").ok().to_owned()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = self.compose("down -v -t 0 --remove-orphans");
    }
}

const TWO: &str = r#"
services:
  a:
    image: busybox
    command: [sh, -c, "echo from a; echo error >&2; printf part; sleep 0.2; echo ' of a line'; exec sleep 1000"]
    init: true
  longer-name:
    image: busybox
    command: [sh, -c, "echo from the other; trap '' TERM; while :; do sleep 0.1; done"]
    stop_grace_period: 1m
"#;

#[test]
fn a_terminal_has_colours_and_a_second_ctrl_c_kills() {
    let Some(project) = Project::start(TWO) else { return };
    let mut up = project.terminal("up");
    up.expect("[+] Running 3/3");
    up.expect("\u{2714}");
    up.expect("Container p-longer-name-1 ");
    up.expect("Attaching to a-1, longer-name-1\r\n");
    // The prefixes have the width of the longest name from the first line on.
    eventually("everything is printed", || {
        let seen = up.seen();
        seen.contains("\x1b[36ma-1            | \x1b[0mfrom a\r\n")
            && seen.contains("\x1b[36ma-1            | \x1b[0mpart of a line\r\n")
            && seen.contains("\x1b[33mlonger-name-1  | \x1b[0mfrom the other\r\n")
    });
    up.send("\x03");
    up.expect("Gracefully Stopping... press Ctrl+C again to force\r\n");
    eventually("the one that obeys has ended", || {
        let seen = up.seen();
        seen.contains("Container p-a-1  \x1b[32mStopped") && seen.contains("a-1 exited with code 143")
    });
    let begun = Instant::now();
    up.send("\x03");
    up.expect("longer-name-1 exited with code 137");
    assert_eq!(up.wait(), 130);
    assert!(begun.elapsed() < Duration::from_secs(20), "the grace period was not waited for");
    assert_eq!(project.running(), "");
}

#[test]
fn one_ctrl_c_ends_a_start_at_any_moment() {
    let text = r#"
services:
  a:
    image: busybox
    command: [sh, -c, "echo from a; exec sleep 1000"]
    init: true
    healthcheck: {test: "false", interval: 1m, start_period: 10m}
  b:
    image: busybox
    command: sleep 1000
    init: true
    depends_on: {a: {condition: service_healthy}}
  c: {image: busybox, command: sleep 1000, init: true}
"#;
    let Some(project) = Project::start(text) else { return };
    let end = |up: &mut Running, when: &str| {
        kill(Pid::from_raw(up.pid()), Signal::SIGINT).unwrap();
        eventually(when, || up.has_ended());
        assert_eq!(project.running(), "", "{when}");
    };
    // The container of b is not started.
    let mut up = project.begin("up --no-color");
    eventually("the others run", || project.running() == "p-a-1\np-c-1");
    end(&mut up, "b waits");
    for delay in (0..120).step_by(8) {
        let mut up = project.begin("up --no-color --force-recreate");
        std::thread::sleep(Duration::from_millis(delay));
        end(&mut up, &format!("interrupted after {delay} ms"));
    }
}

#[test]
fn a_narrow_monochrome_terminal_and_plain_progress() {
    let Some(project) = Project::start(TWO) else { return };
    let mut up = project.terminal("--ansi never up --no-log-prefix a");
    up.expect(" Container p-a-1  Created");
    up.expect("Attaching to a-1");
    up.expect("part of a line\r\n");
    assert!(!up.seen().contains('\x1b'), "{:?}", up.seen());
    up.send("\x03");
    assert_eq!(up.wait(), 130);
    let json = project.compose("--progress json up -d a");
    assert!(json.success(), "{json}");
    let first: Vec<&str> = json.stderr.lines().collect();
    assert!(first.contains(&r#"{"id":"Container p-a-1","status":"Started"}"#), "{json}");
    assert_eq!(project.compose("--progress quiet up -d --force-recreate a").stderr, "");
}

#[test]
fn an_error_stays_below_the_board_of_a_terminal() {
    let text = r#"
services:
  sick:
    image: busybox
    init: true
    command: sleep 1000
    healthcheck: {test: [CMD, "false"], interval: 100ms, retries: 1}
  after:
    image: busybox
    depends_on: {sick: {condition: service_healthy}}
"#;
    let Some(project) = Project::start(text) else { return };
    let mut up = Terminal::start(&project.shell("docker compose up -d; echo code $?"));
    up.expect("is unhealthy\r\n");
    up.expect("code 1\r\n");
    let seen = up.seen();
    assert!(
        seen.ends_with("docker: dependency failed to start: container p-sick-1 is unhealthy\r\ncode 1\r\n"),
        "the board is drawn over the error: {seen:?}"
    );
}

#[test]
fn each_run_of_a_container_is_shown_whole() {
    let text = r#"
services:
  flaky:
    image: busybox
    restart: on-failure:3
    command: [sh, -c, "for i in 1 2 3 4 5; do echo line $$i; done; printf end; exit 7"]
  unlogged:
    image: busybox
    logging: {driver: none}
    command: [sh, -c, "echo not in any log"]
"#;
    let Some(project) = Project::start(text) else { return };
    let up = project.compose("up --no-color");
    assert_eq!(up.code(), 0, "{up}");
    for line in ["line 1", "line 5", "end"] {
        assert_eq!(up.stdout.matches(&format!("flaky-1     | {line}\n")).count(), 4, "{line}: {up}");
    }
    assert_eq!(up.stdout.matches("flaky-1 exited with code 7 (restarting)\n").count(), 3, "{up}");
    assert_eq!(up.stdout.matches("flaky-1 exited with code 7\n").count(), 1, "{up}");
    // The last line comes before the news of the end.
    let last = up.stdout.rfind("| end\n").unwrap();
    assert!(last < up.stdout.find("exited with code 7\n").unwrap(), "{up}");
    assert!(up.stdout.contains("unlogged-1  | not in any log\n"), "{up}");
    // Nothing of earlier runs is shown again.
    let again = project.compose("up --no-color --timestamps flaky");
    assert_eq!(again.stdout.matches("line 1\n").count(), 4, "{again}");
    let stamped = again.stdout.lines().filter(|line| line.contains("| 20") && line.contains("Z line 1"));
    assert_eq!(stamped.count(), 4, "{again}");
}

#[test]
fn containers_that_come_later_are_shown_and_a_killed_monitor_is_noticed() {
    let text = r#"
services:
  web:
    image: busybox
    command: [sh, -c, "echo $$(hostname) is up; exec sleep 1000"]
    init: true
"#;
    let Some(project) = Project::start(text) else { return };
    let up = project.begin("up --no-color");
    eventually("the first one runs", || project.running() == "p-web-1");
    let follow = project.begin("logs -f --no-color");
    project.compose("up -d --scale web=3").ok();
    project.compose("stop web -t 0").ok();
    let (up, follow) = (up.wait(), follow.wait());
    for number in 1..=3 {
        assert_eq!(up.stdout.matches(&format!("web-{number}  | ")).count(), 1, "{up}");
        assert_eq!(follow.stdout.matches(&format!("web-{number}  | ")).count(), 1, "{follow}");
        assert_eq!(up.stdout.matches(&format!("web-{number} exited with code 1")).count(), 1, "{up}");
    }
    assert_eq!((up.code(), follow.code()), (0, 0));

    let up = project.begin("up --no-color --scale web=1");
    let scenario = project.composer.scenario();
    eventually("it runs again", || {
        project.running() == "p-web-1" && scenario.inspect("p-web-1", "{{.State.Pid}}") != "0"
    });
    let monitor = scenario.monitor_of("p-web-1");
    kill(Pid::from_raw(monitor), Signal::SIGKILL).unwrap();
    let up = up.wait();
    assert!(up.stdout.contains("web-1 exited with code 137\n"), "{up}");
}

#[test]
fn a_killed_command_and_a_gone_reader_leave_the_containers_running() {
    let Some(project) = Project::start(TWO) else { return };
    let mut up = project.begin("up --no-color");
    eventually("both run", || project.running() == "p-a-1\np-longer-name-1");
    let ids = project.compose("ps -q").ok().to_owned();
    up.kill();
    drop(up.wait());
    assert_eq!(project.compose("ps -q").ok(), ids);
    let head = run(&mut project.shell("docker compose up --no-color | head -n 1"));
    assert_eq!(head.stdout, "Attaching to a-1, longer-name-1\n", "{head}");
    assert_eq!(project.compose("ps -q").ok(), ids);
    let read =
        run(&mut project.shell("docker compose logs --no-color | head -n 1; docker compose logs -n 1 a"));
    let lines: Vec<&str> = read.stdout.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "a-1            | from a"), "{read}");
    assert!(lines[1].starts_with("a-1  | "), "{read}");
}

#[test]
fn forty_services_share_one_loop() {
    let service = |n: u32| {
        format!(
            "  s{n}:\n    image: busybox\n    command: [sh, -c, \"for i in 1 2 3; do echo $$i of {n}; done; sleep 0.{}\"]\n",
            n % 7
        )
    };
    let services: String = (0..40).map(service).collect();
    let Some(project) = Project::start(&format!("services:\n{services}")) else { return };
    let up = project.compose("up --no-color");
    assert_eq!(up.code(), 0, "{up}");
    for n in 0..40 {
        let name = format!("s{n}-1");
        for i in 1..=3 {
            let line = format!("{name:6} | {i} of {n}\n");
            assert_eq!(up.stdout.matches(&line).count(), 1, "{line}: {up}");
        }
        assert_eq!(up.stdout.matches(&format!("\n{name} exited with code 0\n")).count(), 1, "{up}");
    }
    let logs = project.compose("logs --no-color");
    assert_eq!(logs.stdout.lines().count(), 120, "{logs}");
}

#[test]
fn a_slow_reader_does_not_keep_the_command_from_its_signals() {
    let text = r#"
services:
  busy:
    image: busybox
    command: [sh, -c, "exec yes 'a long line that fills the pipe'"]
    init: true
  other:
    image: busybox
    command: [sleep, "1000"]
    init: true
"#;
    let Some(project) = Project::start(text) else { return };
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = project.shell("exec docker compose up --no-color");
    let mut up = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    drop(command);
    eventually("both run", || project.running() == "p-busy-1\np-other-1");
    kill(Pid::from_raw(up.id() as i32), Signal::SIGINT).unwrap();
    eventually("the containers are stopped though nobody reads", || project.running().is_empty());
    drop(reader);
    let status = up.wait().unwrap();
    assert!([Some(0), Some(130)].contains(&status.code()), "{status}");
}

#[test]
fn a_start_that_fails_and_one_that_is_interrupted_end_the_command() {
    let text = r#"
services:
  bad:
    image: busybox
    command: [/no/such/program]
  good:
    image: busybox
    command: [sh, -c, "echo good; exec sleep 1000"]
    init: true
  waits:
    image: busybox
    command: [sleep, "1000"]
    init: true
    profiles: [waits]
    depends_on: {sick: {condition: service_healthy}}
  sick:
    image: busybox
    command: [sleep, "1000"]
    init: true
    profiles: [waits]
    healthcheck: {test: [CMD, "false"], interval: 10s, start_period: 100s}
"#;
    let Some(project) = Project::start(text) else { return };
    let up = project.compose("up --no-color");
    assert_eq!(up.code(), 1, "{up}");
    assert!(up.stderr.contains("/no/such/program"), "{up}");
    let up = project.begin("up --no-color waits");
    eventually("what it depends on runs", || project.running().contains("p-sick-1"));
    kill(Pid::from_raw(up.pid()), Signal::SIGINT).unwrap();
    let up = up.wait();
    assert_eq!(up.code(), 130, "{up}");
    assert!(up.stdout.contains("Gracefully Stopping"), "{up}");
}
