/// Waits once, and does what has become possible.
fn turn(&mut self, buffer: &mut [u8]) -> Result<Option<Event>, Errno> {
    let mut event = None;
    let sources = self.wait()?;
    // Several sources may belong to the network. One call serves all of them.
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
            // Nothing to do: the next wait polls the listener again, because its timer is not set.
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
