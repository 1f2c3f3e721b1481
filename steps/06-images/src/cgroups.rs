//! Limits: a cgroup is a directory, a limit is a file in it, and a process joins by writing itself down there.
//!
//! What follows is cgroup v2, one tree for everything (cgroup-v2.rst in the kernel's documentation). Where a machine
//! still has v1, a tree per controller, cgroups_v1.rs says the same in the older words.
//!
//! ```text
//! /sys/fs/cgroup                outside, before the clone      inside, before execve
//!   cgroup.subtree_control        "+memory +pids"
//!   step-03-4711/                 mkdir
//!     memory.max  pids.max …      "67108864", "20"
//!     cgroup.procs                                               "0": the process that writes
//! ```
//!
//! A cgroup does not go with its last process, as a namespace does. The supervisor (supervisor.rs) sees to it that it does.
//!
//! There is no system call for any of this: mkdir, write and rmdir are all, and a shell can do the same by
//! hand. What is read and written are no stored texts but questions to the kernel and orders, so a write can
//! fail like any call.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::supervisor::Supervisor;
use crate::{cgroups_v1, report};

/// Of how long a stretch of time `--cpus` is a share, in microseconds. The kernel's default.
/// A quota of 20 ms in each 100 ms is a fifth of one CPU. In shorter periods the pauses are shorter, and there
/// are more of them to account for.
pub const PERIOD: u64 = 100_000;

/// What was asked for. Without any of it there is no cgroup.
pub struct Limits {
    /// In bytes.
    pub memory: Option<u64>,
    /// 1.5 is one CPU and a half.
    pub cpus: Option<f64>,
    pub pids: Option<u64>,
}

/// All that is to be made, before any of it is.
/// v2 and v1 differ in every name and agree in what there is to do. So each says it as a list, and one function
/// works both off: what is in the list can be undone without knowing which of the two it was.
pub struct Plan {
    /// Where we go ourselves, to make room. It stays when we end, empty, for as long as the scope it is in.
    pub leaf: Option<PathBuf>,
    pub directories: Vec<PathBuf>,
    /// Files, and what to write to them, in this order.
    pub settings: Vec<(PathBuf, String)>,
    /// The same, where the kernel has such a file.
    pub optional: Vec<(PathBuf, String)>,
    /// Where a process writes 0 to join.
    pub procs_files: Vec<PathBuf>,
    /// Has a line `oom_kill N` in it.
    pub oom_counter: Option<PathBuf>,
    /// For whoever may not.
    pub hint: &'static str,
}

/// A cgroup that exists. Dropped, it is gone.
pub struct Cgroup {
    plan: Plan,
    /// The limit, in bytes.
    memory: Option<u64>,
    _supervisor: Supervisor,
}

/// Makes a cgroup called `name` with these limits and nobody in it.
/// Before the clone, so that there is a limit by the time there is somebody to limit, and a limit that cannot
/// be had is an error before anything runs.
pub fn create(limits: &Limits, name: &str) -> Result<Option<Cgroup>> {
    if limits.memory.is_none() && limits.cpus.is_none() && limits.pids.is_none() {
        return Ok(None);
    }
    // Where the trees are is the distribution's to choose, so it is looked up.
    // systemd mounts them below /sys/fs/cgroup; some containers and small distributions do not.
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
    let plan = match find_v2(&mounts) {
        Some(mount) => plan(&mount, limits, name)?,
        None => cgroups_v1::plan(&mounts, limits, name)?,
    };
    if let Some(leaf) = &plan.leaf {
        if !leaf.exists() {
            check(fs::create_dir(leaf), format!("mkdir({})", leaf.display()), plan.hint)?;
        }
        write(&leaf.join("cgroup.procs"), "0", plan.hint)?;
    }
    // Before the rest, so that nothing of it stays behind at whatever line we are killed.
    let supervisor = Supervisor::start(&plan.directories, remove)?;
    // From here on an error, too, takes back what is there by then: by this value's drop.
    let cgroup = Cgroup { plan, memory: limits.memory, _supervisor: supervisor };
    let plan = &cgroup.plan;
    for directory in &plan.directories {
        check(fs::create_dir(directory), format!("mkdir({})", directory.display()), plan.hint)?;
    }
    for (file, value) in plan.settings.iter().chain(plan.optional.iter().filter(|(file, _)| file.exists())) {
        write(file, value, plan.hint)?;
    }
    Ok(Some(cgroup))
}

/// Where the one tree is mounted, if the controllers are in it. On a hybrid machine it is there, and they are not.
/// A controller is in one tree only, the one tree or its own: which it is was decided when the machine started,
/// mostly by systemd, and nobody changes it while something uses it.
fn find_v2(mounts: &str) -> Option<PathBuf> {
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    let mount = PathBuf::from(line.split(' ').nth(4)?);
    let controllers = fs::read_to_string(mount.join("cgroup.controllers")).ok()?;
    controllers.contains("memory").then_some(mount)
}

fn plan(mount: &Path, limits: &Limits, name: &str) -> Result<Plan> {
    let hint = "hint: this part of the tree is not delegated to you. Ask for one that is:\n      \
                systemd-run --user --scope -p Delegate=yes THIS-PROGRAM run …";
    // Root's go to the top; an unprivileged user owns, if anything, the cgroup that they are in.
    // Who has been given a cgroup (delegation, in the words of cgroup-v2.rst) owns its directory and may make
    // others in it. Limits above hold for all of these together, so nothing is lost by letting people do so.
    let parent = if nix::unistd::geteuid().is_root() { mount.to_owned() } else { mount.join(own_path()?) };
    // What nobody has asked for is not switched on: each controller costs a little in every cgroup that has it.
    let asked = [
        ("memory", limits.memory.is_some()),
        ("cpu", limits.cpus.is_some()),
        ("pids", limits.pids.is_some()),
    ];
    let wanted: Vec<_> =
        asked.iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| format!("+{name}")).collect();
    let directory = parent.join(name);
    // A controller counts in a cgroup only if the one above passes it on. That turns the one above into a branch, and
    // only leaves hold processes: ours has to leave it for a leaf. The top of the tree alone may be both.
    // The top has no file cgroup.type: nothing above it could say what it is.
    let is_top = !parent.join("cgroup.type").exists();
    let mut settings = Vec::new();
    let mut leaf = None;
    // What the parent passes on already has been paid for, and needs no second order.
    let enabled = fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap_or_default();
    if !wanted.iter().all(|wanted| enabled.split_whitespace().any(|name| name == &wanted[1..])) {
        leaf = (!is_top).then(|| parent.join("outside"));
        settings.push((parent.join("cgroup.subtree_control"), wanted.join(" ")));
    }
    let mut limit = |file: &str, value: Option<String>| {
        settings.extend(value.map(|value| (directory.join(file), value)));
    };
    // Page cache counts too: files that were read are in memory until somebody needs the room. At the limit the
    // kernel first drops these, and only if nothing is left to drop does it kill.
    limit("memory.max", limits.memory.map(|bytes| bytes.to_string()));
    // So many microseconds of each period.
    limit("cpu.max", limits.cpus.map(|cpus| format!("{} {PERIOD}", (cpus * PERIOD as f64) as u64)));
    // Threads count as well: to the kernel each is a task with a number. Beyond the limit fork(2) is EAGAIN.
    limit("pids.max", limits.pids.map(|count| count.to_string()));
    Ok(Plan {
        leaf,
        settings,
        // Without this a hog is not stopped at the limit of memory: the rest of it goes to swap.
        optional: limits
            .memory
            .map(|_| (directory.join("memory.swap.max"), "0".into()))
            .into_iter()
            .collect(),
        procs_files: vec![directory.join("cgroup.procs")],
        oom_counter: limits.memory.map(|_| directory.join("memory.events")),
        directories: vec![directory],
        hint,
    })
}

/// From the line `0::/path` of /proc/self/cgroup, without the slash.
/// In this file 0 is the number of the one tree. The path is as seen from the top of our cgroup namespace,
/// which is the host's on the host.
fn own_path() -> Result<String> {
    let text = fs::read_to_string("/proc/self/cgroup").context("read /proc/self/cgroup")?;
    let path = text
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .context("/proc/self/cgroup has no line 0::")?;
    Ok(path.to_owned())
}

/// On the inside, before anything else runs there. After the execve would be too late: what a process has in memory by
/// then is charged to the cgroup it was in.
/// 0 means the writer. To write another process's number works too, but from outside, and there is a moment in
/// between; who joins before it does anything else was never anywhere else.
pub fn join(procs_files: &[String]) -> Result<()> {
    procs_files
        .iter()
        .try_for_each(|file| write(Path::new(file), "0", "hint: is the cgroup still there?"))?;
    // Its root is the cgroup we are in now, and /proc/self/cgroup says "/". Made before the join it would be the host's,
    // and the path of ours in it would show.
    // It is not part of the clone for this reason alone.
    unshare(CloneFlags::CLONE_NEWCGROUP).context("unshare(CLONE_NEWCGROUP)")?;
    report::trace("unshare(CLONE_NEWCGROUP)   where I am is \"/\" for me");
    Ok(())
}

impl Cgroup {
    /// The files that [`join`] takes.
    pub fn procs_files(&self) -> &[PathBuf] {
        &self.plan.procs_files
    }

    /// Says so if the kernel killed in here because the limit of memory was reached. A process that the kernel kills dies
    /// of SIGKILL as if anybody had sent it; only this counter tells.
    /// To be called before the drop, which takes the counter along with the directory.
    pub fn report_oom(&self) {
        let (Some(file), Some(bytes)) = (&self.plan.oom_counter, self.memory) else { return };
        let text = fs::read_to_string(file).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        // Limits that were reached and could be helped are counted elsewhere (max, in memory.events): at this
        // one somebody died.
        let kills: u64 = count.unwrap_or(0);
        report::trace(format!("read {}: oom_kill {kills}", file.display()));
        let limit = match bytes {
            bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
            bytes => format!("{bytes} bytes"),
        };
        if kills > 0 {
            report::say(format_args!(
                "killed by the kernel: memory limit {limit} reached (oom_kill {kills})"
            ));
        }
    }
}

/// For the supervisor, which asks until it is done: a directory with processes in it, or with cgroups that they made, is
/// EBUSY.
/// rmdir and not a removal of what is in it: the files are the kernel's and go with the directory.
fn remove(directory: &Path) -> io::Result<()> {
    let removed = fs::remove_dir(directory);
    if removed.is_err() {
        // From the bottom up, since only a leaf can be removed. Programs make some: systemd in a container for
        // each service.
        let children = fs::read_dir(directory).into_iter().flatten().flatten();
        children.filter(|child| child.path().is_dir()).for_each(|child| drop(remove(&child.path())));
        let processes = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        for pid in processes.lines().filter_map(|line| line.parse().ok()) {
            // After a kill -9 of ours these are orphans that nobody else will end. (cgroup.kill, Linux 5.14, is
            // one write for all.)
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    removed
}

fn write(file: &Path, value: &str, hint: &'static str) -> Result<()> {
    // One write(2), and no O_CREAT: what the kernel has not made is not to be made.
    let written = File::options()
        .write(true)
        .open(file)
        .and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()));
    check(written, format!("write {value:?} to {}", file.display()), hint)
}

/// Tells what was done, or what refused it.
/// The errno of a cgroup's file means something else than that of an ordinary file, and only who knows the
/// rules can tell what; hence the hints.
fn check(result: io::Result<()>, call: String, hint: &'static str) -> Result<()> {
    let Err(error) = result else {
        report::trace(call);
        return Ok(());
    };
    let hint = match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        // Not ours: the file's owner decides, as for any file.
        Errno::EACCES | Errno::EPERM => hint,
        Errno::EROFS => "hint: inside a container the tree is read-only: run that one with --privileged",
        // The rule of no inner processes: what a branch gives to its children it could not at the same time
        // give to its own.
        Errno::EBUSY => {
            "hint: only leaves hold processes, and others than us are in that cgroup: start this program\n      \
                         as the first of a scope of its own (systemd-run --user --scope -p Delegate=yes …)"
        }
        Errno::ENOENT => "hint: this kernel has no such file or controller",
        _ => return Err(error).context(call),
    };
    Err(error).context(hint).context(call)
}
