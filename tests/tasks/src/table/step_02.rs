use super::{Blank, Step};

pub const STEP: Step = Step {
    name: "02-pid-mount",
    blanks: &[
        Blank {
            task: 1,
            file: "main.rs",
            item: "flags",
            hint: [
                "Step 1 has CLONE_NEWUTS. Processes need CLONE_NEWPID, mounts CLONE_NEWNS, messages CLONE_NEWIPC.",
                "Everybody but root also needs CLONE_NEWUSER: idmap::is_needed() says whether the caller does.",
            ],
            minutes: 3,
            chapter: "pid.md#what-a-pid-namespace-is",
            empty: "CloneFlags::empty()",
        },
        Blank {
            task: 2,
            file: "rootfs.rs",
            item: "detach",
            hint: [
                "Call mount on \"/\" with the flags MS_REC and MS_PRIVATE. The other arguments are None.",
                "MS_REC matters: each mount below \"/\" has a propagation type of its own.",
            ],
            minutes: 5,
            chapter: "mounts.md#what-a-mount-namespace-is",
            empty: "Ok(())",
        },
        Blank {
            task: 3,
            file: "rootfs.rs",
            item: "make_read_only",
            hint: [
                "Fill a libc::mount_attr with attr_set MOUNT_ATTR_RDONLY. Call SYS_mount_setattr with libc::syscall.",
                "AT_RECURSIVE is for the mounts below. Errno::result turns the answer into an error.",
            ],
            minutes: 15,
            chapter: "mounts.md#a-new-root-step-by-step",
            empty: "Ok(())",
        },
        Blank {
            task: 4,
            file: "rootfs.rs",
            item: "bind_usr",
            hint: [
                "For each name of bound(): bind the host's directory (\"/\" and the name) to the same name below `root`.",
                "Then make it read-only. The mount points are there already: skeleton has created them.",
            ],
            minutes: 5,
            chapter: "mounts.md#a-new-root-step-by-step",
            empty: "Ok(())",
        },
        Blank {
            task: 5,
            file: "rootfs.rs",
            item: "mount_kernel",
            hint: [
                "Mount proc on root/proc, and a tmpfs with mode=0755 on root/dev: mount_new, with mount_point for the place.",
                "Both are MS_NOSUID and MS_NOEXEC, and proc is MS_NODEV too. Then call bind_devices and mount_terminals.",
            ],
            minutes: 8,
            chapter: "mounts.md#a-new-root-step-by-step",
            empty: "Ok(())",
        },
        Blank {
            task: 6,
            file: "rootfs.rs",
            item: "pivot",
            hint: [
                "chdir into `root`, then nix::unistd::pivot_root(\".\", \".\"). The old root is then on top of the new one.",
                "umount2 of \".\" with MNT_DETACH removes it. Finally, chdir to \"/\".",
            ],
            minutes: 10,
            chapter: "mounts.md#a-new-root-step-by-step",
            empty: "Ok(())",
        },
        Blank {
            task: 7,
            file: "init.rs",
            item: "reap",
            hint: [
                "Call waitpid for any child with WNOHANG, in a loop, until no child has ended (StillAlive or ECHILD).",
                "Return the exit code of `child`, or 128 + n after a death by signal n. Ignore how other children ended.",
            ],
            minutes: 10,
            chapter: "init.md#the-duties-of-process-1",
            empty: "Ok(None)",
        },
        Blank {
            task: 8,
            file: "init.rs",
            item: "serve",
            hint: [
                "Read signals from `signals` in a loop. On SIGCHLD call reap, and return when it has the child's exit code.",
                "Send other signals on to `child`, but not those of the kernel (ssi_code > 0): the program has them already.",
            ],
            minutes: 15,
            chapter: "init.md#the-duties-of-process-1",
            empty: "Ok(ExitCode::SUCCESS)",
        },
        Blank {
            task: 9,
            file: "init.rs",
            item: "close_inherited",
            hint: [
                "The system call close_range(3, u32::MAX, 0) closes all descriptors from 3 on: libc::SYS_close_range.",
                "Errno::result turns the answer into an error. 0, 1 and 2 are stdin, stdout and stderr.",
            ],
            minutes: 5,
            chapter: "mounts.md#an-open-directory-leads-out",
            empty: "Ok(())",
        },
    ],
};
