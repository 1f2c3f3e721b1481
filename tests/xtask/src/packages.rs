//! The Debian packages that the build and the tests need.

use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use crate::workspace::{output, run};

/// A package, and what it is for, which is printed when it is missing.
const PACKAGES: &[(&str, &str)] = &[
    ("gcc", "links the programs"),
    ("libc6-dev", "has the C library for static linking"),
    ("busybox-static", "is the smallest image, and the virtual machine's user space"),
    ("debootstrap", "makes a real Debian image, since none can be pulled"),
    ("skopeo", "writes and reads image archives, to be understood by others"),
    ("umoci", "makes an OCI layout without hull"),
    ("docker-registry", "is the registry that images go to and come from"),
    ("apache2-utils", "writes the registry's passwords (htpasswd)"),
    ("openssl", "makes the registry's certificates"),
    ("podman", "exchanges images with hull through the registry"),
    ("docker.io", "does the same, by dockerd"),
    ("lxd", "is what hull's system containers are compared with"),
    ("lxd-client", "has its command line"),
    ("lxc", "is the other"),
    ("runc", "is the reference runtime for bundles"),
    ("crun", "is another runtime that hull can use"),
    ("netavark", "makes podman's networks, for containers that it runs on hull-oci"),
    ("uidmap", "gives an unprivileged user more than one id (newuidmap)"),
    ("slirp4netns", "is a user-mode network for an unprivileged user's containers"),
    ("passt", "has pasta, another user-mode network"),
    ("iperf3", "measures what a container's network lets through"),
    ("iproute2", "shows what others see of a link"),
    (
        "iptables",
        "drops forwarded packets, as docker configures it, and publishes podman's and dockerd's ports",
    ),
    ("nftables", "shows the leak check which rules are left"),
    ("xz-utils", "packs archives as some are packed"),
    ("bzip2", "does the same"),
    ("zstd", "packs build contexts"),
    ("strace", "shows which system calls each lesson makes"),
    ("curl", "asks the servers of the lessons"),
    ("git", "clones what the READMEs are typed in, and serves build contexts"),
    ("procps", "lists processes where the READMEs do"),
    ("qemu-system-x86", "runs the cgroup v2 virtual machine"),
    ("qemu-system-arm", "runs the aarch64 virtual machine"),
    ("gcc-aarch64-linux-gnu", "links the programs that run in it"),
    ("libc6-dev-arm64-cross", "has the C library for them"),
    ("systemd", "makes the cgroups of --systemd-cgroup, here and in the virtual machine"),
    ("dbus-daemon", "carries requests to systemd where its private socket is missing"),
    ("criu", "checkpoints and restores containers, in the virtual machine"),
    ("cpio", "packs the virtual machine's initramfs"),
    ("util-linux", "has setsid and setpriv, for terminals and unprivileged users"),
    ("python3", "makes the calls of the book's escape from a chroot"),
    ("python3-venv", "installs the clients of docker and podman that the tests run"),
    ("chromium", "opens the book's pages"),
    ("chromium-driver", "controls chromium"),
    ("wamerican", "is the dictionary for the book's spelling"),
];

/// Installs the missing packages. Without root it prints the command, and the tests that need them skip.
pub fn install_missing() -> Result<()> {
    let missing: Vec<_> = PACKAGES.iter().filter(|(package, _)| !is_installed(package)).collect();
    if missing.is_empty() {
        eprintln!("all {} packages are installed", PACKAGES.len());
        return Ok(());
    }
    for (package, why) in &missing {
        eprintln!("missing: {package}, which {why}");
    }
    let names: Vec<_> = missing.iter().map(|(package, _)| *package).collect();
    if !geteuid().is_root() {
        let command = format!("apt-get install --no-install-recommends {}", names.join(" "));
        if std::env::var_os("HULL_TESTS_MUST_RUN").is_some_and(|v| v == "1") {
            bail!("packages are missing, and installing them takes root: {command}");
        }
        eprintln!("installing them takes root: {command}\nwithout them some tests are skipped");
        return Ok(());
    }
    run(Command::new("apt-get").args(["update", "-qq"])).context("refreshing the package lists")?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(&names);
    run(install.env("DEBIAN_FRONTEND", "noninteractive")).context("installing packages")
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    let status = output(query.args(["-W", "-f", "${db:Status-Status}", package]));
    status.is_ok_and(|s| s == "installed")
}
