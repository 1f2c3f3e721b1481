/// Upper read back. That it is there means that it has changed; the rest is what it was before.
/// A directory in upper need not have changed itself: it has to be there for a changed file in it to have a
/// place, and its owner, mode and times are copied up with it.
fn collect(&self, below: &Path, changes: &mut Vec<Change>) -> io::Result<()> {
    let directory = self.dir.join("upper").join(below);
    for entry in fs::read_dir(&directory)? {
        let path = below.join(entry?.file_name());
        let upper = directory.join(path.file_name().unwrap_or_default());
        let found = fs::symlink_metadata(&upper)?;
        // In this order: a whiteout of something that was a lower file is a deletion, and that there was
        // one is why it is here.
        let letter = match (is_whiteout(&found), self.is_in_a_lower(&path)) {
            (true, _) => 'D',
            (false, true) => 'C',
            (false, false) => 'A',
        };
        changes.push(Change { letter, path: Path::new("/").join(&path), kind: kind(&upper, &found) });
        // A program may have taken from itself the right to look into its own directory.
        if found.is_dir() && self.collect(&path, changes).is_err() {
            report::trace(format!("cannot look into {}", upper.display()));
        }
    }
    Ok(())
}
