//! Which limits the cgroups of this machine offer to this process.

use super::files;
use super::layout::{Layout, find, own_v2};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Available {
    pub memory: bool,
    pub swap: bool,
    /// Whether the killing of processes that run out of memory can be switched off.
    pub oom_kill_disable: bool,
    pub cpu: bool,
    pub cpuset: bool,
    pub pids: bool,
}

impl Layout {
    /// The controllers that are mounted; on v2, those of the process's own cgroup.
    pub fn available(&self) -> Available {
        match self {
            Self::V1 { hierarchies, .. } => {
                let has = |controller| find(hierarchies, controller).is_some();
                let memory = find(hierarchies, "memory").map(super::Hierarchy::own_directory);
                let has_file = |name| memory.as_ref().is_some_and(|directory| directory.join(name).exists());
                Available {
                    memory: memory.is_some(),
                    swap: has_file("memory.memsw.limit_in_bytes"),
                    oom_kill_disable: has_file("memory.oom_control"),
                    cpu: has("cpu"),
                    cpuset: has("cpuset"),
                    pids: has("pids"),
                }
            }
            Self::V2 { mount } => {
                let own = own_v2(mount);
                let controllers = files::read(&own.join("cgroup.controllers")).unwrap_or_default();
                let has = |controller: &str| controllers.split_whitespace().any(|one| one == controller);
                Available {
                    memory: has("memory"),
                    // The root cgroup has no such file, and a kernel without swap accounting has it nowhere.
                    swap: has("memory") && (own == *mount || own.join("memory.swap.max").exists()),
                    oom_kill_disable: false,
                    cpu: has("cpu"),
                    cpuset: has("cpuset"),
                    pids: has("pids"),
                }
            }
        }
    }
}
