/// The namespaces that the child gets. Everybody but root also needs a user namespace, because
/// creating any other kind takes CAP_SYS_ADMIN.
fn flags() -> CloneFlags {
    let mut flags = CloneFlags::CLONE_NEWUTS;
    if idmap::is_needed() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    flags
}
