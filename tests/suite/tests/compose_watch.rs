//! `compose watch` and `up --watch`: changes of files reach the containers.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use hull_test_support::composer::Kind;
use hull_test_support::outcome::{eventually, run};
use hull_test_support::{Composer, Running};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PROJECT: &str = r#"
services:
  app:
    image: busybox
    command: [sleep, "1000"]
    user: "1000"
    working_dir: /tmp
    stop_grace_period: 0s
    tmpfs: ["/exec:mode=777"]
    develop:
      watch:
        - {action: sync, path: ./src, target: /app/src, initial_sync: true, ignore: [skip/, "**/*.log"]}
        - {action: sync, path: ./only, target: /only, include: ["*.py"]}
        - {action: sync+restart, path: ./settings.conf, target: /etc/settings.conf}
        - {action: sync+exec, path: ./hooked, target: /tmp/hooked, exec: {command: [sh, -c, "cat /tmp/hooked/x > /exec/ran; echo said"]}}
  built:
    build: {context: ./built}
    stop_grace_period: 0s
    init: true
    develop:
      watch:
        - {action: rebuild, path: ./built}
"#;

struct Watched {
    composer: Composer,
    directory: PathBuf,
}

impl Watched {
    fn start() -> Option<Self> {
        let composer = Composer::start(Kind::Hull)?;
        let scenario = composer.scenario();
        let directory = scenario.path("home/watched");
        scenario.write("home/watched/compose.yaml", PROJECT);
        scenario.write("home/watched/src/present", "before the image? no");
        let main = scenario.write("home/watched/src/deep/main", "one");
        // A file system's clock may be a little behind the time at which the image was made.
        let later = SystemTime::now() + Duration::from_secs(1);
        std::fs::File::options().write(true).open(main).unwrap().set_modified(later).unwrap();
        scenario.write("home/watched/src/skip/x", "x");
        scenario.write("home/watched/only/a.txt", "x");
        scenario.write("home/watched/settings.conf", "old");
        scenario.write("home/watched/hooked/x", "old");
        scenario.write("home/watched/built/Dockerfile", "FROM busybox\nCOPY file /file\nCMD sleep 1000\n");
        scenario.write("home/watched/built/.dockerignore", "*.tmp\n");
        scenario.write("home/watched/built/file", "first");
        Some(Self { composer, directory })
    }

    fn compose(&self, script: &str) -> Running {
        let mut command = self.composer.shell(&self.directory, &format!("exec docker compose {script}"));
        Running::start(command.stdin(Stdio::null()))
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn sees(&self, service: &str, path: &str, text: &str) -> bool {
        let script = format!("docker compose exec -T {service} cat {path}");
        run(&mut self.composer.shell(&self.directory, &script)).stdout == text
    }

    fn lacks(&self, service: &str, path: &str) -> bool {
        let script = format!("docker compose exec -T {service} test ! -e {path}");
        run(&mut self.composer.shell(&self.directory, &script)).success()
    }

    fn id(&self, service: &str) -> String {
        let script = format!("docker compose ps -q {service}");
        run(&mut self.composer.shell(&self.directory, &script)).ok().to_owned()
    }

    fn changes_reach_the_containers(&self) {
        eventually("present files are copied at first", || self.sees("app", "/app/src/deep/main", "one"));
        assert!(self.lacks("app", "/app/src/skip"));
        self.write("src/deep/main", "two");
        self.write("src/new/below/file", "new");
        self.write("src/skip/y", "y");
        self.write("src/x.log", "y");
        self.write("only/a.txt", "y");
        self.write("only/a.py", "python");
        eventually("a changed file is copied", || self.sees("app", "/app/src/deep/main", "two"));
        eventually("so is one in a new directory", || self.sees("app", "/app/src/new/below/file", "new"));
        eventually("what is included is copied", || self.sees("app", "/only/a.py", "python"));
        for left_out in ["/app/src/skip", "/app/src/x.log", "/only/a.txt"] {
            assert!(self.lacks("app", left_out), "{left_out}");
        }
        std::fs::remove_dir_all(self.directory.join("src/new")).unwrap();
        eventually("what is gone is removed", || self.lacks("app", "/app/src/new"));

        self.write("hooked/x", "hook");
        eventually("a command runs after the copy", || self.sees("app", "/exec/ran", "hook"));

        let (app, built) = (self.id("app"), self.id("built"));
        let pid = self.composer.scenario().pid_of("watched-app-1");
        self.write("settings.conf", "new");
        eventually("the container is restarted", || {
            let state = self.composer.scenario().hull(&["inspect", "-f", "{{.State.Pid}}", "watched-app-1"]);
            state.stdout.trim() != pid.to_string() && self.sees("app", "/etc/settings.conf", "new")
        });
        assert_eq!(self.id("app"), app, "it was restarted and not made again");

        self.write("built/ignored.tmp", "x");
        self.write("built/file", "second");
        eventually("the image is built again, and the container made again", || {
            self.sees("built", "/file", "second")
        });
        assert_ne!(self.id("built"), built);
    }
}

#[test]
fn watch_syncs_restarts_runs_and_rebuilds() {
    let Some(watched) = Watched::start() else { return };
    let watch = watched.compose("--progress plain watch");
    watched.changes_reach_the_containers();
    kill(Pid::from_raw(watch.pid()), Signal::SIGINT).unwrap();
    let outcome = watch.wait();
    assert_eq!(outcome.code(), 130, "{outcome}");
    for line in [
        "Watch enabled",
        "Syncing service \"app\" after",
        "service(s) [\"app\"] restarted",
        "Rebuilding service(s) [\"built\"] after changes were detected...",
        "service(s) [\"built\"] successfully built",
    ] {
        assert!(outcome.stdout.contains(line), "{line}: {outcome}");
    }
    assert!(!outcome.stdout.contains("Error"), "{outcome}");
    run(&mut watched.composer.shell(&watched.directory, "docker compose down -v --rmi all")).ok();
}

#[test]
fn an_attached_up_watches_too() {
    let Some(watched) = Watched::start() else { return };
    let up = watched.compose("up --no-color --watch");
    watched.changes_reach_the_containers();
    kill(Pid::from_raw(up.pid()), Signal::SIGINT).unwrap();
    let outcome = up.wait();
    assert_eq!(outcome.code(), 130, "{outcome}");
    assert!(outcome.stdout.contains("\u{29bf} Watch enabled"), "{outcome}");
    assert!(outcome.stdout.contains("app-1 ->"), "the command's output is shown: {outcome}");
    run(&mut watched.composer.shell(&watched.directory, "docker compose down -v --rmi all")).ok();
}
