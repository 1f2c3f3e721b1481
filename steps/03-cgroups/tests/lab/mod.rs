//! Where a lesson's program is tried: as root and as an ordinary user, in a directory and namespaces of the test's own.

// Pre-exec closures run between fork and exec, where Rust can promise nothing.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Gid, Uid};

/// In no user database, so that nothing on the machine is theirs.
const ORDINARY: u32 = 54321;

/// One user's place to try things.
pub struct Lab {
    pub user: Uid,
    pub dir: PathBuf,
    program: PathBuf,
    /// The mount and the network namespace of everything run here, held open; without root there are none.
    namespaces: Vec<File>,
}

/// What a run said and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

/// A lab for root and one for an ordinary user; without root only for whoever we are.
pub fn everyone(program: &str) -> Vec<Lab> {
    // In the virtual machine with cgroup v2 it is elsewhere than where it was built.
    let named = std::env::var("STEP_PROGRAM");
    let program = named.as_deref().unwrap_or(program);
    let mut labs = Vec::new();
    let me = Uid::effective();
    match me.is_root() {
        true => labs.push(Lab::new(program, me)),
        false => skip("the half of this test that needs root"),
    }
    let ordinary = if me.is_root() { Uid::from_raw(ORDINARY) } else { me };
    match why_not(ordinary) {
        None => labs.push(Lab::new(program, ordinary)),
        Some(why) => skip(&format!("the half of this test that needs an ordinary user: {why}")),
    }
    labs
}

fn why_not(user: Uid) -> Option<&'static str> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    // Each line of it: the first id inside, the first outside, and how many.
    let map = read("/proc/self/uid_map");
    let numbers = |line: &str| line.split_whitespace().map(|n| n.parse().unwrap_or(0)).collect::<Vec<u64>>();
    let has = |line| matches!(numbers(line)[..], [first, _, length] if (first..first + length).contains(&user.as_raw().into()));
    if !map.lines().any(has) {
        return Some("this user namespace has no second id");
    }
    (read("/proc/sys/user/max_user_namespaces").trim() == "0").then_some("max_user_namespaces is 0")
}

/// Says why something does not run here; where everything has to, that is a failure.
pub fn skip(why: &str) {
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    assert!(std::env::var("HULL_TESTS_MUST_RUN").as_deref() != Ok("1"), "{name} may not skip {why}");
    // Straight to the descriptor: the harness keeps to itself what a passing test prints by macro.
    let _ = writeln!(std::io::stderr(), "SKIP {name}: {why}");
}

impl Lab {
    fn new(program: &str, user: Uid) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("lesson-{}-{n}", std::process::id()));
        fs::create_dir(&dir).expect("a directory of the test's own");
        // The build directory may lie where an ordinary user cannot go. By cp, because a file that another thread's
        // child still holds open for writing cannot be executed (ETXTBSY).
        let copy = dir.join(Path::new(program).file_name().expect("a program has a name"));
        assert!(Command::new("cp").arg(program).arg(&copy).status().expect("cp runs").success());
        let open = || PermissionsExt::from_mode(0o755);
        fs::set_permissions(&copy, open())
            .and_then(|()| fs::set_permissions(&dir, open()))
            .expect("own files");
        let namespaces = if Uid::effective().is_root() { throwaway_namespaces() } else { Vec::new() };
        Self { user, dir, program: copy, namespaces }
    }

    pub fn is_root(&self) -> bool {
        self.user.is_root()
    }

    /// The program under test with its arguments.
    pub fn program(&self, args: &[&str]) -> Command {
        self.command(&self.program.to_string_lossy(), args)
    }

    /// A script of the machine's shell, as this lab's user; in it `$P` is the program under test.
    pub fn shell(&self, script: &str) -> Ended {
        ended(self.command("/bin/sh", &["-c", script]).output())
    }

    fn command(&self, name: &str, args: &[&str]) -> Command {
        let mut command = Command::new(name);
        command.args(args).env("P", &self.program).env("LC_ALL", "C").stdin(Stdio::null()).current_dir("/");
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        let user = self.user;
        let namespaces: Vec<RawFd> = self.namespaces.iter().map(AsRawFd::as_raw_fd).collect();
        let prepare = move || {
            // Whatever hangs in a test ends with SIGALRM.
            nix::unistd::alarm::set(30);
            if namespaces.is_empty() { Ok(()) } else { confine(&namespaces, user) }
        };
        // SAFETY: system calls only, on values made before the fork.
        unsafe { command.pre_exec(prepare) };
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Ended {
        ended(self.program(args).output())
    }

    /// Starts it with `-v` and waits until it has told which process it cloned.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut command = self.program(&["-v"]);
        let mut child =
            command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let mut story = BufReader::new(child.stderr.take().expect("piped"));
        let mut told = String::new();
        let inside = loop {
            assert_ne!(story.read_line(&mut told).expect("text"), 0, "it ended before it cloned: {told}");
            let line = told.lines().last().unwrap_or_default();
            if line.contains("clone(") {
                break line.rsplit("= ").next().and_then(|pid| pid.trim().parse().ok()).expect("a pid");
            }
        };
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Running { child, inside, told, story, out }
    }
}

/// Mounts and links that something in a test makes, or leaves, end with the test and are never the machine's. The tree
/// is shared, as systemd has it and as the kernel does not, so that a lesson on propagation has something to stop.
fn throwaway_namespaces() -> Vec<File> {
    let mut command = Command::new("sleep");
    // SAFETY: system calls only.
    unsafe {
        command.pre_exec(|| {
            unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)?;
            let root = |flag| mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | flag, None::<&str>);
            root(MsFlags::MS_PRIVATE)?;
            Ok(root(MsFlags::MS_SHARED)?)
        })
    };
    // spawn returns when the exec is done, and an open file keeps a namespace as well as a process does.
    let mut holder = command.arg("infinity").spawn().expect("root may have namespaces");
    let open = |kind| File::open(format!("/proc/{}/ns/{kind}", holder.id())).expect("it runs");
    let namespaces = ["mnt", "net"].map(open).into();
    let _ = holder.kill().and_then(|()| holder.wait());
    namespaces
}

/// Between fork and exec: into the lab's namespaces, as its user.
fn confine(namespaces: &[RawFd], user: Uid) -> std::io::Result<()> {
    for namespace in namespaces {
        // SAFETY: the lab keeps them open.
        setns(unsafe { BorrowedFd::borrow_raw(*namespace) }, CloneFlags::empty())?;
    }
    nix::unistd::chdir("/")?;
    if user.is_root() {
        return Ok(());
    }
    nix::unistd::setgroups(&[])?;
    let gid = Gid::from_raw(user.as_raw());
    nix::unistd::setresgid(gid, gid, gid)?;
    Ok(nix::unistd::setresuid(user, user, user)?)
}

fn ended(output: std::io::Result<Output>) -> Ended {
    let output = output.expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    Ended { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code() }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A program that runs, and the process it cloned.
pub struct Running {
    pub child: Child,
    pub inside: i32,
    /// What it had told by then.
    pub told: String,
    story: BufReader<ChildStderr>,
    out: BufReader<ChildStdout>,
}

impl Running {
    /// The next line that the program inside prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        if self.out.read_line(&mut line).expect("text") == 0 {
            let _ = self.story.read_to_string(&mut line);
            panic!("it ended: {line}");
        }
        line.trim_end().to_owned()
    }

    /// Waits, a bounded time, until the process inside is gone.
    pub fn assert_nothing_left(&self) {
        wait_for("the process inside to be gone", || !is_alive(self.inside));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie runs no more; it is whoever made it who has to wait.
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

pub fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(5), "waited 5 s for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
