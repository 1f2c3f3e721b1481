//! Where the kernel keeps a process's limits: the same question on v1, hybrid and v2 (cgroups(7)).

use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_move, unmount};

/// One mounted hierarchy.
#[derive(Debug, Clone)]
pub struct Hierarchy {
    pub mount_point: PathBuf,
    pub v2: bool,
    /// v1: the controllers, from the super block's options.
    options: Vec<String>,
}

/// Every cgroup hierarchy that is mounted, from proc_pid_mountinfo(5).
pub fn hierarchies() -> Vec<Hierarchy> {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").expect("/proc is mounted");
    let parse = |line: &str| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut file_system = file_system.split(' ');
        let kind = file_system.next()?;
        let options = file_system.nth(1)?.split(',').map(str::to_owned).collect();
        kind.starts_with("cgroup").then(|| Hierarchy {
            mount_point: mount.split(' ').nth(4).expect("field 5 is the mount point").into(),
            v2: kind == "cgroup2",
            options,
        })
    };
    table.lines().filter_map(parse).collect()
}

/// Where the hierarchies of v1 and of hybrid layouts are mounted, each in a directory of a tmpfs.
const PARENT: &str = "/sys/fs/cgroup";

/// Mounts the hierarchies in a tmpfs that belongs to the calling mount namespace, built in the empty directory
/// `dir`.
///
/// The machine's tmpfs can contain plain directories: an engine that finds a hierarchy not mounted creates its
/// cgroups as such, and they stay. Other programs, systemd's setup in a test among them, take every directory there
/// for a hierarchy. With its own tmpfs a test neither sees such directories nor leaves any.
pub fn mount_private_parent(dir: &Path) -> std::io::Result<()> {
    let parent = Path::new(PARENT);
    let hierarchies: Vec<_> = hierarchies().into_iter().map(|hierarchy| hierarchy.mount_point).collect();
    // With v2 only, the hierarchy itself is mounted there.
    if hierarchies.is_empty() || hierarchies.iter().any(|hierarchy| hierarchy.parent() != Some(parent)) {
        return Ok(());
    }
    mount("tmpfs", dir, "tmpfs", MountFlags::empty(), c"mode=755")?;
    for hierarchy in &hierarchies {
        let target = dir.join(hierarchy.file_name().expect("it is below the parent"));
        fs::create_dir(&target)?;
        mount_bind(hierarchy, &target)?;
    }
    // systemd mounts cpu and cpuacct together, with a link for each name.
    for entry in fs::read_dir(parent)?.flatten() {
        if let Ok(target) = fs::read_link(entry.path()) {
            std::os::unix::fs::symlink(target, dir.join(entry.file_name()))?;
        }
    }
    unmount(parent, UnmountFlags::DETACH)?;
    mount_move(dir, parent)?;
    Ok(())
}

/// Whether `controller` is served by cgroup v2 here.
pub fn is_v2(controller: &str) -> bool {
    !hierarchies().iter().any(|h| !h.v2 && h.options.iter().any(|o| o == controller))
}

/// The directory that holds `pid`'s limits for `controller`, by its v1 name.
pub fn directory(pid: i32, controller: &str) -> PathBuf {
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("the process is there");
    let v2 = is_v2(controller);
    let path = own
        .lines()
        .find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            let this = if v2 { id == "0" } else { controllers.split(',').any(|c| c == controller) };
            this.then(|| path.trim_start_matches('/').to_owned())
        })
        .unwrap_or_else(|| panic!("{pid} has no {controller} cgroup:\n{own}"));
    let hierarchy = hierarchies()
        .into_iter()
        .find(|h| h.v2 == v2 && (v2 || h.options.iter().any(|o| o == controller)))
        .expect("a hierarchy that a process is in is mounted");
    hierarchy.mount_point.join(path)
}

/// Whether the cgroup of `pid`, or one above it, is frozen, and not only about to be.
pub fn is_frozen(pid: i32) -> bool {
    let directory = directory(pid, "freezer");
    match is_v2("freezer") {
        true => keyed(&directory.join("cgroup.events"), "frozen") == Some(1),
        false => {
            fs::read_to_string(directory.join("freezer.state")).is_ok_and(|state| state.trim() == "FROZEN")
        }
    }
}

/// The value of `key` in a flat keyed file such as `cpu.stat`.
pub fn keyed(file: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
}

/// Every directory below `parent` on every hierarchy, deepest first; `parent` itself is not among them.
pub fn below(parent: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for hierarchy in hierarchies() {
        walk(&hierarchy.mount_point.join(parent.trim_start_matches('/')), &mut found);
    }
    found
}

/// `parent` on every hierarchy that has it.
pub fn directories_of(parent: &str) -> Vec<PathBuf> {
    let all = hierarchies().into_iter().map(|h| h.mount_point.join(parent.trim_start_matches('/')));
    all.filter(|dir| dir.is_dir()).collect()
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            walk(&entry.path(), found);
            found.push(entry.path());
        }
    }
}
