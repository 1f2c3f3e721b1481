/// Mounts the kernel's own file systems. There is no /sys: it shows a network namespace, and only
/// root of that namespace may mount it (step 5). /proc shows the PID namespace that it was mounted
/// in. With the /proc of the host, `ps` would list the processes of the host, and `kill` would not
/// find them.
pub fn mount_kernel(root: &Path) -> Result<()> {
    mount_new("proc", &mount_point(root, "proc")?, PLAIN, "")?;
    let dev = mount_point(root, "dev")?;
    mount_new("tmpfs", &dev, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "mode=0755")?;
    bind_devices(&dev)?;
    mount_terminals(&dev)
}
