//! A container's cgroup: its limits, its processes and its removal, on v1, hybrid and v2.
//!
//! ```text
//! layout   which hierarchies this machine has, from /proc/self/mountinfo
//! available  which limits they offer
//! v1       limits as v1 files
//! v2       limits as v2 files
//! devices  the device program of v2
//! device_rules  changing the device rules of a cgroup that exists
//! own      the caller's own cgroup on v2
//! delegation  giving a cgroup to the container's root
//! realtime CPU time of real-time processes on v1
//! stats    resource usage
//! change   changing limits, and setting them back
//! members  the processes in it, and its removal
//! files    reading and writing, with errors that name the file, the value and the reason
//! ```

mod available;
mod change;
mod delegation;
mod device_rules;
mod devices;
mod files;
mod layout;
mod members;
mod own;
mod realtime;
mod stats;
mod v1;
mod v2;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use crate::spec::{Memory, Resources};
use crate::systemd::{Placeholder, Unit};

pub use available::Available;
pub use change::{changed, differing, merge};
pub use files::Error;
pub(crate) use layout::own_v2;
pub use layout::{Hierarchy, Layout, detect};
pub use own::delegated;
pub use stats::{BlkioEntry, BlkioStats, CpuStats, Stats};

type Result<T, E = Error> = std::result::Result<T, E>;

/// How long the last process of a killed cgroup may take to end.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often making a cgroup is retried after systemd has removed its directories.
const CLEARINGS: u32 = 20;

/// One path in every hierarchy that a container uses.
#[derive(Debug, Clone)]
pub struct Cgroup {
    layout: Layout,
    path: String,
    unit: Option<Unit>,
    /// Cgroups below it that a process joins instead: the hierarchy's mount and the path below this cgroup.
    below: Vec<(PathBuf, String)>,
}

/// A cgroup below the container's, in the hierarchies of these controllers; without controllers, in all hierarchies
/// that have it.
#[derive(Debug, Clone)]
pub struct Below {
    pub controllers: Vec<String>,
    /// Relative to the container's cgroup.
    pub path: String,
}

impl Layout {
    /// The cgroup at `path`, which is relative to the hierarchies' roots. It is not created.
    pub fn cgroup(&self, path: &str) -> Cgroup {
        Cgroup { layout: self.clone(), path: path.trim_matches('/').to_owned(), unit: None, below: vec![] }
    }
}

impl Cgroup {
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The cgroup as a unit of systemd, which creates and removes it.
    pub fn of_unit(self, unit: Option<Unit>) -> Self {
        Self { unit, ..self }
    }

    /// Makes the cgroup with its limits, or leaves nothing. systemd keeps its cgroup while a process is in it: until then the
    /// returned placeholder does.
    pub fn create(&self, resources: &Resources) -> Result<Option<Placeholder>> {
        let started = self.unit.as_ref().map(|unit| unit.start(self.is_v2(), resources));
        let placeholder = started.transpose()?;
        let mut created = self.make(resources);
        // On v1 systemd removes the directories of an earlier unit with a delay, even if a new unit has its name by
        // then. Without systemd, another command may remove an empty parent just before the new cgroup is made in it.
        let (clearings, pause) = match &self.unit {
            Some(_) => (CLEARINGS, Duration::from_millis(5)),
            None => (3, Duration::ZERO),
        };
        for _ in 0..clearings {
            let (Err(Error::Write { errno: Errno::ENOENT, .. })
            | Err(Error::Call { errno: Errno::ENOENT, action: "create", .. })) = created
            else {
                break;
            };
            std::thread::sleep(pause);
            created = self.make(resources);
        }
        if let Err(error) = created {
            drop(placeholder);
            // The first error is the one to report.
            let _ = self.remove();
            return Err(error);
        }
        Ok(placeholder)
    }

    fn make(&self, resources: &Resources) -> Result<()> {
        match &self.layout {
            Layout::V2 { mount } => v2::create(mount, &self.path, resources),
            Layout::V1 { hierarchies, .. } => v1::create(hierarchies, &self.path, resources),
        }
    }

    /// Whether v2 has all controllers. On a hybrid machine v1 has them.
    pub fn is_v2(&self) -> bool {
        matches!(self.layout, Layout::V2 { .. })
    }

    /// Changes the limits of a cgroup that exists. `asked` has the limits to change, `whole` all limits that result: if
    /// a file of v2, or a property of systemd, combines two limits, the unchanged one is written again.
    pub fn update(&self, asked: &Resources, whole: &Resources) -> Result<()> {
        let limits_memory = asked.memory.as_ref().is_some_and(|memory| memory.limit.is_some());
        self.check_memory(whole.memory.as_ref().filter(|_| limits_memory))?;
        if let Some(unit) = &self.unit {
            unit.limit(self.is_v2(), whole)?;
        }
        match &self.layout {
            Layout::V2 { mount } => v2::update(mount, &self.path, asked, whole),
            Layout::V1 { hierarchies, .. } => {
                let added = v1::extend(hierarchies, &self.path, asked)?;
                v1::limit(hierarchies, &self.path, asked)?;
                added.iter().try_for_each(|directory| self.populate(directory))
            }
        }
    }

    /// An error if the cgroup exists and holds processes or is frozen: the container would limit, and at its end kill,
    /// other processes in it, or be frozen from the start.
    pub fn check_unused(&self) -> Result<()> {
        if !self.exists() {
            return Ok(());
        }
        let path = &self.path;
        Err(Error::Unusable(match self.pids().len() {
            0 if !self.is_frozen() => return Ok(()),
            0 => format!("container's cgroup unexpectedly frozen: /{path}"),
            count => format!("container's cgroup is not empty: {count} process(es) found in /{path}"),
        }))
    }

    /// This cgroup, for a process that joins the cgroups `below` it.
    pub fn joined(self, below: &[Below]) -> Result<Self> {
        let mut places = Vec::new();
        for Below { controllers, path } in below {
            let (mounts, before) = (self.mounts_of(controllers)?, places.len());
            if path.is_empty() {
                continue;
            }
            for mount in mounts {
                let directory = mount.join(&self.path).join(path);
                if directory.is_dir() {
                    places.push((mount, path.clone()));
                } else if !controllers.is_empty() {
                    return Err(missing(&directory));
                }
            }
            if places.len() == before {
                return Err(missing(&self.directories().next().unwrap_or_default().join(path)));
            }
        }
        Ok(Self { below: places, ..self })
    }

    fn mounts_of(&self, controllers: &[String]) -> Result<Vec<PathBuf>> {
        let Layout::V1 { hierarchies, .. } = &self.layout else { return Ok(self.mounts()) };
        if controllers.is_empty() {
            return Ok(self.mounts());
        }
        let find = |name: &String| match layout::find(hierarchies, name) {
            Some(hierarchy) => Ok(hierarchy.mount.clone()),
            None => Err(Error::Unusable(format!("unknown controller {name}"))),
        };
        controllers.iter().map(find).collect()
    }

    /// Its directory in the hierarchy that is mounted at this path.
    fn at(&self, mount: &Path) -> PathBuf {
        let own = mount.join(&self.path);
        match self.below.iter().find(|(other, _)| other == mount) {
            Some((_, below)) => own.join(below),
            None => own,
        }
    }

    /// `memory.checkBeforeUpdate`: a limit below what is in use would end processes on v2.
    fn check_memory(&self, memory: Option<&Memory>) -> Result<()> {
        let Some(memory) = memory else { return Ok(()) };
        let (Some(true), Some(limit @ 0..)) = (memory.check_before_update, memory.limit) else {
            return Ok(());
        };
        match self.memory_usage() {
            Some(used) if used > limit.unsigned_abs() => {
                Err(Error::Invalid(format!("rejecting memory limit {limit}: {used} bytes are in use")))
            }
            _ => Ok(()),
        }
    }

    /// For `CLONE_INTO_CGROUP`, which v2 alone has: on a hybrid machine the v2 hierarchy's.
    pub fn open_dir(&self) -> Option<OwnedFd> {
        use rustix::fs::{Mode, OFlags};
        let mount = match &self.layout {
            Layout::V2 { mount } => mount,
            Layout::V1 { hierarchies, .. } => &hierarchies.iter().find(|hierarchy| hierarchy.v2)?.mount,
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(self.at(mount), flags, Mode::empty()).ok()
    }

    /// The directory for another process of the container whose first process is `init`. A container that distributes
    /// controllers itself, as systemd does, has moved its processes into cgroups below its own, which then accepts no
    /// process (cgroup-v2.rst, "No Internal Process Constraint"). The new process gets the cgroup `leaf` there, which
    /// [`Self::remove_leaf`] removes. Without a leaf, or if the container allows no cgroup more, it joins `init`.
    ///
    /// In a delegated cgroup the process always gets the leaf. In the container's own cgroup it would prevent an init
    /// that has just started from distributing controllers.
    pub fn open_dir_for_exec(&self, init: i32, leaf: Option<&str>, is_delegated: bool) -> Option<OwnedFd> {
        use rustix::fs::{Mode, OFlags};
        let Layout::V2 { mount } = &self.layout else { return self.open_dir() };
        let own = self.at(mount);
        let passed_on = files::read(&own.join("cgroup.subtree_control")).unwrap_or_default();
        if passed_on.trim().is_empty() && !is_delegated {
            return self.open_dir();
        }
        let open = |directory: &Path| {
            rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .ok()
        };
        let made = leaf.map(|leaf| own.join(leaf)).filter(|leaf| std::fs::create_dir(leaf).is_ok());
        if let Some(directory) = made.and_then(|leaf| open(&leaf)) {
            return Some(directory);
        }
        let text = files::read(&PathBuf::from(format!("/proc/{init}/cgroup"))).unwrap_or_default();
        let path = text.lines().find_map(|line| line.strip_prefix("0::/")).map(|path| mount.join(path));
        open(&path.filter(|path| path.starts_with(&own)).unwrap_or(own))
    }

    /// Removes a leaf of [`Self::open_dir_for_exec`] if no process is in it. A process that the command has left behind keeps
    /// it; it is then removed with the container's cgroup.
    pub fn remove_leaf(&self, leaf: &str) {
        if let Layout::V2 { mount } = &self.layout {
            let _ = rustix::fs::rmdir(self.at(mount).join(leaf));
        }
    }

    /// Moves the calling process, which has one thread, into its v1 hierarchies. In v2 it was cloned ([`Self::open_dir`]).
    ///
    /// By `tasks` and 0, never by `cgroup.procs` and a pid: to move another process, or all threads of one, the kernel
    /// takes a lock that after a quiet moment waits for an RCU grace period, 4 to 21 ms. A thread that moves itself
    /// takes none (`cgroup_procs_write_start`, Linux 5.5).
    pub fn enter(&self) -> Result<()> {
        let Layout::V1 { hierarchies, .. } = &self.layout else { return Ok(()) };
        for hierarchy in hierarchies.iter().filter(|hierarchy| !hierarchy.v2) {
            match files::write(&self.at(&hierarchy.mount).join("tasks"), "0") {
                // The hierarchy was mounted after the container was made.
                Err(files::Error::Write { errno: Errno::ENOENT, .. }) => {}
                entered => entered?,
            }
        }
        Ok(())
    }

    /// Moves another process into it, in every hierarchy. This is slower than [`Self::enter`], and needed for a program that
    /// cannot move itself.
    pub(crate) fn admit(&self, pid: i32) -> Result<()> {
        for directory in self.directories() {
            match files::write(&directory.join("cgroup.procs"), &pid.to_string()) {
                // The hierarchy was mounted after the container was made.
                Err(files::Error::Write { errno: Errno::ENOENT, .. }) => {}
                admitted => admitted?,
            }
        }
        Ok(())
    }

    /// The directory where it is frozen.
    pub(crate) fn freezer(&self) -> Option<PathBuf> {
        match &self.layout {
            Layout::V2 { mount } => Some(mount.join(&self.path)),
            Layout::V1 { hierarchies, .. } => {
                layout::find(hierarchies, "freezer").map(|freezer| freezer.mount.join(&self.path))
            }
        }
    }

    /// Its directory in a v1 hierarchy. `None` if it has no directory of its own there.
    pub(crate) fn directory_in(&self, hierarchy: &Hierarchy) -> Option<PathBuf> {
        let directory = hierarchy.mount.join(&self.path);
        (!hierarchy.v2 && !self.path.is_empty() && directory.is_dir()).then_some(directory)
    }

    pub fn exists(&self) -> bool {
        self.directories().any(|directory| directory.is_dir())
    }

    /// Whether [`Self::freeze`] is in effect.
    pub fn is_frozen(&self) -> bool {
        match &self.layout {
            Layout::V2 { mount } => files::read(&mount.join(&self.path).join("cgroup.freeze"))
                .is_ok_and(|text| text.trim() == "1"),
            Layout::V1 { hierarchies, .. } => layout::find(hierarchies, "freezer").is_some_and(|freezer| {
                files::read(&freezer.mount.join(&self.path).join("freezer.state"))
                    .is_ok_and(|text| text.trim() != "THAWED")
            }),
        }
    }

    /// Freezes every process in it until [`Self::thaw`].
    pub fn freeze(&self) -> Result<()> {
        self.set_frozen(true)
    }

    pub fn thaw(&self) -> Result<()> {
        self.set_frozen(false)
    }

    fn set_frozen(&self, frozen: bool) -> Result<()> {
        match &self.layout {
            Layout::V2 { mount } => {
                let directory = mount.join(&self.path);
                files::write(&directory.join("cgroup.freeze"), if frozen { "1" } else { "0" })?;
                let wanted = if frozen { "frozen 1" } else { "frozen 0" };
                wait_until(|| {
                    files::read(&directory.join("cgroup.events")).is_ok_and(|text| text.contains(wanted))
                });
            }
            Layout::V1 { hierarchies, .. } => {
                let freezer = layout::find(hierarchies, "freezer").ok_or(Error::NoController("freezer"))?;
                let file = freezer.mount.join(&self.path).join("freezer.state");
                let wanted = if frozen { "FROZEN" } else { "THAWED" };
                files::write(&file, wanted)?;
                // If a process forks while the freezer walks the list, the state stays FREEZING, so this reads it until
                // it is FROZEN.
                wait_until(|| {
                    let state = files::read(&file).unwrap_or_default();
                    state.trim() == wanted || files::write(&file, wanted).is_err()
                });
            }
        }
        Ok(())
    }

    /// How many processes the kernel killed because the cgroup's memory was used up.
    pub fn oom_kills(&self) -> Option<u64> {
        let file = match &self.layout {
            Layout::V2 { mount } => mount.join(&self.path).join("memory.events"),
            Layout::V1 { hierarchies, .. } => {
                layout::find(hierarchies, "memory")?.mount.join(&self.path).join("memory.oom_control")
            }
        };
        let text = files::read(&file).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
    }

    fn directories(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.mounts().into_iter().map(|mount| self.at(&mount))
    }

    fn mounts(&self) -> Vec<PathBuf> {
        match &self.layout {
            Layout::V2 { mount } => vec![mount.clone()],
            Layout::V1 { hierarchies, .. } => {
                hierarchies.iter().map(|hierarchy| hierarchy.mount.clone()).collect()
            }
        }
    }
}

/// The message is runc's, because scripts look for it while they wait for a cgroup.
fn missing(directory: &Path) -> Error {
    let pid = std::process::id();
    Error::Unusable(format!(
        "adding pid {pid} to cgroups: {}/cgroup.procs: no such file or directory",
        directory.display()
    ))
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !done() && started.elapsed() < TIMEOUT {
        std::thread::sleep(Duration::from_millis(1));
    }
}
