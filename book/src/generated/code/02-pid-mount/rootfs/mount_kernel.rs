/// Mounts the kernel's own file systems. There is no /sys: it shows a network namespace, and so
/// takes one. /proc shows the PID namespace that it was mounted in: with the host's, `ps` would
/// list the host's processes, and `kill` would not find them.
pub fn mount_kernel(root: &Path) -> Result<()> {
    // None of these file systems needs set-user-ID programs, devices or executables.
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // It shows the PID namespace of the process that mounts it.
    mount_new("proc", &mount_point(root, "proc")?, plain, "")?;
    let dev = mount_point(root, "dev")?;
    mount_new("tmpfs", &dev, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "mode=0755")?;
    for name in DEVICES {
        // Bound from the host, because in a user namespace no device can be created: it would give
        // access to the host's hardware.
        let to = dev.join(name);
        fs::write(&to, "").with_context(|| format!("create the mount point {}", to.display()))?;
        bind(&Path::new("/dev").join(name), &to)?;
    }
    for name in ["pts", "shm"] {
        fs::create_dir(dev.join(name)).with_context(|| format!("mkdir({}/{name})", dev.display()))?;
    }
    // Its own terminals and shared memory, not the host's.
    let noexec = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    // newinstance: an empty /dev/pts, whose ptmx opens new terminals in it. The terminal on stdin
    // is the host's and is not in it.
    mount_new("devpts", &dev.join("pts"), noexec, "newinstance,ptmxmode=0666,mode=0620")?;
    // 1777 as for /tmp: everybody may create files, and remove their own (the sticky bit).
    mount_new("tmpfs", &dev.join("shm"), plain, "mode=1777")?;
    // Traditional names of files in /proc, which shells and scripts use.
    let descriptors = [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")];
    for (name, rest) in descriptors {
        symlink(format!("/proc/self/fd{rest}"), dev.join(name))
            .with_context(|| format!("symlink(dev/{name})"))?;
    }
    symlink("pts/ptmx", dev.join("ptmx")).context("symlink(dev/ptmx)")
}
