/// Closes every descriptor except for stdin, stdout and stderr. An open directory leads out of any
/// root: if descriptor 9 is a directory of the host, `ls /proc/self/fd/9/` lists it inside. The
/// descriptors of process 1 count too, because the program can look into /proc/1/fd. In 2024
/// containers could leave runc in this way (CVE-2024-21626): a descriptor of the host's cgroup tree
/// was left open, and the working directory /proc/self/fd/7 led to it.
fn close_inherited() -> Result<()> {
    // SAFETY: closes descriptors by number; no value owns one of them at this point.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    Errno::result(closed).context("close_range(3, max)")?;
    report::trace("close_range(3, max)");
    Ok(())
}
