/// Reduces the effective and the permitted set, just before the execve. An execve as root fills both
/// from the bounding set again; for another user this call decides.
fn give_up(keep: &CapsHashSet) -> Result<()> {
    // A change from root to another user has emptied both sets.
    let left: CapsHashSet = caps::read(None, CapSet::Permitted)?.intersection(keep).copied().collect();
    // The effective set comes first, because it must stay a subset of the permitted set.
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &left).with_context(|| format!("capset({set:?})"))?;
    }
    report::trace(format!("capset(effective, permitted)   {} of them", left.len()));
    Ok(())
}
