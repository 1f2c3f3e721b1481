//! The machine's file system: busybox, `hull`, the tests and the modules, as a cpio archive.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::kernel::Kernel;
use crate::workspace::{output, root, run};

/// What the tests need that the kernel has as a module.
const MODULES: [&str; 19] = [
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
    // CRIU asks the kernel for sockets and connections, and has iptables lock a network.
    "af_packet_diag",
    "inet_diag",
    "netlink_diag",
    "nf_conntrack_netlink",
    "nft_compat",
    "tcp_diag",
    "udp_diag",
    "unix_diag",
    "xt_mark",
];

/// What the tests of `--systemd-cgroup` run, by the paths that they know, and CRIU with what it runs itself; all else in
/// the machine is static.
const DYNAMIC: [&str; 11] = [
    "/lib/systemd/systemd",
    "/usr/bin/systemctl",
    "/usr/bin/unshare",
    "/usr/bin/nsenter",
    "/usr/sbin/criu",
    "/usr/sbin/iptables-restore",
    "/usr/sbin/ip6tables-restore",
    "/usr/lib/x86_64-linux-gnu/xtables/libxt_mark.so",
    "/usr/lib/x86_64-linux-gnu/xtables/libxt_standard.so",
    "/bin/ip",
    "/bin/tar",
];

/// Packs the initramfs; its path.
pub fn build(kernel: &Kernel, programs: &[(&str, PathBuf)]) -> Result<PathBuf> {
    let dir = root().join("target/vm");
    let tree = dir.join("tree");
    let _ = fs::remove_dir_all(&tree);
    for name in ["bin", "lib/modules", "lib64", "cache"] {
        fs::create_dir_all(tree.join(name))?;
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new).into_iter().find(|p| p.exists());
    copy(busybox.context("busybox-static is not installed")?, &tree.join("bin/busybox"))?;
    for (name, program) in programs {
        copy(program, &tree.join("bin").join(name))?;
    }
    for program in DYNAMIC {
        copy_to_same(program, &tree)?;
        for library in libraries(program)? {
            copy_to_same(&library, &tree)?;
        }
    }
    let mut names = Vec::new();
    for module in MODULES {
        for file in kernel.load_order(module)? {
            let name = file.file_name().context("a module is a file")?.to_owned();
            copy(&file, &tree.join("lib/modules").join(&name))?;
            names.push(name.to_string_lossy().into_owned());
        }
    }
    fs::write(tree.join("lib/modules/order"), names.join("\n") + "\n")?;
    for (name, script) in [("init", include_str!("init.sh")), ("tests.sh", include_str!("tests.sh"))] {
        let path = tree.join(name);
        fs::write(&path, script)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
    }
    pack(&tree, &dir.join("initramfs.cpio"))
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

/// What the dynamic loader would load for `program`, and the loader itself: the absolute paths that ldd(1) names.
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
