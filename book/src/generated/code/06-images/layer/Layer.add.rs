/// Creates one entry. An existing file of the same name is removed first: writing to the file
/// could follow a link, or change a file that has a second name.
fn add(&mut self, entry: &mut Entry<'_, &mut dyn Read>, path: &Path) -> Result<()> {
    // From here on the path is relative and without `..`.
    let path = relative(path)?;
    // The entry `./`, with which many tars begin, is the layer's directory itself.
    let Some(name) = path.file_name().map(OsStr::to_owned) else { return Ok(()) };
    let (_held, at) = self.target(&path)?;
    if let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") {
        return whiteout(&at, OsStr::from_bytes(hidden));
    }
    let is_directory = entry.header().entry_type().is_dir();
    let was_whiteout = clear(&at, is_directory).context("unlink")?;
    if !self.create(entry, &at)? {
        return Ok(());
    }
    if is_directory {
        // The layer deletes the lower directory and contains a new one. A whiteout and a
        // directory cannot have the same name, so the new directory hides the content of the
        // lower one.
        if was_whiteout {
            set_attribute(&at, opaque(), b"y")?;
        }
        let header = entry.header();
        self.directories.push((path, header.mode()? & 0o7777, header.mtime()?));
    }
    self.finish(entry, &at)
}
