/// The file systems that are the kernel's to fill. No /sys: it shows the network, and so needs a network namespace.
/// A new /proc is not a convenience: with the host's, `ps` would list the host's processes and `kill` would not
/// find them, since numbers in there are those of the PID namespace that it was mounted from.
pub fn mount_kernel(root: &Path) -> Result<()> {
    // No set-user-ID, no devices, no programs: nothing in these has a use for them.
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // It shows the PID namespace of whoever mounts it. Without this `ps` would still list the host's processes.
    mount_new("proc", &mount_point(root, "proc")?, plain, "")?;
    let dev = mount_point(root, "dev")?;
    mount_new("tmpfs", &dev, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "mode=0755")?;
    for name in DEVICES {
        // Bound, since a user namespace may not make a device: it would be a key to the host's hardware.
        let to = dev.join(name);
        fs::write(&to, "").with_context(|| format!("create the mount point {}", to.display()))?;
        bind(&Path::new("/dev").join(name), &to)?;
    }
    for name in ["pts", "shm"] {
        fs::create_dir(dev.join(name)).with_context(|| format!("mkdir({}/{name})", dev.display()))?;
    }
    // Terminals and shared memory of its own, not the host's.
    let noexec = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    // newinstance: a /dev/pts with no terminal in it yet, and a ptmx that opens new ones here. The terminal on
    // stdin is the host's, and is not in it.
    mount_new("devpts", &dev.join("pts"), noexec, "newinstance,ptmxmode=0666,mode=0620")?;
    // 1777 as for /tmp: anybody may make files, and remove their own (the sticky bit).
    mount_new("tmpfs", &dev.join("shm"), plain, "mode=1777")?;
    // Old names for what is in /proc; shells and scripts know them.
    let descriptors = [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")];
    for (name, rest) in descriptors {
        symlink(format!("/proc/self/fd{rest}"), dev.join(name))
            .with_context(|| format!("symlink(dev/{name})"))?;
    }
    symlink("pts/ptmx", dev.join("ptmx")).context("symlink(dev/ptmx)")
}
