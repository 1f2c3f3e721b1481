fn main() -> anyhow::Result<()> {
    let root = std::env::args().nth(1).unwrap_or_else(|| "root".into());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    // unshare puts only children into the new PID namespace. The first child is its process 1.
    #[allow(unsafe_code)] // SAFETY: this program has one thread.
    if let ForkResult::Parent { child } = unsafe { fork() }? {
        nix::sys::wait::waitpid(child, None)?;
        return Ok(());
    }
    let none = None::<&str>;
    // The mounts below must not appear on the host.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    // pivot_root takes a mount point, and a bind mount of the directory on itself makes one.
    mount(Some(&*root), &*root, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
    chdir(&*root)?;
    // /proc shows the PID namespace of the process that mounts it.
    mount(Some("proc"), "proc", Some("proc"), MsFlags::empty(), none)?;
    // The old root is now on top of the new one. Take it away.
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    // The shell replaces this program in the process, so the shell is process 1.
    Err(Command::new("/bin/sh").current_dir("/").exec().into())
}
