//! Which cgroup hierarchies this machine has, from mountinfo (proc(5)).

use std::path::{Path, PathBuf};

use super::Result;
use super::files;

/// v2 alone, or v1 hierarchies, possibly with v2 as well (hybrid).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    V2 { mount: PathBuf },
    V1 { hierarchies: Vec<Hierarchy>, hybrid: bool },
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its directory's name: `memory`, `cpu,cpuacct`, `systemd`, `unified`.
    pub name: String,
    pub mount: PathBuf,
    pub controllers: Vec<String>,
    pub v2: bool,
    /// The mount option that selects this hierarchy: `memory`, `name=systemd`, empty for v2.
    pub mount_data: String,
}

impl Hierarchy {
    pub(super) fn has_any(&self, names: &[&str]) -> bool {
        self.controllers.iter().any(|controller| names.contains(&controller.as_str()))
    }

    /// The directory of the calling process's cgroup in this hierarchy.
    pub(crate) fn own_directory(&self) -> PathBuf {
        own_directory(&self.mount, if self.v2 { "" } else { &self.mount_data })
    }

    pub(crate) fn file_system(&self) -> &'static str {
        if self.v2 { "cgroup2" } else { "cgroup" }
    }
}

impl Layout {
    /// `1` or `2`, as in docker's `info`.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::V2 { .. } => "2",
            Self::V1 { .. } => "1",
        }
    }
}

/// The directory of the calling process's cgroup, when only v2 is mounted.
pub(crate) fn own_v2(mount: &Path) -> PathBuf {
    own_directory(mount, "")
}

/// `controllers` as in `/proc/self/cgroup`: `4:memory:/a/b`, `1:name=systemd:/a`, `0::/a` (cgroups(7)).
fn own_directory(mount: &Path, controllers: &str) -> PathBuf {
    let text = files::read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let path = text.lines().find_map(|line| {
        let (named, path) = line.split_once(':')?.1.split_once(':')?;
        (named == controllers).then(|| mount.join(path.trim_start_matches('/')))
    });
    // The mount may show only a part of the hierarchy, in a container that shares the host's mounts.
    path.filter(|path| path.is_dir()).unwrap_or_else(|| mount.to_owned())
}

pub(super) fn find<'a>(hierarchies: &'a [Hierarchy], controller: &str) -> Option<&'a Hierarchy> {
    hierarchies.iter().find(|hierarchy| hierarchy.controllers.iter().any(|name| name == controller))
}

/// Reads the mounts, which takes a few microseconds. The result is not kept, because it differs in another mount namespace.
pub fn detect() -> Result<Layout> {
    let text = files::read(Path::new("/proc/self/mountinfo"))?;
    parse(&text).ok_or(files::Error::NoCgroups)
}

fn parse(mountinfo: &str) -> Option<Layout> {
    let mut hierarchies: Vec<Hierarchy> = Vec::new();
    for found in mountinfo.lines().filter_map(hierarchy) {
        // A hierarchy may be mounted more than once, for example below the root of a container that shares the host's /sys.
        if !hierarchies.iter().any(|known| known.v2 == found.v2 && known.mount_data == found.mount_data) {
            hierarchies.push(found);
        }
    }
    match hierarchies.iter().any(|hierarchy| !hierarchy.v2) {
        true => {
            let hybrid = hierarchies.iter().any(|hierarchy| hierarchy.v2);
            Some(Layout::V1 { hierarchies, hybrid })
        }
        false => hierarchies.pop().map(|hierarchy| Layout::V2 { mount: hierarchy.mount }),
    }
}

/// `36 35 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory`
fn hierarchy(line: &str) -> Option<Hierarchy> {
    let (left, right) = line.split_once(" - ")?;
    let mount = PathBuf::from(left.split(' ').nth(4)?);
    let mut fields = right.split(' ');
    let kind = fields.next()?;
    let options = fields.nth(1)?;
    let name = mount.file_name()?.to_str()?.to_owned();
    if kind == "cgroup2" {
        return Some(Hierarchy { name, mount, controllers: vec![], v2: true, mount_data: String::new() });
    }
    let own = |option: &&str| !matches!(*option, "rw" | "ro" | "xattr" | "noprefix" | "clone_children");
    let own: Vec<&str> =
        options.split(',').filter(own).filter(|o| !o.starts_with("release_agent=")).collect();
    (kind == "cgroup").then(|| Hierarchy {
        name,
        mount,
        controllers: own.iter().map(|option| option.to_string()).collect(),
        v2: false,
        mount_data: own.join(","),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v1_v2_and_hybrid_are_told_apart() {
        let v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(parse(v2), Some(Layout::V2 { mount: "/sys/fs/cgroup".into() }));
        let hybrid = "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      32 23 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
                      33 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let Some(Layout::V1 { hierarchies, hybrid: true }) = parse(hybrid) else { panic!("not hybrid") };
        assert_eq!(find(&hierarchies, "memory").unwrap().mount_data, "memory");
        assert_eq!(hierarchies[1].mount_data, "name=systemd");
        assert!(!hierarchies[1].v2 && hierarchies[2].v2);
        let again = format!("{hybrid}40 39 0:27 / /root/sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
        assert_eq!(parse(&again), parse(hybrid), "the first of each counts");
        assert_eq!(parse("20 1 8:1 / / rw - ext4 /dev/sda rw\n"), None);
    }
}
