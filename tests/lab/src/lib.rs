//! Runs a lesson's program as root and as an unprivileged user, in a directory and namespaces of the test's own.
//!
//! ```text
//! isolation   moves the test program itself into a lab, where the machine's files are read-only
//! subtree     the cgroups that the lab has for itself
//! lib         a lab for each user: its directory, programs run to their end
//! namespaces  the mounts and the network that everything in a lab sees instead of the machine's
//! chapter     what a test says when it fails
//! running     a program that goes on while the test looks at it
//! images      layers, layouts and a registry, with what no honest tool would put into them
//! ```

// Pre-exec closures run between fork and exec, where Rust can promise nothing.
#![allow(unsafe_code)]

mod chapter;
pub mod images;
mod isolation;
mod namespaces;
mod running;
mod subtree;

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::Uid;

pub use chapter::Chapter;
pub use isolation::{WRITABLE, is_isolated, isolate};
pub use running::{Running, TIMEOUT, is_alive, wait_for};

/// A uid that is in no user database, so it owns nothing on the machine.
pub const UNPRIVILEGED: u32 = 54321;

/// The limit for every program in a test, in seconds, after which it gets SIGALRM.
const MOST_SECONDS: u32 = 60;

/// The beginning of the names of a lab's cgroups and directory. The rest is the process id of the test program outside.
const PREFIX: &str = "lesson-lab-";

/// Whether a lab has this name and its test program has ended.
fn is_of_the_dead(name: &std::ffi::OsStr) -> bool {
    let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
    pid.is_some_and(|pid| !is_alive(pid))
}

/// One user's directory and namespaces.
pub struct Lab {
    pub user: Uid,
    pub dir: PathBuf,
    program: PathBuf,
    /// The mount and the network namespace of everything run here, held open; without root there are none.
    namespaces: Vec<File>,
    _lock: File,
}

/// What a run said and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

/// A lab for root and one for an unprivileged user; without root, one for the current user.
pub fn everyone(program: &str) -> Vec<Lab> {
    // In the virtual machine it is in another place than where it was built.
    let named = std::env::var("STEP_PROGRAM");
    let program = named.as_deref().unwrap_or(program);
    let mut labs = Vec::new();
    let me = Uid::effective();
    assert!(
        !me.is_root() || is_isolated(),
        "no lab: root may not make namespaces here, or lesson_lab::isolated!() is missing"
    );
    match me.is_root() {
        true => labs.push(Lab::new(program, me)),
        false => skip("the half of this test that needs root"),
    }
    let unprivileged = if me.is_root() { Uid::from_raw(UNPRIVILEGED) } else { me };
    match why_not(unprivileged) {
        None => labs.push(Lab::new(program, unprivileged)),
        Some(why) => skip(&format!("the half of this test that needs an unprivileged user: {why}")),
    }
    labs
}

fn why_not(user: Uid) -> Option<&'static str> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    // Each line is: first id inside, first id outside, count.
    let map = read("/proc/self/uid_map");
    let numbers = |line: &str| line.split_whitespace().map(|n| n.parse().unwrap_or(0)).collect::<Vec<u64>>();
    let has = |line| matches!(numbers(line)[..], [first, _, length] if (first..first + length).contains(&user.as_raw().into()));
    if !map.lines().any(has) {
        return Some("this user namespace has no second id");
    }
    (read("/proc/sys/user/max_user_namespaces").trim() == "0").then_some("max_user_namespaces is 0")
}

/// Skips a test, or a half of one, with a reason; a failure where every test must run.
pub fn skip(why: &str) {
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    assert!(std::env::var("HULL_TESTS_MUST_RUN").as_deref() != Ok("1"), "{name} may not skip {why}");
    // Written to the descriptor directly, because the harness captures what a passing test prints by macros.
    let _ = writeln!(std::io::stderr(), "SKIP {name}: {why}");
}

impl Lab {
    fn new(program: &str, user: Uid) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("lesson-{}-{n}", std::process::id()));
        let lock = own_directory(&dir).expect("a directory of the test's own");
        // The build directory may lie where an unprivileged user cannot go.
        let copy = dir.join(Path::new(program).file_name().expect("a program has a name"));
        copy_program(Path::new(program), &copy);
        fs::set_permissions(&dir, PermissionsExt::from_mode(0o755)).expect("own files");
        let namespaces = if Uid::effective().is_root() { namespaces::throwaway() } else { Vec::new() };
        let lab = Self { user, dir, program: copy, namespaces, _lock: lock };
        lab.make("tmp");
        lab
    }

    /// A socket that the lab's programs reach at 127.0.0.1, with its port.
    pub fn listen(&self) -> (TcpListener, u16) {
        self.in_network(|| TcpListener::bind("127.0.0.1:0").map(with_port).expect("lo is up"))
    }

    /// The same at another address, which the lab's lo gets for it. Without root there is none.
    pub fn listen_at(&self, address: &'static str) -> Option<(TcpListener, u16)> {
        self.namespaces.get(1)?;
        let bind = move || {
            let mut add = Command::new("ip");
            add.args(["addr", "add", &format!("{address}/32"), "dev", "lo"]);
            assert!(add.status().expect("ip is installed").success(), "ip addr add {address}");
            TcpListener::bind((address, 0)).map(with_port).expect("it has this address")
        };
        Some(self.in_network(bind))
    }

    /// Runs in a thread that enters the namespace; a socket stays in the one that it was made in.
    fn in_network<T: Send + 'static>(&self, make: impl FnOnce() -> T + Send + 'static) -> T {
        let namespace = self.namespaces.get(1).map(|namespace| namespace.try_clone().expect("it is open"));
        let go = move || {
            namespace
                .iter()
                .for_each(|namespace| setns(namespace, CloneFlags::CLONE_NEWNET).expect("it is a network"));
            make()
        };
        std::thread::spawn(go).join().expect("what it makes")
    }

    /// What is left of the directories that runs have made for themselves.
    pub fn left(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.join("tmp")).expect("it is there");
        entries.flatten().map(|entry| entry.path()).collect()
    }

    /// A copy of an example of the step, which is built beside the step's program.
    pub fn example(&self, program: &str, name: &str) -> PathBuf {
        let example = Path::new(program).with_file_name("examples").join(name);
        assert!(example.is_file(), "{} is not built: cargo build --examples", example.display());
        let copy = self.dir.join(name);
        copy_program(&example, &copy);
        copy
    }

    /// A directory of this lab's user.
    pub fn make(&self, name: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::create_dir_all(&path).expect("own files");
        self.give(&path);
        path
    }

    /// Makes a file this lab's user's.
    pub fn give(&self, path: &Path) {
        let id = self.user.as_raw();
        // Without root a file can be given to the user's own group only.
        let group = Uid::effective().is_root().then_some(id);
        chown(path, Some(id), group).expect("own files");
    }

    pub fn is_root(&self) -> bool {
        self.user.is_root()
    }

    /// Whether it is root of the initial user namespace.
    pub fn is_machines_root(&self) -> bool {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        self.is_root() && map.split_whitespace().eq(["0", "0", "4294967295"])
    }

    /// The program under test with its arguments.
    pub fn program(&self, args: &[&str]) -> Command {
        self.command(&self.program.to_string_lossy(), args)
    }

    /// A script of the machine's shell, as this lab's user; in it `$P` is the program under test.
    pub fn shell(&self, script: &str) -> Ended {
        ended(self.command("/bin/sh", &["-c", script]).output())
    }

    /// The same, with one more thing in `$0`.
    pub fn shell_with(&self, script: &str, argument: &str) -> Ended {
        ended(self.command("/bin/sh", &["-c", script, argument]).output())
    }

    fn command(&self, name: &str, args: &[&str]) -> Command {
        let mut command = Command::new(name);
        command.args(args).env("P", &self.program).env("LC_ALL", "C").stdin(Stdio::null()).current_dir("/");
        command.env("TMPDIR", self.dir.join("tmp"));
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        let user = self.user;
        let namespaces: Vec<RawFd> = self.namespaces.iter().map(AsRawFd::as_raw_fd).collect();
        let prepare = move || {
            nix::unistd::alarm::set(MOST_SECONDS);
            // A shell starts its background jobs with these ignored, and so would everything below the tests.
            for number in [Signal::SIGINT, Signal::SIGQUIT] {
                // SAFETY: no handler is installed, so no code of ours can run at the wrong moment.
                unsafe { signal(number, SigHandler::SigDfl) }?;
            }
            if namespaces.is_empty() { Ok(()) } else { namespaces::confine(&namespaces, user) }
        };
        // SAFETY: system calls only, on values made before the fork.
        unsafe { command.pre_exec(prepare) };
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Ended {
        ended(self.program(args).output())
    }

    /// Starts it with `-v` and waits until its trace names the process that it cloned.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut command = self.program(&["-v"]);
        Running::start(command.args(args))
    }
}

fn with_port(listener: TcpListener) -> (TcpListener, u16) {
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port)
}

fn ended(output: std::io::Result<Output>) -> Ended {
    let output = output.expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    Ended { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code() }
}

/// Makes a copy that everybody can execute. By cp, because a file that another thread's child still holds open for writing
/// cannot be executed (ETXTBSY).
fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().expect("cp runs").success());
    fs::set_permissions(to, PermissionsExt::from_mode(0o755)).expect("own files");
}

/// What a pre-exec closure returns after an example in it has ended instead of executing a program. It prints the error,
/// because the process outside gets only its number.
pub fn did_not_execute(ended: Result<(), impl std::fmt::Display>) -> std::io::Error {
    let error = ended.err().map_or_else(String::new, |error| format!("{error:#}"));
    eprintln!("the example ended: {error}");
    std::io::Error::other(error)
}

impl Drop for Lab {
    fn drop(&mut self) {
        remove_tree(&self.dir);
    }
}

/// How old a directory is that a killed test has left, at least.
const OLD: Duration = Duration::from_secs(60);

/// Makes a directory for as long as the returned file is open. A test that is killed cannot remove its directory, so a
/// later one does: without root there is no lab that ends with everything in it.
pub fn own_directory(directory: &Path) -> std::io::Result<File> {
    static ONCE: std::sync::Once = std::sync::Once::new();
    if !Uid::effective().is_root() {
        ONCE.call_once(|| remove_abandoned(&std::env::temp_dir(), OLD));
    }
    fs::create_dir(directory)?;
    let opened = File::open(directory)?;
    opened.lock()?;
    Ok(opened)
}

/// Removes this user's directories `lesson-…` of which nobody holds the lock. A process id would not do: the owner may be
/// in another PID namespace.
fn remove_abandoned(parent: &Path, age: Duration) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with("lesson-");
        let is_old = |found: &fs::Metadata| {
            let changed = found.modified().ok().and_then(|time| time.elapsed().ok());
            // By the entry's own type: links are not followed.
            found.is_dir()
                && found.uid() == Uid::effective().as_raw()
                && changed.is_some_and(|since| since >= age)
        };
        if is_ours
            && entry.metadata().is_ok_and(|found| is_old(&found))
            && File::open(entry.path()).is_ok_and(|directory| directory.try_lock().is_ok())
        {
            remove_tree(&entry.path());
        }
    }
}

#[test]
fn directories_of_killed_tests_are_removed_and_nothing_else() {
    let parent = std::env::temp_dir().join(format!("abandoned-{}", std::process::id()));
    fs::create_dir(&parent).unwrap();
    let made = ["lesson-1-0", "lesson-task-1-0", "lesson-2-0", "thesis"].map(|name| parent.join(name));
    let held = own_directory(&made[2]).unwrap();
    for directory in [&made[0], &made[1], &made[3]] {
        fs::create_dir(directory).unwrap();
        fs::write(directory.join("file"), "").unwrap();
    }
    std::os::unix::fs::symlink("thesis", parent.join("lesson-link")).unwrap();
    remove_abandoned(&parent, OLD);
    assert!(made.iter().all(|directory| directory.exists()), "they are new");
    remove_abandoned(&parent, Duration::ZERO);
    assert_eq!(made.each_ref().map(|directory| directory.exists()), [false, false, true, true]);
    assert!(made[3].join("file").exists() && parent.join("lesson-link").is_symlink());
    drop(held);
    remove_abandoned(&parent, Duration::ZERO);
    assert!(!made[2].exists());
    remove_tree(&parent);
}

/// Removes a directory that programs of a lab have worked in.
pub fn remove_tree(directory: &Path) {
    // The supervisor of a killed program may still be removing files.
    for _ in 0..100 {
        open_up(directory);
        if fs::remove_dir_all(directory).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes directories readable before they are removed: an overlay's work directory has mode 0.
fn open_up(directory: &Path) {
    let _ = fs::set_permissions(directory, PermissionsExt::from_mode(0o700));
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    // By the entry's own type: links are not followed.
    let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_directory).for_each(|entry| open_up(&entry.path()));
}
