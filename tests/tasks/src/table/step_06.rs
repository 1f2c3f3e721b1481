use super::{Blank, Step};

pub const STEP: Step = Step {
    name: "06-images",
    blanks: &[
        Blank {
            task: 1,
            file: "digest.rs",
            item: "name",
            hint: [
                "Write each byte of the hash as two hexadecimal digits, with lower-case letters ({byte:02x}).",
                "Put `sha256:` before them. A byte below 16 needs its leading zero.",
            ],
            minutes: 5,
            chapter: "layers.md#see-it-with-the-shell",
            empty: "let _ = hash;\n    String::new()",
        },
        Blank {
            task: 2,
            file: "digest.rs",
            item: "Hashed::read",
            hint: [
                "Read from self.inner into the buffer, and update self.hash with the bytes that were read.",
                "The inner reader may fill only a part of the buffer: it returns how many bytes are new.",
            ],
            minutes: 5,
            chapter: "layers.md#a-layer-has-two-hashes",
            empty: "self.inner.read(buffer)",
        },
        Blank {
            task: 3,
            file: "layer.rs",
            item: "relative",
            hint: [
                "Take the path apart with path.components(). Push each Component::Normal to the result.",
                "A Component::ParentDir is an error: Errno::EXDEV with the context LEAVES. Leave out all other components.",
            ],
            minutes: 10,
            chapter: "hostile.md#why-a-check-of-the-names-is-not-enough",
            empty: "Ok(path.to_owned())",
        },
        Blank {
            task: 4,
            file: "layer.rs",
            item: "Layer::open_beneath",
            hint: [
                "Call openat2(self.root.as_fd(), path, OpenHow::new().flags(…).resolve(…)) with O_PATH, O_DIRECTORY and O_CLOEXEC.",
                "The rule that stops the attack is RESOLVE_BENEATH. The empty path means the layer itself: open \".\" for it.",
            ],
            minutes: 10,
            chapter: "hostile.md#why-a-check-of-the-names-is-not-enough",
            // The way that a program opens a directory usually: the attack succeeds.
            empty: "let path = if directory.as_os_str().is_empty() { Path::new(\".\") } else { directory };\n        \
                    nix::fcntl::openat(self.root.as_fd(), path, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty())",
        },
        Blank {
            task: 5,
            file: "layer.rs",
            item: "whiteout",
            hint: [
                "`.wh..opq` marks the directory of `at`: set_attribute(…, opaque(), b\"y\"). Any other name is hidden by mknod(c, 0, 0).",
                "If this layer has a directory of that name, mark this directory as opaque. If it has a file, there is nothing to do.",
            ],
            minutes: 15,
            chapter: "layers.md#layers-are-changes",
            empty: "let _ = (at, hidden);\n    Ok(())",
        },
        Blank {
            task: 6,
            file: "image.rs",
            item: "choose",
            hint: [
                "While the document has a list `manifests`: find the entry for platform(), and read it with source.json(&Blob::new(…)?).",
                "An entry without a platform fits. Without an entry that fits, name the platforms (platforms). Stop after four indexes.",
            ],
            minutes: 15,
            chapter: "layers.md#one-hash-fixes-the-whole-image",
            empty: "let _ = source;\n    Ok(std::mem::take(&mut top))",
        },
        Blank {
            task: 7,
            file: "registry.rs",
            item: "Registry::fetch_token",
            hint: [
                "Accept only `Bearer `. Send a GET request to the realm (self.agent.get), with service and scope as query_pairs.",
                "The answer is JSON: the token is in `token`, or else in `access_token`. `field` finds a field of the challenge.",
            ],
            minutes: 20,
            chapter: "registry.md#a-token",
            empty: "let _ = challenge;\n        Ok(String::new())",
        },
        Blank {
            task: 8,
            file: "registry.rs",
            item: "Registry::get",
            hint: [
                "The URL is HOST/v2/NAME/PATH. Ask for it (self.ask). After a 401, fetch a token for `www-authenticate`, and ask again.",
                "For the status 200, return the answer's body: into_body().into_reader(). Every other status is an error with a hint.",
            ],
            minutes: 15,
            chapter: "registry.md#see-it-with-the-shell",
            empty: "bail!(\"nothing was asked for {path}\")",
        },
    ],
};
