//! Limits: a cgroup is a directory, a limit is a file in it, and a process joins by writing its pid
//! to a file there.
//!
//! This module is about cgroup v2, one tree for all controllers (cgroup-v2.rst in the kernel's
//! documentation). cgroups_v1.rs does the same for v1, which has a tree for each controller.
//!
//! ```text
//! /sys/fs/cgroup                outside, before the clone      inside, before execve
//!   cgroup.subtree_control        "+memory +pids"
//!   step-03-4711/                 mkdir
//!     memory.max  pids.max …      "67108864", "20"
//!     cgroup.procs                                               "0": the process that writes
//! ```
//!
//! Unlike a namespace, a cgroup is not removed with its last process. The supervisor
//! (supervisor.rs) removes it.
//!
//! There is no system call for this: mkdir, write and rmdir are all it takes, and a shell can do it
//! by hand. These files are no stored text: reading one asks the kernel, writing one gives it an
//! order, which can fail like a system call.

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

/// The period that `--cpus` is a share of, in microseconds; the kernel's default. A quota of 20 ms
/// in a period of 100 ms is a fifth of one CPU. Shorter periods make the pauses shorter and the
/// accounting more expensive.
pub const PERIOD: u64 = 100_000;

/// The limits that were asked for. Without any, no cgroup is created.
pub struct Limits {
    /// In bytes.
    pub memory: Option<u64>,
    /// 1.5 is one CPU and a half.
    pub cpus: Option<f64>,
    pub pids: Option<u64>,
}

/// What is to be created, decided before anything is. v1 and v2 have different files and the same
/// procedure: each describes its work as this list, and one function carries it out.
pub struct Plan {
    /// The cgroup that this process itself moves into, so that its present one may have children
    /// with controllers. It stays, empty, as long as the scope that it is in.
    pub leaf: Option<PathBuf>,
    pub directories: Vec<PathBuf>,
    /// Files, and what to write to them, in this order.
    pub settings: Vec<(PathBuf, String)>,
    /// The same, for files that not every kernel has.
    pub optional: Vec<(PathBuf, String)>,
    /// The files that a process writes 0 to, to join.
    pub procs_files: Vec<PathBuf>,
    /// The file with the line `oom_kill N`.
    pub oom_counter: Option<PathBuf>,
    /// The hint for a user who lacks the permission.
    pub hint: &'static str,
}

/// A cgroup that exists. Dropping it removes it.
pub struct Cgroup {
    plan: Plan,
    /// The limit, in bytes.
    memory: Option<u64>,
    _supervisor: Supervisor,
}

/// Creates a cgroup called `name` with these limits and no process in it. This happens before the
/// clone, so that the limits hold from the beginning and a limit that cannot be set is an error
/// before anything runs.
pub fn create(limits: &Limits, name: &str) -> Result<Option<Cgroup>> {
    if limits.memory.is_none() && limits.cpus.is_none() && limits.pids.is_none() {
        return Ok(None);
    }
    // Distributions mount the trees in different places, so the mount table is searched. systemd
    // mounts them below /sys/fs/cgroup.
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
    // Start the supervisor first, so that a kill at any later line leaves nothing behind.
    let supervisor = Supervisor::start(&plan.directories, remove)?;
    // From here on dropping this value removes what has been created, also after an error.
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

/// Where the v2 tree is mounted, if it has the controllers. On a hybrid machine it is mounted
/// without them: a controller is either in the v2 tree or in one of v1, as systemd decides when the
/// machine starts.
fn find_v2(mounts: &str) -> Option<PathBuf> {
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    let mount = PathBuf::from(line.split(' ').nth(4)?);
    let controllers = fs::read_to_string(mount.join("cgroup.controllers")).ok()?;
    controllers.contains("memory").then_some(mount)
}

fn plan(mount: &Path, limits: &Limits, name: &str) -> Result<Plan> {
    let hint = "hint: this part of the tree is not delegated to you. Ask for one that is:\n      \
                systemd-run --user --scope -p Delegate=yes THIS-PROGRAM run …";
    // Root's cgroups go to the top of the tree. An unprivileged user may own the cgroup that they
    // are in: the owner of its directory may create others in it (delegation, see cgroup-v2.rst).
    // The limits above still hold for all of these together.
    let parent = if nix::unistd::geteuid().is_root() { mount.to_owned() } else { mount.join(own_path()?) };
    // Only the controllers that are needed are enabled: each costs a little in every cgroup that
    // has it.
    let asked = [
        ("memory", limits.memory.is_some()),
        ("cpu", limits.cpus.is_some()),
        ("pids", limits.pids.is_some()),
    ];
    let wanted: Vec<_> =
        asked.iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| format!("+{name}")).collect();
    let directory = parent.join(name);
    // A cgroup has a controller only if its parent passes it on, and on v2 a cgroup that passes
    // controllers on may hold no process (the root excepted). So this process moves from the parent
    // into a leaf. The root is recognised by its missing file cgroup.type.
    let is_top = !parent.join("cgroup.type").exists();
    let mut settings = Vec::new();
    let mut leaf = None;
    // Controllers that the parent passes on already need no change.
    let enabled = fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap_or_default();
    if !wanted.iter().all(|wanted| enabled.split_whitespace().any(|name| name == &wanted[1..])) {
        leaf = (!is_top).then(|| parent.join("outside"));
        settings.push((parent.join("cgroup.subtree_control"), wanted.join(" ")));
    }
    let mut limit = |file: &str, value: Option<String>| {
        settings.extend(value.map(|value| (directory.join(file), value)));
    };
    // The page cache counts too. At the limit the kernel first drops cached file pages; it kills
    // only if that is not enough.
    limit("memory.max", limits.memory.map(|bytes| bytes.to_string()));
    // Quota and period, in microseconds.
    limit("cpu.max", limits.cpus.map(|cpus| format!("{} {PERIOD}", (cpus * PERIOD as f64) as u64)));
    // Threads count too: to the kernel each is a task. Beyond the limit fork(2) fails with EAGAIN.
    limit("pids.max", limits.pids.map(|count| count.to_string()));
    Ok(Plan {
        leaf,
        settings,
        // Without this limit the memory beyond memory.max would go to swap.
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

/// The path in the line `0::/path` of /proc/self/cgroup, without the first slash. 0 is the number
/// of the v2 tree. The path is relative to the root of the caller's cgroup namespace.
fn own_path() -> Result<String> {
    let text = fs::read_to_string("/proc/self/cgroup").context("read /proc/self/cgroup")?;
    let path = text
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .context("/proc/self/cgroup has no line 0::")?;
    Ok(path.to_owned())
}

/// Joins the cgroup: in the child, before anything else. Memory that a process has allocated before
/// is charged to the cgroup it was in. 0 means the writing process. Writing another process's pid
/// from outside works too, but leaves a moment in which that process is not limited.
pub fn join(files: &[String]) -> Result<()> {
    files.iter().try_for_each(|file| write(Path::new(file), "0", "hint: is the cgroup still there?"))?;
    // The root of a cgroup namespace is the cgroup that its creator is in at that moment, so it is
    // created after joining: /proc/self/cgroup then says "/". That is why it is not among the flags
    // of the clone.
    unshare(CloneFlags::CLONE_NEWCGROUP).context("unshare(CLONE_NEWCGROUP)")?;
    report::trace("unshare(CLONE_NEWCGROUP)   where I am is \"/\" for me");
    Ok(())
}

impl Cgroup {
    /// The files to hand to [`join`].
    pub fn procs_files(&self) -> &[PathBuf] {
        &self.plan.procs_files
    }

    /// Reports whether the kernel killed a process because the memory limit was reached. Such a
    /// process dies of SIGKILL, as if anybody had sent it; only this counter shows the cause. It
    /// has to be read before the cgroup is removed.
    pub fn report_oom(&self) {
        let (Some(file), Some(bytes)) = (&self.plan.oom_counter, self.memory) else { return };
        let text = fs::read_to_string(file).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        // `oom_kill` counts kills; `max`, in memory.events, also counts limits that were reached
        // without one.
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

/// Removes a cgroup. The supervisor repeats it while it fails with EBUSY, because of processes in
/// the cgroup or cgroups below it. It is rmdir: the files in the directory are the kernel's and go
/// with it.
fn remove(directory: &Path) -> io::Result<()> {
    let removed = fs::remove_dir(directory);
    if removed.is_err() {
        // Only leaves can be removed, so those below come first. Programs create some: systemd in a
        // container has one for each service.
        let children = fs::read_dir(directory).into_iter().flatten().flatten();
        children.filter(|child| child.path().is_dir()).for_each(|child| drop(remove(&child.path())));
        let processes = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        for pid in processes.lines().filter_map(|line| line.parse().ok()) {
            // After a SIGKILL of this program nobody else ends these processes. (cgroup.kill, Linux
            // 5.14, ends all of them by one write.)
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    removed
}

fn write(file: &Path, value: &str, hint: &'static str) -> Result<()> {
    // One write(2), and without O_CREAT: a file that the kernel has not made must not be created.
    let written = File::options()
        .write(true)
        .open(file)
        .and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()));
    check(written, format!("write {value:?} to {}", file.display()), hint)
}

/// Traces the call, or adds a hint to its error. An errno of a cgroup file means something else
/// than that of an ordinary file, hence the hints.
fn check(result: io::Result<()>, call: String, hint: &'static str) -> Result<()> {
    let Err(error) = result else {
        report::trace(call);
        return Ok(());
    };
    let hint = match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        // The file belongs to somebody else.
        Errno::EACCES | Errno::EPERM => hint,
        Errno::EROFS => "hint: inside a container the tree is read-only: run that one with --privileged",
        // The "no internal processes" rule of cgroup-v2.rst: a cgroup that passes controllers on
        // holds no process.
        Errno::EBUSY => {
            "hint: only leaves hold processes, and others than us are in that cgroup: start this program\n      \
                         as the first of a scope of its own (systemd-run --user --scope -p Delegate=yes …)"
        }
        Errno::ENOENT => "hint: this kernel has no such file or controller",
        _ => return Err(error).context(call),
    };
    Err(error).context(hint).context(call)
}
