/// Makes a bind mount detached, sets its attributes, and attaches it last, so that nobody ever sees it writable.
fn bind(
    rootfs: &Rootfs,
    mount: &Mount,
    options: &Options,
    bundle: &Path,
    prepared: Option<&OwnedFd>,
) -> Result<OwnedFd> {
