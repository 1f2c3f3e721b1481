/// Collects the entries of upper. A directory there need not have changed itself: it has to
/// exist for a changed file in it, and its owner, mode and times are copied up with it.
fn collect(&self, below: &Path, changes: &mut Vec<Change>) -> io::Result<()> {
    let directory = self.dir.join("upper").join(below);
    for entry in fs::read_dir(&directory)? {
        let path = below.join(entry?.file_name());
        let upper = directory.join(path.file_name().unwrap_or_default());
        let found = fs::symlink_metadata(&upper)?;
        // The whiteout comes first: the path it deletes is in a lower directory as well.
        let letter = match (is_whiteout(&found), self.is_in_a_lower(&path)) {
            (true, _) => 'D',
            (false, true) => 'C',
            (false, false) => 'A',
        };
        changes.push(Change { letter, path: Path::new("/").join(&path), kind: kind(&upper, &found) });
        // A program may have made its own directory unreadable.
        if found.is_dir() && self.collect(&path, changes).is_err() {
            report::trace(format!("cannot look into {}", upper.display()));
        }
    }
    Ok(())
}
