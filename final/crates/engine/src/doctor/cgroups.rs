//! Control groups: which hierarchies are mounted, and which controllers they have.

use std::path::Path;

use hull_runtime::cgroups::{Layout, delegated};
use hull_sys::bpf::{Instruction, load_device_program};

use super::{Attempt, Check, Need, Tried};
use crate::engine::cgroup_layout;

const DELEGATE: &str = "a kernel that is built with it; on cgroup v2 its name in cgroup.subtree_control of the cgroups above, too";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "hierarchy",
        need: Need::Everybody,
        purpose: "every container: what belongs to it, and its end",
        fix: "mount -t cgroup2 none /sys/fs/cgroup, which systemd and OpenRC do",
        attempt: Attempt::Plain(|_| cgroup_layout().map(drop).map_err(|error| error.to_string())),
    },
    controller("memory", "--memory, limits.memory", "cgroup_enable=memory on the kernel's command line"),
    controller("swap", "--memory-swap, limits.memory.swap", "swapaccount=1 on the kernel's command line"),
    controller("cpu", "--cpus, --cpu-shares, limits.cpu.allowance", DELEGATE),
    controller("cpuset", "--cpuset-cpus, limits.cpu", DELEGATE),
    controller("pids", "--pids-limit, limits.processes", DELEGATE),
    controller("io", "--device-read-bps, limits.read and limits.write of disks", DELEGATE),
    controller("freezer", "hull pause", DELEGATE),
    controller("devices", "which devices a container can open", DELEGATE),
    controller("hugetlb", "limits.hugepages", "a kernel that is built with CONFIG_CGROUP_HUGETLB"),
    Check {
        name: "name=systemd",
        need: Need::Nobody,
        purpose: "systemd as the init of a container, on cgroup v1",
        fix: "mkdir /sys/fs/cgroup/systemd && mount -t cgroup -o none,name=systemd none /sys/fs/cgroup/systemd",
        attempt: Attempt::Plain(|_| match cgroup_layout().map_err(|error| error.to_string())? {
            Layout::V2 { .. } => Ok(()),
            Layout::V1 { hierarchies, .. } => {
                let is_there = hierarchies.iter().any(|one| one.mount_data == "name=systemd");
                is_there.then_some(()).ok_or_else(|| "no hierarchy has this name".into())
            }
        }),
    },
    Check {
        name: "delegation",
        need: Need::Nobody,
        purpose: "limits and pause of containers of unprivileged users",
        fix: "cgroup v2, and a login by systemd: loginctl enable-linger, and Delegate=yes for user@.service",
        attempt: Attempt::Plain(|_| {
            // root may write to every cgroup.
            if crate::rootless::is_root() {
                return Ok(());
            }
            let layout = cgroup_layout().map_err(|error| error.to_string())?;
            delegated(&layout).map(drop).ok_or_else(|| "the cgroup of your processes is not yours".into())
        }),
    },
];

const fn controller(name: &'static str, purpose: &'static str, fix: &'static str) -> Check {
    Check { name, need: Need::Nobody, purpose, fix, attempt: Attempt::Named(has_controller) }
}

fn has_controller(name: &str) -> Tried {
    let layout = cgroup_layout().map_err(|error| error.to_string())?;
    let has = match &layout {
        _ if name == "swap" => layout.available().swap,
        Layout::V1 { hierarchies, .. } => {
            let name = if name == "io" { "blkio" } else { name };
            let is_of_v1 = hierarchies.iter().any(|one| one.controllers.iter().any(|own| own == name));
            // Beside hierarchies of v1, the one of v2 is used for this controller alone.
            is_of_v1
                || name == "hugetlb" && hierarchies.iter().any(|one| one.v2 && is_of_v2(&one.mount, name))
        }
        // On v2 neither is a controller: every cgroup can be frozen, and a BPF program guards devices.
        Layout::V2 { .. } if name == "freezer" => true,
        Layout::V2 { .. } if name == "devices" => return guards_devices(),
        Layout::V2 { mount } => is_of_v2(mount, name),
    };
    has.then_some(())
        .ok_or_else(|| format!("the cgroups of this machine (v{}) do not have it", layout.describe()))
}

fn is_of_v2(mount: &Path, name: &str) -> bool {
    let controllers = hull_sys::fs::read_kernel_text(mount.join("cgroup.controllers")).unwrap_or_default();
    controllers.split_whitespace().any(|controller| controller == name)
}

/// Loads a program that allows every device: `r0 = 1; exit`. It is attached to nothing.
fn guards_devices() -> Tried {
    let instruction = |code, immediate| Instruction { code, registers: 0, offset: 0, immediate };
    let program = [instruction(0xb7, 1), instruction(0x95, 0)];
    load_device_program(&program).map(drop).map_err(super::reason::text)
}
