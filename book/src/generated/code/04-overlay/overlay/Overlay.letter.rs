/// The letter of an entry of upper: A for added, C for changed, D for deleted.
pub fn letter(&self, path: &Path, found: &Metadata) -> char {
    // The whiteout comes first, because the path that it deletes is in a lower directory too.
    match (is_whiteout(found), self.is_in_a_lower(path)) {
        (true, _) => 'D',
        (false, true) => 'C',
        (false, false) => 'A',
    }
}
