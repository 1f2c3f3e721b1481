/// Forwards signals to `child` and reaps processes until it ends. Returns its exit code, or 128
/// plus the number of the signal that ended it.
pub fn serve(signals: &SignalFd, child: Pid) -> Result<ExitCode> {
    loop {
        let Some(info) = signals.read_signal().context("read(signalfd)")? else { continue };
        // nix has no names for real-time signals.
        let Ok(signal) = Signal::try_from(info.ssi_signo as i32) else { continue };
        // A positive si_code means that the kernel sent the signal (sigaction(2)). ^C is such a
        // signal. The terminal sends it to its whole foreground group, so the program has it already,
        // and must not get it twice. Signals from other processes have a code of 0 or less.
        let is_from_kernel = info.ssi_code > 0;
        match signal {
            Signal::SIGCHLD => {
                if let Some(code) = reap(child)? {
                    return Ok(ExitCode::from(code));
                }
            }
            // ^Z has stopped the program. Stop too, so that the shell gets the terminal back.
            // (Process 1 does not get this signal from its own namespace.)
            Signal::SIGTSTP if is_from_kernel => raise(Signal::SIGSTOP).context("raise(SIGSTOP)")?,
            _ if is_from_kernel => {}
            signal => {
                report::trace(format!("kill({child}, {signal})"));
                // An error means that the child has just ended. It is reaped next.
                let _ = kill(child, signal);
            }
        }
    }
}
