/// Maps id 0 inside to the caller's id. Until then the child has the overflow id 65534, "nobody",
/// and an execve would take its capabilities away. That is why the child waits on the sync pipe.
pub fn write(pid: Pid) -> Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    // A file's mode can deny a group what it grants to everybody else. Dropping that group by
    // setgroups(2) would get around this, so the kernel accepts a gid map from an unprivileged user
    // only after setgroups is denied; user_namespaces(7).
    write_map(pid, "setgroups", "deny")?;
    // Mapping one's own id takes no privilege outside. Mapping a range takes CAP_SETUID in the
    // parent namespace; unprivileged users get a range with newuidmap(1), a set-user-ID program
    // that reads in /etc/subuid which range belongs to which user.
    write_map(pid, "uid_map", &format!("0 {uid} 1"))?;
    write_map(pid, "gid_map", &format!("0 {gid} 1"))
}
