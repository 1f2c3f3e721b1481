/// Mounts the overlay, in the container's mount namespace, and returns the path of merged. Names
/// are looked up in the layers on access, and cached.
pub fn mount_at(dir: &Path, lowers: &[String]) -> Result<PathBuf> {
    let merged = dir.join("merged");
    let (upper, work) = (dir.join("upper"), dir.join("work"));
    let lowers: Vec<String> = lowers.iter().map(|lower| escape(lower)).collect();
    // mount(2) takes at most one page of options, which is enough for some forty lower directories.
    let mut options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lowers.join(":"),
        escape(&upper.to_string_lossy()),
        escape(&work.to_string_lossy())
    );
    if in_user_namespace() {
        // In a user namespace the marks are `user.` attributes; without userxattr `rm -r d; mkdir
        // d` fails with EIO, because the directory cannot be marked as opaque. Any user can set
        // these on their own files, so the kernel honours them only in an overlay mounted with this
        // option.
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
