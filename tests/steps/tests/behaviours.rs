//! One table of what the lessons can do. A row holds for hull and for every step from the given one on; the step
//! before must fail it, or the row is not what the lesson adds.
//!
//! Rows run as root, and as an unprivileged user if the feature does not take root, in the scenario's own mount and
//! network namespaces. Root alone has limits without a delegated cgroup, a bridge, and devices.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hull_test_steps::{STEPS, layout, program};
use hull_test_support::outcome::{eventually, run};
use hull_test_support::user::ID;
use hull_test_support::{Outcome, Running, Scenario, fixtures, skip};

/// The program whose behaviour is tested.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Subject {
    /// Steps count from 1; 0 stands for no container at all, the machine itself.
    Step(usize),
    Hull,
}

/// A scenario and the busybox that the subject runs in it, in the form that it takes.
struct Container {
    scenario: Scenario,
    subject: Subject,
    user: User,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum User {
    Root,
    Unprivileged,
}

impl Container {
    fn start(subject: Subject, user: User) -> Option<Self> {
        let scenario = match user {
            User::Root => Scenario::start()?,
            User::Unprivileged => Scenario::rootless()?,
        };
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        if !up.is_ok_and(|status| status.success()) {
            skip::skip("without ip (package iproute2)");
            return None;
        }
        let tar = fixtures::busybox();
        match subject {
            Subject::Hull => drop(scenario.busybox()),
            Subject::Step(6..) => layout(&scenario.path("layout"), &fs::read(&tar).expect("a tar")),
            Subject::Step(_) => {
                let root = scenario.path("root");
                fs::create_dir(&root).expect("own directory");
                tar::Archive::new(fs::File::open(&tar).expect("a tar")).unpack(&root).expect("it unpacks");
            }
        }
        let container = Self { scenario, subject, user };
        container.hand_over();
        Some(container)
    }

    /// Gives the user what has to be theirs: a place for changes, the files below them, a program that they can reach.
    fn hand_over(&self) {
        fs::create_dir(self.scenario.path("scratch")).expect("own directory");
        if self.user == User::Root {
            return;
        }
        let there =
            ["scratch", "root"].map(|name| self.scenario.path(name)).into_iter().filter(|path| path.exists());
        let given = Command::new("chown").args(["-hR", &format!("{ID}:{ID}")]).args(there).status();
        assert!(given.is_ok_and(|status| status.success()), "chown");
        if let Subject::Step(step @ 1..) = self.subject {
            // By cp: a file that another thread's child still holds open for writing cannot be executed.
            let copied = Command::new("cp").arg(program(step)).arg(self.scenario.path("program")).status();
            assert!(copied.is_ok_and(|status| status.success()), "cp");
        }
    }

    /// A program other than hull, as this container's user.
    fn start_of(&self, program: &Path) -> Command {
        let mut command = match self.user {
            User::Root => Command::new(program),
            User::Unprivileged => {
                let id = ID.to_string();
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--inh-caps=-all", "--"]);
                command.arg(program);
                command
            }
        };
        command.current_dir("/").env("TMPDIR", self.scenario.path("scratch"));
        command
    }

    /// The program of a step, where this container's user can start it.
    fn step(&self, step: usize) -> Command {
        match self.user {
            User::Root => self.start_of(&program(step)),
            User::Unprivileged => self.start_of(&self.scenario.path("program")),
        }
    }

    /// Runs a script in busybox's shell, with these options of `run`. Options that a step does not have yet are
    /// left out, so that it fails by its behaviour and not by its command line.
    fn command(&self, options: &[&str], script: &str) -> Command {
        let Subject::Step(step) = self.subject else {
            let renamed =
                options.iter().map(|option| if *option == "--pids" { "--pids-limit" } else { option });
            let args: Vec<&str> = ["run", "--rm"].into_iter().chain(renamed).collect();
            return self.scenario.command(&[&args[..], &["busybox", "sh", "-c", script]].concat());
        };
        let since = |option: &str| match option {
            "--hostname" => 1,
            "--memory" | "--cpus" | "--pids" => 3,
            _ => 5,
        };
        let known = options.chunks(2).filter(|pair| since(pair[0]) <= step).flatten();
        let (root, layout) = (self.text("root"), self.text("layout"));
        let what: &[&str] = match step {
            0 => {
                let mut command = self.start_of(Path::new("busybox"));
                command.args(["sh", "-c", script]);
                return command;
            }
            1 => &["--", "/bin/busybox", "sh", "-c", script],
            2..=5 => &["--rootfs", &root, "--", "sh", "-c", script],
            _ => &[&layout, "sh", "-c", script],
        };
        let mut command = self.step(step);
        command.arg("run").args(known).args(what);
        command
    }

    fn text(&self, name: &str) -> String {
        self.scenario.path(name).to_string_lossy().into_owned()
    }

    fn run(&self, options: &[&str], script: &str) -> Outcome {
        run(&mut self.command(options, script))
    }

    fn says(&self, options: &[&str], script: &str) -> String {
        self.run(options, script).stdout.trim().to_owned()
    }
}

/// A row: the step from which on it holds, the users, and the test.
fn assert_since(since: usize, users: &[User], holds: impl Fn(&Container) -> bool + Sync) {
    let subjects = (since - 1..=STEPS.len()).map(Subject::Step).chain([Subject::Hull]);
    for (subject, user) in subjects.flat_map(|subject| users.iter().map(move |user| (subject, *user))) {
        let look = || {
            let Some(container) = Container::start(subject, user) else { return };
            let expected = subject != Subject::Step(since - 1);
            assert_eq!(holds(&container), expected, "{subject:?} as {user:?}");
        };
        // Each in a thread of its own, so that its mount namespace is not a copy of the one before.
        let name = skip::current_test();
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name(name).spawn_scoped(scope, look).expect("a thread");
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    }
}

const EVERYBODY: [User; 2] = [User::Root, User::Unprivileged];
const ROOT: [User; 1] = [User::Root];

#[test]
fn a_hostname_is_the_containers() {
    assert_since(1, &EVERYBODY, |container| container.says(&["--hostname", "web"], "hostname") == "web");
}

#[test]
fn only_its_own_processes_are_seen() {
    assert_since(2, &EVERYBODY, |container| {
        let seen: usize = container.says(&[], "ls -d /proc/[0-9]* | wc -l").parse().unwrap_or(usize::MAX);
        seen <= 5
    });
}

#[test]
fn what_it_leaves_running_ends_with_it() {
    assert_since(2, &EVERYBODY, |container| {
        // A number that no other sleeper on the machine has.
        let seconds = format!("{}.{}", 100, std::process::id());
        // The number is a word of the second shell's command line, too, so it is found before the execve of sleep.
        let second = r#"'echo started; exec sleep "$1" >/dev/null 2>&1'"#;
        let script = format!("(setsid sh -c {second} sh {seconds} &) | head -n 1");
        let started = container.run(&[], &script);
        assert_eq!(started.stdout.trim(), "started", "{started}");
        let left = processes(&seconds);
        left.iter().copied().for_each(end);
        left.is_empty()
    });
}

#[test]
fn the_hosts_files_are_out_of_sight() {
    assert_since(2, &EVERYBODY, |container| {
        let mark = container.scenario.write("mark", "the host's");
        container.says(&[], &format!("cat {}; echo; ls -d /../bin", mark.display())) == "/../bin"
    });
}

#[test]
fn more_memory_than_allowed_is_a_death() {
    let hog = "exec dd if=/dev/zero of=/dev/null bs=200M count=1";
    assert_since(3, &ROOT, |container| container.run(&["--memory", "64m"], hog).code() == 137);
}

#[test]
fn more_processes_than_allowed_there_are_not() {
    let bomb =
        "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 2 & done; wait; echo all";
    assert_since(3, &ROOT, |container| container.says(&["--pids", "10"], bomb) != "all");
}

#[test]
fn a_loop_is_made_to_wait() {
    assert_since(3, &ROOT, |container| {
        // A word that is in no other process's command line.
        let mark = format!("loop-{}", std::process::id());
        let script = format!("timeout 40 sh -c 'while :; do :; done' {mark}");
        let mut running = Running::start(&mut container.command(&["--cpus", "0.2"], &script));
        let began = Instant::now();
        let mut seen = None;
        let own = fs::read_to_string("/proc/self/cgroup").expect("it is mounted");
        // Only a quota makes that counter grow, and not that the machine is busy.
        let waited = || {
            processes(&mark).iter().any(|pid| {
                let theirs = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
                theirs.lines().filter(|line| !own.contains(line)).any(is_throttled)
            })
        };
        let has_waited = loop {
            if waited() {
                break true;
            }
            // Twenty periods without a pause where none is to come; on a machine with others the first one takes its time.
            let enough = if container.subject == Subject::Step(2) { 2 } else { 20 };
            if !processes(&mark).is_empty() {
                let since: &Instant = seen.get_or_insert_with(Instant::now);
                if since.elapsed() > Duration::from_secs(enough) {
                    break false;
                }
            }
            assert!(began.elapsed() < Duration::from_secs(40), "the loop has not begun");
            std::thread::sleep(Duration::from_millis(20));
        };
        running.kill();
        running.wait();
        processes(&mark).into_iter().for_each(end);
        has_waited
    });
}

/// By a line of /proc/PID/cgroup.
fn is_throttled(line: &str) -> bool {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let stat = format!("/sys/fs/cgroup/{controllers}{path}/cpu.stat");
    let text = fs::read_to_string(stat).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix("nr_throttled ")).any(|count| count != "0")
}

/// All on the machine that have this word in their command line.
fn processes(word: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("it is mounted").flatten();
    let is_it = |pid: &i32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|found| found == word.as_bytes())
    };
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_it).collect()
}

fn end(pid: i32) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
}

#[test]
fn two_containers_of_one_base_do_not_see_each_others_writes() {
    assert_since(4, &EVERYBODY, |container| {
        if container.subject == Subject::Step(3) {
            assert_eq!(container.says(&[], "echo mine >/written && cat /written"), "mine");
        } else {
            let first = container
                .says(&[], "echo mine >>/etc/issue-of-image; rm /etc/group; cat /etc/issue-of-image");
            assert!(first.ends_with("mine"), "{first}");
        }
        container.says(&[], "cat /etc/issue-of-image; ls /etc/group /written 2>/dev/null")
            == "made for tests\n/etc/group"
    });
}

#[test]
fn the_gateway_answers() {
    let script = "g=$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p'); ping -c1 -W20 ${g:-192.0.2.1} >/dev/null 2>&1 && echo there";
    assert_since(5, &ROOT, |container| container.says(&[], script) == "there");
}

#[test]
fn a_published_port_is_reached_from_localhost() {
    let script = "mkdir -p /tmp/w; echo a page >/tmp/w/index.html; exec httpd -f -p 0.0.0.0:80 -h /tmp/w";
    assert_since(5, &ROOT, |container| {
        let mut server = Running::start(&mut container.command(&["-p", "18080:80"], script));
        let ask = || -> std::io::Result<String> {
            let mut connection = TcpStream::connect("127.0.0.1:18080")?;
            connection.set_read_timeout(Some(Duration::from_secs(10)))?;
            connection.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
            let mut text = String::new();
            connection.read_to_string(&mut text).map(|_| text)
        };
        let is_there = || ask().is_ok_and(|page| page.contains("a page"));
        let tries = if container.subject == Subject::Step(4) { 30 } else { 300 };
        let reached =
            (0..tries).any(|_| is_there() || (std::thread::sleep(Duration::from_millis(50)), false).1);
        server.kill();
        server.wait();
        // What a killed program leaves is cleared up a moment later, and the next row wants the port.
        if container.subject == Subject::Hull {
            // Its container outlives the command that has started it.
            container.scenario.traces_left();
        }
        eventually("the port to be free", || TcpListener::bind("0.0.0.0:18080").is_ok());
        reached
    });
}

#[test]
fn an_images_own_command_runs_in_its_environment() {
    assert_since(6, &EVERYBODY, |container| {
        let image: PathBuf = container.scenario.path("layout");
        let text = image.to_string_lossy();
        match container.subject {
            Subject::Hull => {
                let tar = fixtures::busybox();
                let changes =
                    ["--change", "CMD [\"sh\",\"-c\",\"echo its own\"]", "--change", "ENV PATH=/bin"];
                let tar = tar.to_str().expect("a plain path");
                container.scenario.ok(&[&["import"], &changes[..], &[tar, "own"]].concat());
                container.scenario.ok(&["run", "--rm", "own"]).trim() == "its own"
            }
            Subject::Step(step) => {
                // Also for the step that has no images yet: a directory of one is what it would have to take.
                layout(&image, &fs::read(fixtures::busybox()).expect("a tar"));
                let own = run(container.step(step).args(["run", &text]));
                own.stdout.trim() == "its own" && container.says(&[], "echo $FROM") == "image"
            }
        }
    });
}

#[test]
fn a_device_of_the_hosts_cannot_be_opened() {
    // The kernel's log: harmless, and nobody's in a container.
    assert_since(7, &ROOT, |container| {
        container.says(&[], "mknod /log c 1 11; (exec 3</log) 2>/dev/null && echo open").is_empty()
    });
}

#[test]
fn the_machines_switches_are_read_only_and_its_memory_hidden() {
    assert_since(7, &ROOT, |container| {
        container.says(&[], "(exec 3>>/proc/sys/kernel/core_pattern) 2>/dev/null && echo writable; test -s /proc/timer_list && echo shown; head -c1 /proc/timer_list").is_empty()
    });
}

#[test]
fn most_of_roots_powers_are_gone_and_a_filter_is_on() {
    assert_since(7, &EVERYBODY, |container| {
        let told = container.says(&[], "grep -E '^(CapBnd|Seccomp):' /proc/self/status");
        let fields: Vec<&str> = told.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
        let [capabilities, filter] = fields[..] else { panic!("{told}") };
        let bits = u64::from_str_radix(capabilities, 16).expect("a number").count_ones();
        bits <= 14 && filter == "2"
    });
}
