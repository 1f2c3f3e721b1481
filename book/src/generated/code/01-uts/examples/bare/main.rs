fn main() -> anyhow::Result<()> {
    // The user namespace first: the kernel makes it the owner of the UTS namespace of the same call.
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS)?;
    // Changes the name in the new namespace. Without CLONE_NEWUTS above: EPERM, or, as root, a renamed machine.
    nix::unistd::sethostname("bare")?;
    // Becomes the shell: the namespaces are the process's, so they stay.
    Err(std::process::Command::new("/bin/sh").exec().into())
}
