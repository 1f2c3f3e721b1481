/// Restricts `program` to these capabilities, or to the usual ones. In two steps, because two of
/// the sets are needed until the execve.
pub fn limit(program: &mut Command, keep: Option<Vec<String>>) -> Result<()> {
    let names = keep.unwrap_or_else(|| USUAL.map(String::from).into());
    let keep: CapsHashSet = names.iter().filter_map(|name| parse(name)).collect();
    // The present set may be smaller than the full one, as in another container.
    let bounding = caps::read(None, CapSet::Bounding).context("prctl(PR_CAPBSET_READ)")?;
    let gone: HashSet<_> = bounding.difference(&keep).collect();
    // Each is dropped by a call of its own, which takes CAP_SETPCAP. The bounding set can only
    // shrink.
    for capability in &gone {
        caps::drop(None, CapSet::Bounding, **capability)
            .with_context(|| format!("prctl(PR_CAPBSET_DROP, {capability})"))?;
    }
    report::trace(format!("prctl(PR_CAPBSET_DROP), {} times   left: {}", gone.len(), names.join(" ")));
    // Empty by default, but the caller may have filled them, as systemd does with
    // AmbientCapabilities=.
    caps::clear(None, CapSet::Ambient).context("prctl(PR_CAP_AMBIENT_CLEAR_ALL)")?;
    caps::clear(None, CapSet::Inheritable).context("capset(inheritable)")?;
    // The other sets follow after the change to the image's user, which takes CAP_SETUID even if
    // that is not kept.
    let rest = move || give_up(&keep).map_err(|error| io::Error::other(format!("{error:#}")));
    // SAFETY: this process has one thread, so no lock is held in the forked child.
    unsafe { program.pre_exec(rest) };
    Ok(())
}
