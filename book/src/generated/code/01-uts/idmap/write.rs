/// Maps 0 inside to the caller. Until this is done the child is user 65534, "nobody", which is why it waits on the sync pipe:
/// a program that execs as nobody loses the capabilities it was born with.
pub fn write(pid: Pid) -> Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    // A file can deny a group what it grants to everybody else. To drop that group by setgroups(2) would be a way
    // around it, so the kernel takes a gid map from unprivileged users only once that call is off; user_namespaces(7).
    write_map(pid, "setgroups", "deny")?;
    // One line, for one's own id: for that the kernel asks for no power outside. A whole range of ids takes
    // CAP_SETUID over the parent namespace, and an unprivileged user gets it by newuidmap(1), a set-user-ID program
    // which looks up in /etc/subuid whose the range is.
    write_map(pid, "uid_map", &format!("0 {uid} 1"))?;
    write_map(pid, "gid_map", &format!("0 {gid} 1"))
}
