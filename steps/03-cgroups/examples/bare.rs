// The whole idea: make a directory, write a limit, write yourself, exec. Try it as root:
// `cargo build -p step-03-cgroups --example step-03-bare`, then `sudo target/*/debug/examples/step-03-bare`.
//
// The shell and everything that it starts have 64 MiB of memory together. Two things are missing.
// Memory that does not fit may go to swap. And nobody removes the directory: `rmdir` it when the
// shell has ended. The step's own program does both: src/cgroups.rs.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

fn main() -> anyhow::Result<()> {
    // cgroup v1 has a tree for the memory controller alone, and another name for the limit.
    let v1 = Path::new("/sys/fs/cgroup/memory");
    let (tree, limit) = match v1.is_dir() {
        true => (v1, "memory.limit_in_bytes"),
        false => (Path::new("/sys/fs/cgroup"), "memory.max"),
    };
    if tree != v1 {
        // On v2 the cgroup above has to pass the memory controller on.
        fs::write(tree.join("cgroup.subtree_control"), "+memory")?;
    }
    let cgroup = tree.join("bare");
    fs::create_dir(&cgroup)?;
    fs::write(cgroup.join(limit), "67108864")?;
    // 0 means "the process that writes". Its children will be in the cgroup as well.
    fs::write(cgroup.join("cgroup.procs"), "0")?;
    Err(Command::new("/bin/sh").exec().into())
}
