//! The session of an `exec`: a short-lived process that is to the started program what a monitor is to a container. It
//! holds the terminal or the pipes, so that the program gets no descriptor of the command's, and so that the command
//! can detach. It also reaps the program. Until that is done, the container's first process cannot end
//! (pid_namespaces(7)); the command cannot do it, because its user may have stopped it.

use std::os::fd::AsFd;

use hull_runtime::{Running, Stdio};
use hull_sys::process::{self, Fork};

use super::clients::Client;
use super::event_loop::EventLoop;
use super::run::{detach, fail};
use super::stdio::{self, Streams};
use crate::attach::{AttachStream, Connection, Message};
use crate::error::{Error, IoContext, Report, Result};

/// Starts the program with the given descriptors. Returns it and, if it has a terminal, the terminal's master.
pub(crate) type Enter<'a> = &'a dyn Fn(Stdio) -> Result<(Running, Option<std::os::fd::OwnedFd>)>;

/// Forks the session and returns the command's attachment to it, which a detached command drops.
pub(crate) fn launch(enter: Enter<'_>, tty: bool, interactive: bool, detached: bool) -> Result<AttachStream> {
    let (ours, theirs) = Connection::pair().context(|| "create a socket pair".into())?;
    match process::fork().context(|| "fork the session".into())? {
        Fork::Child => {
            drop(ours);
            let outcome = live(&theirs, enter, tty, interactive, detached);
            if let Err(error) = &outcome {
                fail(&theirs, error);
            }
            process::exit_now(i32::from(outcome.is_err()))
        }
        Fork::Parent { .. } => {
            drop(theirs);
            let mut buffer = Vec::new();
            match ours.receive(&mut buffer).context(|| "wait for the session".into())? {
                Some(Message::Failed(report)) => Err(Report::decode(report).into()),
                Some(_) => Ok(AttachStream::new(ours)),
                None => Err(Error::MonitorDied),
            }
        }
    }
}

fn live(command: &Connection, enter: Enter<'_>, tty: bool, interactive: bool, detached: bool) -> Result<()> {
    detach(&[command.as_fd()])?;
    let (running, streams) = match tty {
        true => {
            let (running, console) = enter(Stdio::Terminal)?;
            (running, Streams::terminal(console)?)
        }
        false if detached => {
            let null = || stdio::null().map(Some);
            let fds = Stdio::Fds { stdin: null()?, stdout: null()?, stderr: null()? };
            (enter(fds)?.0, Streams::default())
        }
        false => {
            let (streams, child) = Streams::pipes(interactive)?;
            let fds = Stdio::Fds { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr };
            (enter(fds)?.0, streams)
        }
    };
    let mut events = EventLoop { streams, stdin_once: !tty, ..EventLoop::default() };
    let other = rustix::io::fcntl_dupfd_cloexec(command, 3).context(|| "copy a descriptor".into())?;
    if command.send(&Message::Started).is_ok() {
        events.clients.add(Client::starter(Connection::from(other)));
    }
    let running = events.run_until_exit(running).context(|| "wait for the process".into())?;
    let code = process::reap(running.pidfd.as_fd()).context(|| "read the program's exit status".into())?;
    events.clients.say_exited(code);
    // The program is reaped. Only the client waits for this session, so the client may take any time to read.
    events.clients.flush_until(None);
    Ok(())
}
