/// Converts a whiteout of the image format, `.wh.` and the name of the hidden file, to overlay's own
/// mark. A tar has no entry for "deleted", so images use the names of aufs, docker's first union
/// file system.
fn whiteout(at: &Path, hidden: &OsStr) -> Result<()> {
    let directory = at.parent().unwrap_or(at);
    match hidden.as_bytes() {
        // This directory hides everything that the lower layers have in it.
        b".wh..opq" => return set_attribute(&directory.join("."), opaque(), b"y"),
        b"" | b"." | b".." => bail!("a whiteout without the name of a file"),
        // aufs used these files for its own data.
        name if name.starts_with(b".wh.") => return Ok(()),
        _ => {}
    }
    let at = directory.join(hidden);
    match fs::symlink_metadata(&at) {
        // The layer has a new directory of that name, so the whiteout is about the lower one.
        Ok(found) if found.is_dir() => set_attribute(&at, opaque(), b"y"),
        // The layer has a new file of that name, which hides the lower one.
        Ok(_) => Ok(()),
        // Overlay's whiteout is the device 0,0, which everybody may create.
        Err(_) => mknod(&at, SFlag::S_IFCHR, Mode::empty(), makedev(0, 0)).context("mknod(c, 0, 0)"),
    }
}
