//! The session of an `exec`: a short-lived process that is to the started program what a monitor is to a container. It
//! holds the terminal or the pipes, so that the program gets no descriptor of the command's, and so that the command
//! can detach. It also reaps the program. Until that is done, the container's first process cannot end
//! (pid_namespaces(7)); the command cannot do it, because its user may have stopped it.

use std::os::fd::AsFd;

use hull_runtime::{Running, Stdio};
use hull_sys::process::{self, Fork};

use super::clients::Client;
use super::detach::{detach, fail};
use super::event_loop::EventLoop;
use super::stdio::{self, Streams};
use crate::attach::{AttachStream, Connection, Listener, Message};
use crate::error::{Error, IoContext, Report, Result};
use crate::events::ExecEvents;
use crate::handle::enter::Entry;
use crate::records::exec_instance::{self, ExecRecord};
use crate::records::exec_registry;
use crate::records::options::ExecOptions;
use crate::records::state::Exit;

/// What a session runs.
pub(crate) struct Program<'a> {
    pub entry: &'a Entry<'a>,
    pub options: &'a ExecOptions,
    pub events: &'a ExecEvents<'a>,
    /// The instance was created before, and processes other than the caller can reach the session.
    pub is_registered: bool,
}

/// Forks the session and returns the command's attachment to it, which a detached command drops.
pub(crate) fn launch(program: &Program<'_>) -> Result<AttachStream> {
    let (ours, theirs) = Connection::pair().context(|| "create a socket pair".into())?;
    match process::fork().context(|| "fork the session".into())? {
        Fork::Child => {
            drop(ours);
            let outcome = live(&theirs, program);
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

fn live(command: &Connection, program: &Program<'_>) -> Result<()> {
    detach(&[command.as_fd()])?;
    let (mut record, listener) = begin(program)?;
    if program.is_registered {
        program.events.started().emit(program.events.engine);
    }
    let started = start(program, &mut record);
    if !program.is_registered {
        program.events.begun();
    }
    let (running, streams) = match started {
        Ok(started) => started,
        Err(error) => {
            program.entry.leave();
            record.failed(Exit::of_failed_start(&error, Exit::default()).code.into(), program.is_registered);
            return Err(error);
        }
    };
    let mut events = EventLoop {
        streams,
        listener,
        stdin_once: !program.options.tty,
        left: Some((program.events.engine.clone(), program.events.left())),
        ..EventLoop::default()
    };
    let other = rustix::io::fcntl_dupfd_cloexec(command, 3).context(|| "copy a descriptor".into())?;
    if command.send(&Message::Started).is_ok() {
        events.clients.add(Client::starter(Connection::from(other)));
    }
    let running = events.run_until_exit(running).context(|| "wait for the process".into())?;
    let code = process::reap(running.pidfd.as_fd()).context(|| "read the program's exit status".into())?;
    program.entry.leave();
    record.ended(code.into());
    program.events.ended(code);
    events.clients.say_exited(code);
    let root = program.events.engine.root();
    if program.is_registered {
        // Nobody connects any more. What cannot be removed is collected later.
        let _ = hull_storage::file::remove(&exec_registry::socket(root, &program.entry.instance().id));
        let _ = exec_registry::collect(root);
    }
    // The program is reaped. Only the client waits for this session, so the client may take any time to read.
    events.clients.flush_until(None);
    Ok(())
}

/// Records the session, and listens if others are to reach it.
fn begin(program: &Program<'_>) -> Result<(ExecRecord, Option<Listener>)> {
    let (root, container) = (program.events.engine.root(), &program.events.record.id);
    if program.options.detach {
        exec_instance::collect(root, container);
    }
    let instance = program.entry.instance();
    if !program.is_registered {
        let record = ExecRecord::create(root, container, instance, program.options)?;
        return Ok((record, None));
    }
    let record = exec_registry::take(root, &instance.id)?;
    let path = exec_registry::socket(root, &instance.id);
    let listener = Listener::bind_to(&path).context(|| format!("listen on {}", path.display()));
    match listener {
        Ok(listener) => Ok((record, Some(listener))),
        Err(error) => {
            record.failed(Exit::of_failed_start(&error, Exit::default()).code.into(), true);
            Err(error)
        }
    }
}

/// Starts the program and records its process, or leaves neither.
fn start(program: &Program<'_>, record: &mut ExecRecord) -> Result<(Running, Streams)> {
    let ExecOptions { tty, interactive, detach, .. } = *program.options;
    let ((running, console), streams) = match tty {
        true => (program.entry.start(Stdio::Terminal)?, None),
        false if detach => {
            let null = || stdio::null().map(Some);
            let fds = Stdio::Fds { stdin: null()?, stdout: null()?, stderr: null()? };
            (program.entry.start(fds)?, Some(Streams::default()))
        }
        false => {
            let (streams, child) = Streams::pipes(interactive)?;
            let fds = Stdio::Fds { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr };
            (program.entry.start(fds)?, Some(streams))
        }
    };
    let streams = streams.map_or_else(|| Streams::terminal(console), Ok);
    match streams.and_then(|streams| record.started(running.pid).map(|()| streams)) {
        Ok(streams) => Ok((running, streams)),
        Err(error) => {
            let killed = process::kill_and_reap(running.pidfd.as_fd()).map(drop);
            Err(error.with_undo(killed.context(|| format!("kill process {}", running.pid))))
        }
    }
}
