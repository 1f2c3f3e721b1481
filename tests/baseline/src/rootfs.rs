//! The container's file system: overlay, docker's mounts, devices and masks, pivot_root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

const DEVICES: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

const MASKED: [&str; 12] = [
    "proc/acpi",
    "proc/asound",
    "proc/interrupts",
    "proc/kcore",
    "proc/keys",
    "proc/latency_stats",
    "proc/sched_debug",
    "proc/scsi",
    "proc/timer_list",
    "proc/timer_stats",
    "sys/devices/virtual/powercap",
    "sys/firmware",
];

const READ_ONLY: [&str; 5] = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];

/// Mounts everything but the cgroup file system; that one is mounted after the cgroups are joined.
pub fn build(dir: &Path, upper: &Path) -> Result<()> {
    attach("none", Path::new("/"), "", MsFlags::MS_REC | MsFlags::MS_SLAVE, "")?;
    let merged = dir.join("merged");
    let layers = format!(
        "lowerdir={}/lower,upperdir={1}/upper,workdir={1}/work,volatile",
        dir.display(),
        upper.display()
    );
    attach("overlay", &merged, "overlay", MsFlags::empty(), &layers)?;
    std::env::set_current_dir(&merged)?;
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
    attach("proc", "proc".as_ref(), "proc", safe, "")?;
    attach(
        "tmpfs",
        "dev".as_ref(),
        "tmpfs",
        MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME,
        "mode=755,size=65536k",
    )?;
    for name in ["dev/pts", "dev/mqueue", "dev/shm"] {
        fs::create_dir(name)?;
    }
    let terminals = "newinstance,ptmxmode=0666,mode=0620,gid=5";
    attach("devpts", "dev/pts".as_ref(), "devpts", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, terminals)?;
    attach("sysfs", "sys".as_ref(), "sysfs", safe | MsFlags::MS_RDONLY, "")?;
    attach("mqueue", "dev/mqueue".as_ref(), "mqueue", safe, "")?;
    attach("shm", "dev/shm".as_ref(), "tmpfs", safe, "mode=1777,size=65536k")?;
    for (name, major, minor) in DEVICES {
        let path = Path::new("dev").join(name);
        mknod(&path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(major, minor))?;
    }
    for (name, target) in LINKS {
        symlink(target, Path::new("dev").join(name))?;
    }
    for name in ["hosts", "hostname", "resolv.conf"] {
        let target = Path::new("etc").join(name);
        fs::OpenOptions::new().create(true).append(true).open(&target)?;
        bind(&dir.join("etc").join(name), &target)?;
    }
    Ok(())
}

/// The cgroup tree as the container's own cgroup namespace shows it.
pub fn cgroups() -> Result<()> {
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV | MsFlags::MS_RDONLY;
    let top = Path::new("sys/fs/cgroup");
    if Path::new("/sys/fs/cgroup/cgroup.procs").exists() {
        return attach("cgroup", top, "cgroup2", safe, "");
    }
    attach("cgroup", top, "tmpfs", safe & !MsFlags::MS_RDONLY, "mode=755")?;
    for entry in fs::read_dir("/sys/fs/cgroup")?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let target = top.join(&name);
        fs::create_dir(&target)?;
        match name.as_str() {
            "unified" => attach("cgroup", &target, "cgroup2", safe, "")?,
            "systemd" => attach("cgroup", &target, "cgroup", safe, "name=systemd")?,
            controller => attach("cgroup", &target, "cgroup", safe, controller)?,
        }
    }
    attach("none", top, "", safe | MsFlags::MS_REMOUNT | MsFlags::MS_BIND, "")
}

pub fn hide() -> Result<()> {
    for path in MASKED.map(Path::new) {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                attach("tmpfs", path, "tmpfs", MsFlags::MS_RDONLY, "size=0k,nr_inodes=2")?
            }
            Ok(_) => bind("dev/null".as_ref(), path)?,
            Err(_) => {}
        }
    }
    for path in READ_ONLY.map(Path::new).into_iter().filter(|p| p.exists()) {
        bind(path, path)?;
        attach("none", path, "", MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY, "")?;
    }
    Ok(())
}

/// pivot_root(2) onto the working directory: the old root lands on top of the new one and is detached from there.
pub fn pivot() -> Result<()> {
    nix::unistd::pivot_root(".", ".").context("pivot_root")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    Ok(std::env::set_current_dir("/")?)
}

fn bind(source: &Path, target: &Path) -> Result<()> {
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .with_context(|| format!("binding {} on {}", source.display(), target.display()))
}

fn attach(source: &str, target: &Path, kind: &str, flags: MsFlags, data: &str) -> Result<()> {
    mount(Some(source), target, Some(kind), flags, Some(data))
        .with_context(|| format!("mounting {kind} on {}", target.display()))
}
