/// Forwards signals to `child` and reaps, until it ends. Its exit code, or 128 and the signal that ended it.
pub fn serve(signals: &SignalFd, child: Pid) -> Result<ExitCode> {
    loop {
        let Some(info) = signals.read_signal().context("read(signalfd)")? else { continue };
        // Real-time signals have no name here.
        let Ok(signal) = Signal::try_from(info.ssi_signo as i32) else { continue };
        // Positive codes are the kernel's (sigaction(2)). A ^C is one: the terminal sends it to its whole foreground,
        // of which the program is part, and to forward it would be to send it twice.
        // Everybody else's have a code of 0 or less: kill(1), or a service manager that is shutting down.
        let is_from_kernel = info.ssi_code > 0;
        match signal {
            Signal::SIGCHLD => {
                if let Some(code) = reap(child)? {
                    return Ok(ExitCode::from(code));
                }
            }
            // ^Z has stopped the program, so stop with it: that is what gives the shell its terminal back. To process 1
            // its own namespace cannot deliver this.
            Signal::SIGTSTP if is_from_kernel => raise(Signal::SIGSTOP).context("raise(SIGSTOP)")?,
            _ if is_from_kernel => {}
            signal => {
                report::trace(format!("kill({child}, {signal})"));
                // It may have ended a moment ago: then it is reaped next.
                let _ = kill(child, signal);
            }
        }
    }
}
