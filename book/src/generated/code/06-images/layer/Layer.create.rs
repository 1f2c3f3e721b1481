/// Creates the file of an entry. Returns whether its owner and mode are still to be set.
fn create(&mut self, entry: &mut Entry<'_, &mut dyn Read>, at: &Path) -> Result<bool> {
    match entry.header().entry_type() {
        EntryType::Directory => make_directory(at).context("mkdir")?,
        // The link may have any target: only the container follows it, from the container's own
        // root.
        EntryType::Symlink => symlink(link_target(entry)?, at).context("symlink")?,
        EntryType::Link => {
            // A hard link names an existing file by its path, and a stranger chose that path too.
            let (_held, from) = self.target(&relative(&link_target(entry)?)?)?;
            fs::hard_link(from, at).context("link")?;
            // It is the same file as `from`, which has its owner and mode already.
            return Ok(false);
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            // The file must be new: opening an existing one could follow a link.
            let options = File::options().write(true).create_new(true).mode(0o600).clone();
            io::copy(entry, &mut options.open(at).context("create")?).context("write")?;
        }
        EntryType::Char | EntryType::Block | EntryType::Fifo => return self.make_device(entry, at),
        kind => {
            report::trace(format!("left out {}: an entry of type {kind:?}", at.display()));
            return Ok(false);
        }
    }
    Ok(true)
}
