//! The machine's file system: busybox, `hull`, the tests and the modules, as a cpio archive.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::apt::Apt;
use super::kernel::Kernel;
use super::machine::Machine;
use super::programs::Program;
use crate::workspace::{output, root, run};

/// Kernel modules that the tests need.
const MODULES: [&str; 25] = [
    "overlay",
    "veth",
    "bridge",
    "nf_tables",
    "nft_chain_nat",
    "nft_ct",
    "nft_fib_inet",
    "nft_masq",
    "nft_meta_bridge",
    "nft_nat",
    // CRIU asks the kernel for sockets and connections, and locks a network with iptables.
    "af_packet_diag",
    "inet_diag",
    "netlink_diag",
    "nf_conntrack_netlink",
    "nft_compat",
    "tcp_diag",
    "udp_diag",
    "unix_diag",
    "xt_mark",
    // A disk for unit tests, the tables of the old iptables, and kinds of links that they make.
    "ext4",
    "ip6table_filter",
    "iptable_filter",
    "loop",
    "macvlan",
    "vxlan",
];

/// The programs that the tests of `--systemd-cgroup` run, those that an unprivileged user needs, and CRIU with its own
/// programs. All other programs of the machine are static.
const DYNAMIC: [&str; 15] = [
    "/usr/bin/setpriv",
    "/usr/bin/newuidmap",
    "/usr/bin/newgidmap",
    "/lib/systemd/systemd",
    "/usr/bin/systemctl",
    "/usr/bin/unshare",
    "/usr/bin/nsenter",
    "/usr/sbin/mkfs.ext4",
    "/usr/sbin/criu",
    "/usr/sbin/iptables-restore",
    "/usr/sbin/ip6tables-restore",
    "/usr/lib/x86_64-linux-gnu/xtables/libxt_mark.so",
    "/usr/lib/x86_64-linux-gnu/xtables/libxt_standard.so",
    "/bin/ip",
    "/bin/tar",
];

/// Packages for the machine with another processor: programs that the unit tests run, and a file system with all attributes.
const PACKAGES: [&str; 8] =
    ["busybox-static", "e2fsprogs", "iproute2", "iptables", "netbase", "nftables", "tar", "uidmap"];

/// Files of the workspace that unit tests read. They keep the path that they had when the tests were compiled.
const READ_BY_TESTS: [&str; 2] = ["final/crates/image/corpus", "final/crates/sys/src"];

/// Packs the initramfs and returns its path.
pub fn build(machine: &Machine, kernel: &Kernel, programs: &[Program]) -> Result<PathBuf> {
    let tree = machine.dir().join("tree");
    let _ = fs::remove_dir_all(&tree);
    match machine.debian {
        None => own_user_space(&tree)?,
        Some(_) => foreign_user_space(machine, &tree)?,
    }
    for name in ["bin", "lib/modules", "lib64", "usr", "cache", "workspace"] {
        fs::create_dir_all(tree.join(name))?;
    }
    for (name, program) in programs {
        copy(program, &tree.join("bin").join(name))?;
    }
    for system in machine.systems {
        let archive = system.archive().map_err(anyhow::Error::msg)?;
        let name = archive.file_name().context("an archive is a file")?;
        copy(&archive, &tree.join("cache").join(name))?;
    }
    let mut names = Vec::new();
    for module in MODULES {
        for file in kernel.load_order(module)? {
            let name = file.file_name().context("a module is a file")?.to_string_lossy().into_owned();
            if !names.contains(&name) {
                copy(&file, &tree.join("lib/modules").join(&name))?;
                names.push(name);
            }
        }
    }
    fs::write(tree.join("lib/modules/order"), names.join("\n") + "\n")?;
    let tests = include_str!("tests.sh").replace("@TESTS@\n", machine.script);
    for (name, script) in [("init", include_str!("init.sh")), ("tests.sh", &tests)] {
        let path = tree.join(name);
        fs::write(&path, script)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
    }
    pack(&tree, &machine.dir().join("initramfs.cpio"))
}

/// Copies busybox and a few other programs of this machine.
fn own_user_space(tree: &Path) -> Result<()> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new).into_iter().find(|p| p.exists());
    fs::create_dir_all(tree.join("bin"))?;
    copy(busybox.context("busybox-static is not installed")?, &tree.join("bin/busybox"))?;
    for program in DYNAMIC {
        copy_to_same(program, tree)?;
        for library in libraries(program)? {
            copy_to_same(&library, tree)?;
        }
    }
    Ok(())
}

/// Copies Debian's packages for the machine's processor, and the files of the workspace that unit tests read.
fn foreign_user_space(machine: &Machine, tree: &Path) -> Result<()> {
    let unpacked = machine.dir().join("packages");
    if !unpacked.exists() {
        Apt::open(machine)?.unpack_all(&PACKAGES, &unpacked)?;
    }
    run(Command::new("cp").arg("-a").args([&unpacked, tree]))?;
    for path in READ_BY_TESTS {
        let own = root().join(path);
        let there = tree.join("workspace").join(own.strip_prefix("/")?);
        fs::create_dir_all(there.parent().context("a path of the workspace has a parent")?)?;
        run(Command::new("cp").arg("-r").args([&own, &there]))?;
    }
    Ok(())
}

fn pack(tree: &Path, archive: &Path) -> Result<PathBuf> {
    let mut find = Command::new("find").arg(".").current_dir(tree).stdout(Stdio::piped()).spawn()?;
    let names = find.stdout.take().context("find has a pipe")?;
    let mut cpio = Command::new("cpio");
    cpio.args(["--create", "--format=newc", "--quiet", "--owner=0:0"]).current_dir(tree);
    run(cpio.stdin(names).stdout(fs::File::create(archive)?))?;
    find.wait()?;
    Ok(archive.to_owned())
}

/// The libraries that the dynamic loader would load for `program`, and the loader itself: the absolute paths that ldd(1)
/// names.
fn libraries(program: &str) -> Result<Vec<String>> {
    let list = output(Command::new("ldd").arg(program))?;
    let words = list.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(words.map(str::to_owned).collect())
}

fn copy_to_same(file: &str, tree: &Path) -> Result<()> {
    let to = tree.join(file.trim_start_matches('/'));
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)?;
    }
    copy(Path::new(file), &to)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    Ok(())
}
