/// Makes a time namespace whose clocks differ from the machine's by the offsets of the spec, and joins it
/// (time_namespaces(7)).
pub(crate) fn offset_clocks(spec: &Spec) -> Result<()> {
    let Some(linux) = spec.linux.as_ref().filter(|linux| !linux.time_offsets.is_empty()) else {
        return Ok(());
    };
    nix::sched::unshare(nix::sched::CloneFlags::from_bits_retain(libc::CLONE_NEWTIME))
        .step(|| "create a time namespace".into())?;
    let procfs = Procfs::open()?;
    for (clock, offset) in &linux.time_offsets {
        let line = format!("{clock} {} {}", offset.secs, offset.nanosecs);
        procfs.write("self/timens_offsets", &line).step(|| format!("set the clock {line}"))?;
    }
    // unshare(2) makes the namespace for the children of this process. This process has to join it.
    let own = procfs.namespace("self", "time_for_children");
    own.and_then(|own| Ok(hull_sys::process::setns(own.as_fd(), libc::CLONE_NEWTIME)?))
        .step(|| "join the new time namespace".into())
}
