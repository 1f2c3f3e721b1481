//! One cgroup in each hierarchy, which the lab shows as the root of `/sys/fs/cgroup`.
//!
//! ```text
//! on the machine                                 in the lab
//! /sys/fs/cgroup/memory/…/lesson-lab-4711/       /sys/fs/cgroup/memory/        v1
//! /sys/fs/cgroup/lesson-lab-4711/                /sys/fs/cgroup/               v2
//! /sys/fs/cgroup/lesson-lab-4711/tests/          /sys/fs/cgroup/tests/         v2: the tests themselves
//! ```
//!
//! On v2 a cgroup that passes controllers on may hold no process, except for the root of the machine
//! (cgroup-v2.rst). So the tests move into a cgroup below the lab's root.

use std::fs;
use std::io::Result;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::PREFIX;

/// How many bytes of memory the lab may use: 6 GiB.
const MOST_MEMORY: &str = "6442450944";

/// What the lessons limit.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// The lab's cgroups. They have to be removed: a cgroup does not go with its last process.
pub(crate) struct Subtree(Vec<Place>);

struct Place {
    mount_point: PathBuf,
    directory: PathBuf,
    is_v2: bool,
}

impl Subtree {
    /// Makes the cgroups. A hierarchy in which root may not make any is left out, and is read-only in the lab.
    pub(crate) fn create() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let mut places = Vec::new();
        for line in mounts.lines() {
            let Some((mount, file_system)) = line.split_once(" - cgroup") else { continue };
            let mount: Vec<&str> = mount.split(' ').collect();
            let (root, mount_point) = (mount[3], PathBuf::from(mount[4]));
            let is_v2 = file_system.starts_with('2');
            let parent = match is_v2 {
                true => mount_point.clone(),
                false => below(&mount_point, root, &own, file_system.rsplit(' ').next().unwrap_or_default()),
            };
            remove_those_of_the_dead(&parent);
            let directory = parent.join(format!("{PREFIX}{}", std::process::id()));
            // One of a test program that was killed and had the same process id, as it happens in containers.
            if !places.iter().any(|place: &Place| is_same(&place.directory, &directory)) {
                remove(&directory);
            }
            if fs::create_dir(&directory).is_ok() {
                prepare(&parent, &directory, is_v2);
                places.push(Place { mount_point, directory, is_v2 });
            }
        }
        Ok(Self(places))
    }

    /// Moves this process in. The process can then make a cgroup namespace whose root is here.
    pub(crate) fn join(&self) -> Result<()> {
        self.0.iter().try_for_each(|place| fs::write(place.directory.join("cgroup.procs"), "0"))
    }

    /// On v2, moves this process further down and lets the lab's root pass controllers on.
    pub(crate) fn leave_the_root_empty(&self) -> Result<()> {
        for Place { directory, .. } in self.0.iter().filter(|place| place.is_v2) {
            let leaf = directory.join("tests");
            fs::create_dir(&leaf)?;
            fs::write(leaf.join("cgroup.procs"), "0")?;
            pass_on(directory);
        }
        Ok(())
    }

    /// Each cgroup, and where the lab shows it.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.0.iter().map(|place| (&*place.directory, &*place.mount_point))
    }

    /// Removes the cgroups, with those that tests have left in them.
    pub(crate) fn remove(&self) {
        self.0.iter().for_each(|place| remove(&place.directory));
    }
}

/// Whether two paths lead to one directory: a hierarchy can be mounted twice.
fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    id(one).is_some() && id(one) == id(other)
}

/// The directory of the caller's own cgroup in a hierarchy of v1, so that its limits hold for the lab too.
fn below(mount_point: &Path, root: &str, own: &str, options: &str) -> PathBuf {
    let is_this = |controllers: &str| {
        !controllers.is_empty() && controllers.split(',').all(|name| options.split(',').any(|o| o == name))
    };
    let path = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        fields.next().filter(|controllers| is_this(controllers)).and(fields.next())
    });
    // The mount may show a part of the hierarchy only.
    let relative = path.and_then(|path| Path::new(path).strip_prefix(root).ok());
    relative.map_or(mount_point.to_owned(), |relative| mount_point.join(relative))
}

/// Makes a new cgroup able to hold processes and to limit them.
fn prepare(parent: &Path, directory: &Path, is_v2: bool) {
    if is_v2 {
        pass_on(parent);
    }
    // A cgroup gets as much CPU time as one process beside it, and this one holds a whole test program.
    for (file, weight) in [("cpu.shares", "8192"), ("cpu.weight", "800")] {
        if directory.join(file).exists() {
            let _ = fs::write(directory.join(file), weight);
        }
    }
    // A lesson or a reader's function can start processes and take memory without end. The machine must stay usable.
    for (file, most) in
        [("pids.max", "4096"), ("memory.max", MOST_MEMORY), ("memory.limit_in_bytes", MOST_MEMORY)]
    {
        if directory.join(file).exists() {
            let _ = fs::write(directory.join(file), most);
        }
    }
    // v1: a cgroup whose processors or memory nodes are not set takes no process (cpusets.rst).
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(all) = fs::read(parent.join(file)) {
            let _ = fs::write(directory.join(file), all);
        }
    }
}

/// Lets the cgroups below have those controllers that exist here.
fn pass_on(directory: &Path) {
    for controller in CONTROLLERS {
        let _ = fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// The cgroups of test programs that were killed before they could remove them.
fn remove_those_of_the_dead(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if crate::is_of_the_dead(&entry.file_name()) {
            remove(&entry.path());
        }
    }
}

fn remove(directory: &Path) {
    // A process that was killed a moment ago may still be in it.
    for _ in 0..100 {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.filter(|entry| entry.path().is_dir()).for_each(|entry| remove(&entry.path()));
        if fs::remove_dir(directory).is_ok() || !directory.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
