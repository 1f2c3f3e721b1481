use super::{Blank, Step};

pub const STEP: Step = Step {
    name: "07-security",
    blanks: &[
        Blank {
            task: 1,
            file: "capabilities.rs",
            item: "limit",
            hint: [
                "Read the bounding set (caps::read), and drop each capability that is not in `keep` (caps::drop).",
                "Clear the ambient and the inheritable set (caps::clear). Let program.pre_exec call give_up(&keep).",
            ],
            minutes: 15,
            chapter: "capabilities.md#five-sets",
            empty: "let _ = (program, keep);\n    Ok(())",
        },
        Blank {
            task: 2,
            file: "capabilities.rs",
            item: "give_up",
            hint: [
                "Read the permitted set. Set the effective and the permitted set to its intersection with `keep` (caps::set).",
                "The effective set comes first, because it must stay a subset of the permitted set.",
            ],
            minutes: 10,
            chapter: "capabilities.md#five-sets",
            empty: "let _ = keep;\n    Ok(())",
        },
        Blank {
            task: 3,
            file: "masks.rs",
            item: "apply",
            hint: [
                "HIDDEN: mount_new a read-only tmpfs (\"size=0,mode=0555\") over a directory, and bind dev/null over a file.",
                "READ_ONLY: rootfs::bind the path onto itself, then make_read_only. Leave out paths that do not exist below `root`.",
            ],
            minutes: 20,
            chapter: "seccomp.md#masked-paths",
            empty: "let _ = root;\n    Ok(())",
        },
        Blank {
            task: 4,
            file: "seccomp.rs",
            item: "answer",
            hint: [
                "Two instructions: skip_unless compares the register (BPF_JEQ) with the call, and ret gives the answer.",
                "If the comparison is false, skip one instruction: the ret.",
            ],
            minutes: 10,
            chapter: "seccomp.md#a-filter-of-four-instructions",
            empty: "let _ = call;\n    [ret(what), ret(what)]",
        },
        Blank {
            task: 5,
            file: "seccomp.rs",
            item: "architecture",
            hint: [
                "load_word the field `arch` of seccomp_data (offset_of!). If it is ARCHITECTURE, skip one instruction: a ret that kills.",
                "At the end load_word the field `nr`, because the parts that follow compare the number of the call.",
            ],
            minutes: 15,
            chapter: "seccomp.md#a-filter-of-four-instructions",
            // The filter of somebody who has forgotten the check.
            empty: "vec![load_word(offset_of!(seccomp_data, nr))]",
        },
        Blank {
            task: 6,
            file: "seccomp.rs",
            item: "other_numbers",
            hint: [
                "On x86-64 (cfg!(target_arch = \"x86_64\")) a number from 0x4000_0000 on (BPF_JGE) gets the answer error(ENOSYS).",
                "On other architectures there are no such numbers: return an empty vector.",
            ],
            minutes: 10,
            chapter: "seccomp.md#a-filter-of-four-instructions",
            empty: "vec![]",
        },
        Blank {
            task: 7,
            file: "seccomp.rs",
            item: "with_argument",
            hint: [
                "For another call, skip the next four instructions. Then load_word the argument: args is an array of 8-byte numbers.",
                "After `is_refused` come ret(denied) and, for other values of the argument, ret(SECCOMP_RET_ALLOW).",
            ],
            minutes: 20,
            chapter: "seccomp.md#a-filter-of-four-instructions",
            empty: "let _ = (call, argument, is_refused);\n    [ret(denied); 5]",
        },
        Blank {
            task: 8,
            file: "seccomp.rs",
            item: "confine",
            hint: [
                "First capabilities::limit with the words of config[\"keep\"], or None if it is not an array. Then filter(program, denied).",
                "config[\"denied\"] is \"kill\" (SECCOMP_RET_KILL_PROCESS), \"log\" (SECCOMP_RET_LOG), or else error(EPERM).",
            ],
            minutes: 10,
            chapter: "seccomp.md#what-a-filter-sees",
            empty: "let _ = (program, config);\n    Ok(())",
        },
    ],
};
