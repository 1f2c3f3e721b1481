/// Returns once `pidfd` says the container's first process is gone and its output has been read.
pub(super) fn run(&mut self, pidfd: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut buffer = vec![0; MAX_PAYLOAD / 2];
    let mut short = Some(Instant::now() + SHORT);
    let left = |until: Instant| until.saturating_duration_since(Instant::now());
    while !self.turn(Some(pidfd), short.map(left), &mut buffer)? {
        if short.is_some_and(|until| left(until).is_zero()) {
            // From here on it waits, perhaps for weeks.
            hull_sys::memory::give_back();
            short = None;
        }
    }
    self.drain(&mut buffer);
    Ok(())
}
