use super::{Blank, Step};

pub const STEP: Step = Step {
    name: "01-uts",
    blanks: &[
        Blank {
            task: 1,
            file: "namespaces.rs",
            item: "set_hostname",
            hint: [
                "Call nix::unistd::sethostname(name), and return its error with a context that names the call.",
                "An EINVAL means that the name is longer than 64 bytes. Add a context that begins with `hint:`.",
            ],
            minutes: 5,
            chapter: "uts.md#the-idea-in-25-lines",
            empty: "Ok(())",
        },
        Blank {
            task: 2,
            file: "namespaces.rs",
            item: "wait_and_exec",
            hint: [
                "Call nix::sys::prctl::set_pdeathsig first. Then read a byte from the pipe: 0 bytes mean that the parent gave up.",
                "Then execute /proc/self/exe (nix::unistd::execv) with three words: a program name, `child`, the configuration.",
            ],
            minutes: 15,
            chapter: "uts.md#two-processes-and-a-pipe",
            empty: "bail!(\"nothing is done\")",
        },
        Blank {
            task: 3,
            file: "namespaces.rs",
            item: "spawn",
            hint: [
                "Create a pipe (pipe2 with O_CLOEXEC). Call nix::sched::clone with `flags`, a stack and the signal SIGCHLD.",
                "The closure runs in the child: it drops the write end and calls wait_and_exec. Return the Child with the write end.",
            ],
            minutes: 20,
            chapter: "uts.md#two-processes-and-a-pipe",
            empty: "bail!(\"nothing is done\")",
        },
        Blank {
            task: 4,
            file: "main.rs",
            item: "flags",
            hint: [
                "A new UTS namespace is CLONE_NEWUTS. Without it, root inside renames the machine.",
                "Everybody but root also needs CLONE_NEWUSER: idmap::is_needed() says whether the caller does.",
            ],
            minutes: 3,
            chapter: "uts.md#what-a-namespace-is",
            empty: "CloneFlags::empty()",
        },
        Blank {
            task: 5,
            file: "idmap.rs",
            item: "write",
            hint: [
                "Write three files with write_map: `deny` to setgroups, then `0 <your id> 1` to uid_map and to gid_map.",
                "The order matters: the kernel accepts the gid_map of an unprivileged user only after setgroups is denied.",
            ],
            minutes: 8,
            chapter: "user.md#who-writes-the-map",
            empty: "Ok(())",
        },
        Blank {
            task: 6,
            file: "namespaces.rs",
            item: "enter",
            hint: [
                "Open the process with pidfd_open(2). Compare its links in /proc/PID/ns with your own, kind by kind (KINDS, link).",
                "Join all namespaces that differ in one call: nix::sched::setns(&pidfd, flags). No difference is an error.",
            ],
            minutes: 20,
            chapter: "enter.md#what-the-kernel-offers",
            empty: "Ok(())",
        },
    ],
};
