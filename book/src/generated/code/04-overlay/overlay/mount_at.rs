/// Mounts the overlay, in the container's mount namespace, and returns the path of merged.
pub fn mount_at(dir: &Path, lowers: &[String]) -> Result<PathBuf> {
    let merged = dir.join("merged");
    let options = options(dir, lowers, in_user_namespace());
    let call = format!("mount(overlay -> {}, {options})", merged.display());
    mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(|errno| explain(errno, dir))
        .with_context(|| call.clone())?;
    report::trace(call);
    Ok(merged)
}
