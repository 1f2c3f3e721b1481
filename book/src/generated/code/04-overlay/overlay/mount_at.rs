/// On the inside, in a mount namespace of our own: the stack as one tree. Where it is.
/// Nothing is read at the mount but the tops of the directories. A name is looked up in each layer when
/// somebody asks for it, and the answer is kept.
pub fn mount_at(dir: &Path, lowers: &[String]) -> Result<PathBuf> {
    let merged = dir.join("merged");
    let (upper, work) = (dir.join("upper"), dir.join("work"));
    let lowers: Vec<String> = lowers.iter().map(|lower| escape(lower)).collect();
    // All of it is in one string, of which mount(2) takes a page: some forty lowers.
    let mut options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lowers.join(":"),
        escape(&upper.to_string_lossy()),
        escape(&work.to_string_lossy())
    );
    if in_user_namespace() {
        // Marks in `user.` instead of `trusted.`: without this `rm -r d; mkdir d` is EIO, for want of a way to say opaque.
        // Anybody may set those in `user.` on their own files, so the kernel believes them only in an overlay
        // that says so, and root's does not.
        options.push_str(",userxattr");
    }
    let call = format!("mount(overlay -> {}, {options})", merged.display());
    mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(options.as_str())).map_err(
        |errno| {
            let error = Error::new(errno);
            match hint(errno, &upper, &work) {
                Some(hint) => error.context(hint).context(call.clone()),
                None => error.context(call.clone()),
            }
        },
    )?;
    report::trace(call);
    Ok(merged)
}
