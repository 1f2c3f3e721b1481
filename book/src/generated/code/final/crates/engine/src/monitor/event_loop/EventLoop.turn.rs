/// One wait, and what follows from it.
fn turn(&mut self, buffer: &mut [u8]) -> Result<Option<Event>, Errno> {
    let mut event = None;
    let sources = self.wait()?;
    // Several of the sources may be the network's, which serves all of its own at once.
    if sources.iter().any(|source| matches!(source, Source::Network)) {
        self.serve_network();
    }
    for source in sources {
        match source {
            Source::Network => {}
            Source::Log => self.log.resume(),
            Source::Exit => event = Some(Event::Exited),
            Source::Listener => self.accept(),
            Source::Output(stream) => drop(self.pump(stream, buffer)),
            Source::Input => self.streams.flush_input(),
            Source::Client(index) => self.serve_client(index),
            Source::Checked => self.health_checked(),
            Source::Orphan => {
                if let Some(checks) = &mut self.checks {
                    checks.orphans.reap();
                }
            }
        }
    }
    while let Some(timer) = self.timers.take_due() {
        match timer {
            // The listener is polled again now that its timer is not set.
            Timer::Accept => {}
            Timer::Terminal => self.read_closed_terminal(buffer),
            Timer::Network => self.serve_network(),
            Timer::Check => self.check_health(),
            Timer::Kill => self.signal(nix::libc::SIGKILL as u8),
            Timer::ReturnMemory => event = event.or(Some(Event::MemoryDue)),
            Timer::Restart => event = event.or(Some(Event::RestartDue)),
        }
    }
    self.forget_clients();
    Ok(event)
}
