use super::{Blank, Step};

pub const STEP: Step = Step {
    name: "03-cgroups",
    blanks: &[
        Blank {
            task: 1,
            file: "cgroups.rs",
            item: "find_v2",
            hint: [
                "Find the line of `mounts` that contains ` - cgroup2 `. Its fifth word is the directory where the tree is mounted.",
                "Return it only if its file cgroup.controllers has the word `memory`. On hybrid machines it does not have this word.",
            ],
            minutes: 10,
            chapter: "v1.md#see-it-with-the-shell",
            empty: "None",
        },
        Blank {
            task: 2,
            file: "cgroups.rs",
            item: "limit_files",
            hint: [
                "Return a pair of path and text for each limit that is Some: memory.max, cpu.max and pids.max in `directory`.",
                "cpu.max takes two numbers, the quota and the period in microseconds. The quota is cpus * PERIOD.",
            ],
            minutes: 10,
            chapter: "limits.md#a-cgroup-is-a-directory",
            empty: "Vec::new()",
        },
        Blank {
            task: 3,
            file: "cgroups.rs",
            item: "pass_on",
            hint: [
                "Read the parent's cgroup.subtree_control. If it has every name of controllers(limits), return (None, None).",
                "Otherwise return the text `+name +name` for that file. The leaf is `outside`, but only if the parent has a cgroup.type.",
            ],
            minutes: 15,
            chapter: "limits.md#a-cgroup-is-a-directory",
            empty: "(None, None)",
        },
        Blank {
            task: 4,
            file: "cgroups.rs",
            item: "plan",
            hint: [
                "The parent is `mount` for root, and mount.join(own_path()?) for others. The directory is `name` in the parent.",
                "Settings: first what pass_on returns, then limit_files. With a memory limit, `optional` sets memory.swap.max to 0.",
            ],
            minutes: 15,
            chapter: "oom.md#delegation",
            empty: "Err(anyhow::Error::msg(\"nothing is planned\"))",
        },
        Blank {
            task: 5,
            file: "cgroups_v1.rs",
            item: "limit_files",
            hint: [
                "Return only the files of the given controller: memory.limit_in_bytes; cpu.cfs_period_us and cpu.cfs_quota_us; pids.max.",
                "The period (PERIOD) comes before the quota, because the quota is a share of the period.",
            ],
            minutes: 10,
            chapter: "v1.md#the-same-limits-in-both-versions",
            empty: "Vec::new()",
        },
        Blank {
            task: 6,
            file: "cgroups.rs",
            item: "join",
            hint: [
                "Write \"0\" to each of the files, with the function `write` of this file. Its third argument is a hint for errors.",
                "0 means the process that writes. The first error ends the function: use `?` or try_for_each.",
            ],
            minutes: 3,
            chapter: "limits.md#a-cgroup-is-a-directory",
            empty: "Ok(())",
        },
        Blank {
            task: 7,
            file: "cgroups.rs",
            item: "hide_tree",
            hint: [
                "One call: nix::sched::unshare with CLONE_NEWCGROUP. Add a context that names the call to its error.",
                "The caller has joined its cgroup already, so this cgroup becomes the root of the new namespace.",
            ],
            minutes: 5,
            chapter: "limits.md#the-root-of-the-tree-seen-from-inside",
            empty: "Ok(())",
        },
        Blank {
            task: 8,
            file: "cgroups.rs",
            item: "oom_kills",
            hint: [
                "Find the line that begins with `oom_kill ` (with the space), and parse the number after it.",
                "Without such a line the answer is 0. The lines `oom`, `max` and `oom_kill_disable` count something else.",
            ],
            minutes: 5,
            chapter: "oom.md#see-it-with-the-shell",
            empty: "0",
        },
    ],
};
