/// Reduces the effective and the permitted set, just before the execve. For root, an execve fills
/// both sets from the bounding set again. For another user, an execve adds no capability.
fn give_up(keep: &CapsHashSet) -> Result<()> {
    // If the process changed from root to another user, both sets are already empty.
    let left: CapsHashSet = caps::read(None, CapSet::Permitted)?.intersection(keep).copied().collect();
    // The effective set comes first, because it must stay a subset of the permitted set.
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &left).with_context(|| format!("capset({set:?})"))?;
    }
    report::trace(format!("capset(effective, permitted)   {} of them", left.len()));
    Ok(())
}
