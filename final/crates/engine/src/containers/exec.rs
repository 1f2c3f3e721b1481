//! `exec`: another process in a running container. The command line starts it with one call, docker's API with several, each of
//! which may come from another process.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hull_docker::detach_keys::DetachKeys;
use hull_docker::wire::exec::{Exec, ExecProcess, ExecRequest};

use crate::attach::{AttachStream, Connection};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::events::ExecEvents;
use crate::handle::enter::{Entry, first_process};
use crate::handle::running::{readable, resize};
use crate::monitor::session;
use crate::records::exec_instance::{self, ExecInstance, Identity, Registered};
use crate::records::exec_registry;
use crate::records::options::{ExecOptions, WindowSize};

/// How long a resize waits for the start of its program, as dockerd's does.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it looks if the kernel has no inotify instance left for this user.
const LOOK: Duration = Duration::from_millis(20);

/// The exit code of a program whose session was killed.
const KILLED: i32 = 137;

impl Engine {
    /// Starts a command in a container. Returns an attachment to it, or `None` when detached.
    pub fn exec(&self, name: &str, options: &ExecOptions) -> Result<Option<AttachStream>> {
        let record = self.find(name)?;
        let snapshot = self.snapshot_after_start(&record.id)?;
        let entry = Entry::prepare(self, &record, &snapshot, options, Identity::new()?)?;
        let events =
            ExecEvents { engine: self, record: &record, id: &entry.instance().id, command: &options.command };
        let program = session::Program { entry: &entry, options, events: &events, is_registered: false };
        let stream = session::launch(&program).map_err(|error| entry.unless_ended(error))?;
        Ok((!options.detach).then_some(stream))
    }

    /// Creates an exec instance, which [`Self::start_exec`] starts. Returns its id. It is forgotten when the container's
    /// present run ends before it is started.
    pub fn create_exec(&self, name: &str, request: ExecRequest) -> Result<String> {
        let record = self.find(name)?;
        if request.cmd.is_empty() {
            let (what, why) = ("exec".to_owned(), "No exec command specified".to_owned());
            return Err(Error::Invalid { what, why });
        }
        detach_keys(&request)?;
        let snapshot = self.clear_if_dead(&record, self.snapshot_after_start(&record.id)?)?;
        let init = first_process(&record, &snapshot)?.clone();
        let identity = Identity::new()?;
        let registered = Registered { container: record.id.clone(), init, request: request.clone() };
        let options = ExecOptions::from(request);
        if options.user.is_some() {
            // As dockerd does: a user that does not exist is an error of this request, and not of the start.
            Entry::prepare(self, &record, &snapshot, &options, Identity::new()?)?;
        }
        exec_registry::register(self.root(), &identity, &options, &registered)?;
        let (id, command) = (&identity.id, &options.command);
        ExecEvents { engine: self, record: &record, id, command }.created().emit(self);
        Ok(identity.id)
    }

    /// Starts an instance, once. Returns an attachment to its program, or `None` when detached. `size` is that of the
    /// caller's terminal, if it is not the one that the instance was created with.
    pub fn start_exec(
        &self,
        id: &str,
        detach: bool,
        size: Option<WindowSize>,
    ) -> Result<Option<AttachStream>> {
        let (container, instance) = exec_registry::find(self.root(), id)?;
        exec_registry::may_start(&instance)?;
        let record = self.find(&container)?;
        let snapshot = self.clear_if_dead(&record, self.snapshot_after_start(&record.id)?)?;
        let created = instance.created;
        let options = ExecOptions { detach, size: size.or(created.options.size), ..created.options };
        let entry = Entry::prepare(self, &record, &snapshot, &options, created.identity)?;
        let events = ExecEvents { engine: self, record: &record, id, command: &options.command };
        let program =
            session::Program { entry: &entry, options: &options, events: &events, is_registered: true };
        let stream = session::launch(&program).map_err(|error| entry.unless_ended(error))?;
        Ok((!detach).then_some(stream))
    }

    /// How an instance was created, and docker's `exec inspect` of it. Instances are known until some minutes after their ends.
    pub fn inspect_exec(&self, id: &str) -> Result<(ExecRequest, Exec)> {
        let (container, instance) = exec_registry::find(self.root(), id)?;
        let options = &instance.created.options;
        let request = match &instance.created.registered {
            Some(registered) => registered.request.clone(),
            None => ExecRequest {
                attach_stdin: options.interactive,
                attach_stdout: !options.detach,
                attach_stderr: !options.detach,
                ..ExecRequest::default()
            },
        };
        let (entrypoint, arguments) = match options.command.split_first() {
            Some((program, arguments)) => (program.clone(), arguments.to_vec()),
            None => Default::default(),
        };
        let exec = Exec {
            id: id.to_owned(),
            running: instance.is_running(),
            exit_code: exit_code(&instance),
            process_config: ExecProcess {
                tty: options.tty,
                entrypoint,
                arguments,
                privileged: options.privileged,
                user: options.user.clone().unwrap_or_default(),
            },
            open_stdin: request.attach_stdin,
            open_stderr: request.attach_stderr,
            open_stdout: request.attach_stdout,
            can_remove: false,
            container_id: container,
            detach_keys: detach_keys(&request)?,
            pid: instance.process.as_ref().map_or(0, |process| process.pid),
        };
        Ok((request, exec))
    }

    /// An error if an instance does not exist, or if its container takes no process at present.
    pub fn check_exec(&self, id: &str) -> Result<()> {
        let (container, _) = exec_registry::find(self.root(), id)?;
        let record = self.find(&container)?;
        let snapshot = self.clear_if_dead(&record, self.snapshot_after_start(&record.id)?)?;
        first_process(&record, &snapshot).map(drop)
    }

    /// Sets the size of the terminal of an instance's program, and waits for its start. A program without a terminal
    /// ignores it, as in docker.
    pub fn resize_exec(&self, id: &str, size: WindowSize) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            // Before the look, so that no change is missed.
            let changes = exec_registry::watch(self.root(), id);
            let (_, instance) = exec_registry::find(self.root(), id)?;
            if instance.process.is_some() || instance.ended.is_some() {
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::ExecNotStarted { id: id.to_owned() });
            }
            match changes {
                Some(changes) => drop(readable(&changes, Some(left))?),
                None => std::thread::sleep(LOOK.min(left)),
            }
        }
        let context = || format!("reach the session of exec {id}");
        let connection = Connection::connect_to(&exec_registry::socket(self.root(), id), START_TIMEOUT)
            .context(context)?;
        resize(&connection, size)
    }

    /// The exec instances of a container: those that run, and those that have ended in the last minutes and that somebody
    /// may ask for.
    pub fn exec_instances(&self, name: &str) -> Result<Vec<ExecInstance>> {
        Ok(exec_instance::all(self.root(), &self.find(name)?.id))
    }
}

fn exit_code(instance: &ExecInstance) -> Option<i32> {
    match &instance.ended {
        Some(ended) => Some(ended.exit_code),
        // Its session was killed, and nobody knows how it ended.
        None => (instance.session.is_some() && !instance.is_running()).then_some(KILLED),
    }
}

/// The bytes of a request's detach keys, in base64 as Go encodes bytes.
fn detach_keys(request: &ExecRequest) -> Result<String> {
    if request.detach_keys.is_empty() {
        return Ok(String::new());
    }
    let keys = DetachKeys::new(Some(&request.detach_keys));
    let keys = keys.map_err(|why| Error::Invalid { what: "exec".into(), why })?;
    Ok(STANDARD.encode(keys.sequence()))
}
