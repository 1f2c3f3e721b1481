/// Returns once `pidfd` says the container's first process is gone and its output has been read.
pub(super) fn run(&mut self, pidfd: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut buffer = vec![0; MAX_PAYLOAD / 2];
    let stays = Instant::now() + SHORT;
    let mut exited = false;
    while !exited {
        let left = stays.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        exited = self.turn(Some(pidfd), Some(left), &mut buffer)?;
    }
    if !exited {
        // From here on it waits, perhaps for weeks.
        hull_sys::memory::give_back();
    }
    while !exited {
        exited = self.turn(Some(pidfd), None, &mut buffer)?;
    }
    self.drain(&mut buffer);
    Ok(())
}
