fn main() -> anyhow::Result<()> {
    let (uid, gid) = (geteuid(), getegid());
    // A mount takes root, and root of a new user namespace may mount in a new mount namespace.
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir_all(name)?;
    }
    fs::write("lower/page", "from below\n")?;
    let options = "lowerdir=lower,upperdir=upper,workdir=work,userxattr";
    mount(Some("overlay"), "merged", Some("overlay"), MsFlags::empty(), Some(options))?;
    Err(Command::new("/bin/sh").current_dir("merged").exec().into())
}
