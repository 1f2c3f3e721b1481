fn main() -> anyhow::Result<()> {
    // The kernel creates the user namespace first, and makes it the owner of the UTS namespace of the same call.
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS)?;
    // Changes the name in the new namespace. Without CLONE_NEWUTS above it fails with EPERM, or, for root, renames
    // the machine.
    nix::unistd::sethostname("bare")?;
    // Executes the shell in this process, which keeps its namespaces.
    Err(std::process::Command::new("/bin/sh").exec().into())
}
