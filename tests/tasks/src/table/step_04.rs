use super::{Blank, Step};

pub const STEP: Step = Step {
    name: "04-overlay",
    blanks: &[
        Blank {
            task: 1,
            file: "overlay.rs",
            item: "make_three",
            hint: [
                "Call `make` for upper, work and merged in `dir`. `make` is in this file, and gives a directory the mode 0700.",
                "Then change the mode of upper to 0755 (fs::set_permissions), because the root directory of merged gets its mode.",
            ],
            minutes: 5,
            chapter: "overlay.md#what-an-overlay-does",
            empty: "Ok(())",
        },
        Blank {
            task: 2,
            file: "overlay.rs",
            item: "escape",
            hint: [
                "Put a backslash before each backslash, each colon and each comma of the path.",
                "Begin with the backslashes. Otherwise you double those that you have added yourself.",
            ],
            minutes: 10,
            chapter: "overlay.md#what-an-overlay-does",
            empty: "path.to_owned()",
        },
        Blank {
            task: 3,
            file: "overlay.rs",
            item: "options",
            hint: [
                "lowerdir=A:B,upperdir=DIR/upper,workdir=DIR/work, where every path has gone through `escape`.",
                "In a user namespace, append `,userxattr`.",
            ],
            minutes: 10,
            chapter: "overlay.md#what-an-overlay-does",
            empty: "String::new()",
        },
        Blank {
            task: 4,
            file: "overlay.rs",
            item: "mount_at",
            hint: [
                "nix::mount::mount with the type `overlay`, DIR/merged as the target, no flags, and the text of `options`.",
                "Pass an error to `explain`, add the call as a context, and trace the call when it has succeeded.",
            ],
            minutes: 10,
            chapter: "overlay.md#what-an-overlay-does",
            empty: "Ok(dir.join(\"merged\"))",
        },
        Blank {
            task: 5,
            file: "overlay.rs",
            item: "is_whiteout",
            hint: [
                "The file has to be a character device, and its device number (rdev) has to be 0.",
                "Both are methods of traits in std::os::unix::fs: FileTypeExt and MetadataExt.",
            ],
            minutes: 5,
            chapter: "deletion.md#see-it-with-the-shell",
            empty: "false",
        },
        Blank {
            task: 6,
            file: "overlay.rs",
            item: "opaque_mark",
            hint: [
                "Read the attributes trusted.overlay.opaque and user.overlay.opaque with libc::lgetxattr, one byte of each.",
                "Return the name of the one that has the value `y`. lgetxattr takes C strings: CString, and c\"…\" for a name.",
            ],
            minutes: 15,
            chapter: "deletion.md#a-directory-that-is-made-again",
            empty: "None",
        },
        Blank {
            task: 7,
            file: "overlay.rs",
            item: "Overlay::letter",
            hint: [
                "A whiteout is D. An entry that a lower directory has too (self.is_in_a_lower) is C. Everything else is A.",
                "Look for the whiteout first: its path is in a lower directory as well.",
            ],
            minutes: 5,
            chapter: "overlay.md#the-list-of-changes",
            empty: "'?'",
        },
        Blank {
            task: 8,
            file: "overlay.rs",
            item: "Overlay::collect",
            hint: [
                "For each entry of DIR/upper/BELOW push a Change: its letter, its path with a `/` before it, and kind(…).",
                "Use symlink_metadata, which does not follow links. Then do the same for a directory; an error there is only traced.",
            ],
            minutes: 15,
            chapter: "overlay.md#the-list-of-changes",
            empty: "Ok(())",
        },
    ],
};
