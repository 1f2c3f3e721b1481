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
//! by hand. These files do not store text. Reading one asks the kernel a question; writing one gives
//! the kernel an order, which can fail like a system call.

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

/// The limits that the user asked for. Without any limit, no cgroup is created.
pub struct Limits {
    /// In bytes.
    pub memory: Option<u64>,
    /// 1.5 means one and a half CPUs.
    pub cpus: Option<f64>,
    pub pids: Option<u64>,
}

/// A file of a cgroup, and the text to write to it.
pub type Setting = (PathBuf, String);

/// Everything that will be created and written, decided before the first change. v1 and v2 have
/// different files, but the procedure is the same: each version describes its work as a plan, and
/// [`create`] carries the plan out.
pub struct Plan {
    /// The cgroup that this process itself moves into, so that its parent cgroup may pass
    /// controllers on. It stays, empty, until systemd removes the scope around it.
    pub leaf: Option<PathBuf>,
    /// The cgroups to create.
    pub directories: Vec<PathBuf>,
    /// Written in this order.
    pub settings: Vec<Setting>,
    /// Written after the others, and only if the file exists: some kernels do not have it.
    pub optional: Vec<Setting>,
    /// A process joins the cgroup by writing 0 to each of these files.
    pub procs_files: Vec<PathBuf>,
    /// The file with the line `oom_kill N`.
    pub oom_counter: Option<PathBuf>,
    /// The hint for a user who lacks the permission.
    pub hint: &'static str,
}

/// A cgroup that exists. Dropping this value removes the cgroup.
pub struct Cgroup {
    plan: Plan,
    /// The memory limit, in bytes.
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
    // The trees are usually below /sys/fs/cgroup, but not on every machine, so the mount table
    // says where they are.
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

/// Where the v2 tree is mounted, if it has the controllers. A hybrid machine has a v2 tree without
/// them: a controller belongs either to the v2 tree or to a v1 tree, and systemd decides which when
/// the machine starts.
pub fn find_v2(mounts: &str) -> Option<PathBuf> {
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    // The fifth field of a line in mountinfo is the mount point (proc(5)).
    let mount = PathBuf::from(line.split(' ').nth(4)?);
    let controllers = fs::read_to_string(mount.join("cgroup.controllers")).ok()?;
    controllers.split_whitespace().any(|name| name == "memory").then_some(mount)
}

/// The plan for v2, where the tree is mounted at `mount`: one directory with every limit in it.
pub fn plan(mount: &Path, limits: &Limits, name: &str) -> Result<Plan> {
    // Root creates the cgroup at the top of the tree. An unprivileged user may own the cgroup that
    // they are in, and may then create others in it (delegation, see cgroup-v2.rst). The limits
    // above still hold for all of these together.
    let parent = if nix::unistd::geteuid().is_root() { mount.to_owned() } else { mount.join(own_path()?) };
    let directory = parent.join(name);
    let (leaf, pass_on) = pass_on(&parent, limits);
    // Without a limit on swap, the memory beyond memory.max would go to swap. A kernel without swap
    // does not have this file.
    let swap = limits.memory.map(|_| (directory.join("memory.swap.max"), "0".to_owned()));
    Ok(Plan {
        leaf,
        settings: pass_on.into_iter().chain(limit_files(&directory, limits)).collect(),
        optional: swap.into_iter().collect(),
        procs_files: vec![directory.join("cgroup.procs")],
        oom_counter: limits.memory.map(|_| directory.join("memory.events")),
        directories: vec![directory],
        hint: "hint: this part of the tree is not delegated to you. Ask for one that is:\n      \
               systemd-run --user --scope -p Delegate=yes THIS-PROGRAM run …",
    })
}

/// The controllers that these limits need. Other controllers are left alone, because each
/// controller costs a little time in every cgroup that has it.
pub fn controllers(limits: &Limits) -> Vec<&'static str> {
    let asked = [
        ("memory", limits.memory.is_some()),
        ("cpu", limits.cpus.is_some()),
        ("pids", limits.pids.is_some()),
    ];
    asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| name).collect()
}

/// How `parent` passes the needed controllers on to the cgroups in it: what to write to its
/// cgroup.subtree_control, and the leaf that this process has to move into first.
pub fn pass_on(parent: &Path, limits: &Limits) -> (Option<PathBuf>, Option<Setting>) {
    let file = parent.join("cgroup.subtree_control");
    let wanted = controllers(limits);
    let passed_on = fs::read_to_string(&file).unwrap_or_default();
    if wanted.iter().all(|wanted| passed_on.split_whitespace().any(|name| name == *wanted)) {
        return (None, None);
    }
    // A cgroup that passes controllers on may hold no process, so this process moves out of the
    // parent into a leaf. The root of the tree is the exception. Only the root has no cgroup.type.
    let is_root = !parent.join("cgroup.type").exists();
    let leaf = (!is_root).then(|| parent.join("outside"));
    let text = wanted.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(" ");
    (leaf, Some((file, text)))
}

/// The limits themselves: a file for each in the cgroup's directory.
pub fn limit_files(directory: &Path, limits: &Limits) -> Vec<Setting> {
    let mut files = Vec::new();
    if let Some(bytes) = limits.memory {
        // The page cache counts too. At the limit the kernel first drops cached file pages; it kills
        // only if that is not enough.
        files.push((directory.join("memory.max"), bytes.to_string()));
    }
    if let Some(cpus) = limits.cpus {
        // Quota and period, in microseconds.
        let quota = (cpus * PERIOD as f64) as u64;
        files.push((directory.join("cpu.max"), format!("{quota} {PERIOD}")));
    }
    if let Some(count) = limits.pids {
        // Threads count too: to the kernel each is a task. Beyond the limit fork(2) fails with
        // EAGAIN.
        files.push((directory.join("pids.max"), count.to_string()));
    }
    files
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

/// What the child does before anything else: memory that a process has allocated before it joins
/// stays charged to its earlier cgroup.
pub fn join_and_hide(files: &[String]) -> Result<()> {
    join(files)?;
    hide_tree()
}

/// Joins the cgroup. 0 means "the process that writes". The parent could write the child's pid instead,
/// while the child waits at the sync pipe. But on v1 the kernel moves another process much more
/// slowly (cgroups_v1.rs).
pub fn join(files: &[String]) -> Result<()> {
    files.iter().try_for_each(|file| write(Path::new(file), "0", "hint: is the cgroup still there?"))
}

/// Makes a cgroup namespace. Its root is the cgroup that this process is in at this moment, so it is
/// made after joining, and not by a flag of the clone. From here on /proc/self/cgroup says "/", and a
/// cgroup file system that is mounted in the container shows only the container's own part of the
/// tree.
pub fn hide_tree() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWCGROUP).context("unshare(CLONE_NEWCGROUP)")?;
    report::trace("unshare(CLONE_NEWCGROUP)   my cgroup is \"/\" for me");
    Ok(())
}

impl Cgroup {
    /// The files to hand to [`join`].
    pub fn procs_files(&self) -> &[PathBuf] {
        &self.plan.procs_files
    }

    /// Tells the user whether the kernel killed a process because of the memory limit. Such a
    /// process dies of SIGKILL, which anybody could have sent; only this counter shows the cause.
    /// The kernel removes the counter with the cgroup, so read it before the removal.
    pub fn report_oom(&self) {
        let (Some(file), Some(bytes)) = (&self.plan.oom_counter, self.memory) else { return };
        let kills = oom_kills(&fs::read_to_string(file).unwrap_or_default());
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

/// The number of processes that the kernel has killed in the cgroup for lack of memory, from the
/// text of memory.events (v2) or memory.oom_control (v1). The line `max` of memory.events counts
/// how often the limit was reached, even without a kill.
pub fn oom_kills(text: &str) -> u64 {
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    count.unwrap_or(0)
}

/// Removes a cgroup by rmdir(2). The files in the directory belong to the kernel and go with it.
/// While there are processes in the cgroup, or cgroups below it, rmdir fails with EBUSY, and the
/// supervisor tries again.
fn remove(directory: &Path) -> io::Result<()> {
    let removed = fs::remove_dir(directory);
    if removed.is_err() {
        // A cgroup with others below it cannot be removed, so those go first. Programs in the
        // container may have created some: systemd makes one for each service.
        let children = fs::read_dir(directory).into_iter().flatten().flatten();
        children.filter(|child| child.path().is_dir()).for_each(|child| drop(remove(&child.path())));
        let processes = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        for pid in processes.lines().filter_map(|line| line.parse().ok()) {
            // After a SIGKILL of this program nobody else ends these processes. (On v2 one write
            // to cgroup.kill, since Linux 5.14, ends all of them.)
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

/// Traces the call, or adds a hint to its error, because an errno of a cgroup file does not mean
/// the same as that errno of an ordinary file.
fn check(result: io::Result<()>, call: String, hint: &'static str) -> Result<()> {
    let Err(error) = result else {
        report::trace(call);
        return Ok(());
    };
    let hint = match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        // The file belongs to another user.
        Errno::EACCES | Errno::EPERM => hint,
        Errno::EROFS => {
            "hint: inside a container the tree is read-only: run the outer container with --privileged"
        }
        // The "no internal processes" rule of cgroup-v2.rst: a cgroup that passes controllers on
        // holds no process.
        Errno::EBUSY => {
            "hint: other processes are in that cgroup, and a cgroup that passes controllers on may hold none:\n      \
                         start this program in a scope of its own (systemd-run --user --scope -p Delegate=yes …)"
        }
        Errno::ENOENT => "hint: this kernel has no such file or controller",
        _ => return Err(error).context(call),
    };
    Err(error).context(hint).context(call)
}
