/// Collects the entries of upper below the path `below`. A directory in upper need not have
/// changed itself: a changed file needs its parent directory there, with the owner, mode and
/// times of the lower one.
pub fn collect(&self, below: &Path, changes: &mut Vec<Change>) -> io::Result<()> {
    let directory = self.dir.join("upper").join(below);
    for entry in fs::read_dir(&directory)? {
        let path = below.join(entry?.file_name());
        let upper = directory.join(path.file_name().unwrap_or_default());
        let found = fs::symlink_metadata(&upper)?;
        let letter = self.letter(&path, &found);
        changes.push(Change { letter, path: Path::new("/").join(&path), kind: kind(&upper, &found) });
        // A program may have made its own directory unreadable.
        if found.is_dir() && self.collect(&path, changes).is_err() {
            report::trace(format!("cannot look into {}", upper.display()));
        }
    }
    Ok(())
}
