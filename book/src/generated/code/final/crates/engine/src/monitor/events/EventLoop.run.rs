/// Returns once `pidfd` says the container's first process is gone and its output has been read.
pub(super) fn run(&mut self, pidfd: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut buffer = vec![0; MAX_PAYLOAD / 2];
    while !self.turn(Some(pidfd), None, &mut buffer)? {}
    self.drain(&mut buffer);
    Ok(())
}
