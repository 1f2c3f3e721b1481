/// Upper read back. That it is there means that it has changed; the rest is what it was before.
fn collect(&self, below: &Path, changes: &mut Vec<Change>) -> io::Result<()> {
    let directory = self.dir.join("upper").join(below);
    for entry in fs::read_dir(&directory)? {
        let path = below.join(entry?.file_name());
        let upper = directory.join(path.file_name().unwrap_or_default());
        let found = fs::symlink_metadata(&upper)?;
        let letter = match (is_whiteout(&found), self.is_in_a_lower(&path)) {
            (true, _) => 'D',
            (false, true) => 'C',
            (false, false) => 'A',
        };
        changes.push(Change { letter, path: Path::new("/").join(&path), kind: kind(&upper, &found) });
        // A program may have taken from itself the right to look into its own directory.
        if found.is_dir() && self.collect(&path, changes).is_err() {
            report::tell(format!("cannot look into {}", upper.display()));
        }
    }
    Ok(())
}
