pub(super) struct Worker<'a> {
    pub server: &'a mut Server,
    pub status: &'a Writer,
    /// The pid of the parent.
    pub parent: u32,
}
