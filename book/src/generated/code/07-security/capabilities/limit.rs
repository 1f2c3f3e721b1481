/// Leaves `program` these and no others; without a list the usual ones.
/// In two steps, because two of the sets are needed until the very end and two are not.
pub fn limit(program: &mut Command, keep: Option<Vec<String>>) -> Result<()> {
    let names = keep.unwrap_or_else(|| USUAL.map(String::from).into());
    let keep: CapsHashSet = names.iter().filter_map(|name| parse(name)).collect();
    // Ours may be smaller than all there are already: inside another container it is.
    let bounding = caps::read(None, CapSet::Bounding).context("prctl(PR_CAPBSET_READ)")?;
    let gone: HashSet<_> = bounding.difference(&keep).collect();
    // One at a time, and CAP_SETPCAP is needed for it: this set can only shrink.
    for capability in &gone {
        caps::drop(None, CapSet::Bounding, **capability)
            .with_context(|| format!("prctl(PR_CAPBSET_DROP, {capability})"))?;
    }
    report::trace(format!("prctl(PR_CAPBSET_DROP), {} times   left: {}", gone.len(), names.join(" ")));
    // Empty by default; whoever started us may have filled them, as systemd does with AmbientCapabilities=.
    caps::clear(None, CapSet::Ambient).context("prctl(PR_CAP_AMBIENT_CLEAR_ALL)")?;
    caps::clear(None, CapSet::Inheritable).context("capset(inheritable)")?;
    // The others not before the user is the image's: to become that takes CAP_SETUID, whether it is kept or not.
    let rest = move || give_up(&keep).map_err(|error| io::Error::other(format!("{error:#}")));
    // SAFETY: there is one thread, and so no lock that another one could have held when this process was forked.
    unsafe { program.pre_exec(rest) };
    Ok(())
}
