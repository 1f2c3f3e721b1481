//! The network of a stage. Attaching a network takes a third of a short step, and the start of a user-mode network's program
//! several times as long, so the steps of a stage share one network namespace.
//!
//! A process of its own holds the attachment: the holder. It has a record like a step, and addresses are leased to it, so
//! what a killed holder leaves is removed as that of a killed monitor is. It ends when its builder closes the connection.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use hull_network::namespace;
use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;
use hull_sys::process::{self, Fork};
use nix::sched::CloneFlags;

use super::create::StepOptions;
use crate::attach::{Connection, Message};
use crate::engine::Engine;
use crate::error::{Error, Errors, IoContext, Report, Result};
use crate::gc::removal::{Remains, remove_files};
use crate::monitor::detach::{detach, fail};
use crate::net::Attachment;
use crate::new_volumes::NewVolumes;
use crate::records::monitor_lock::MonitorLock;
use crate::records::options::{CreateOptions, NetworkMode};
use crate::records::record::Record;
use crate::records::run_dir;
use crate::records::state::{Phase, State};

/// A network namespace that is attached to the default network, for the steps of one stage. Dropped, it is detached.
#[derive(Debug)]
pub struct StageNetwork {
    namespace: OwnedFd,
    holder: OwnedFd,
    /// `None` once the holder has been told to end.
    connection: Option<Connection>,
}

impl Engine {
    /// Attaches a network namespace as a step with these options would be. `None` if the steps cannot share it: they have
    /// the host's network or none, or a network with names, which each step's monitor resolves.
    pub fn stage_network(&self, options: &CreateOptions) -> Result<Option<StageNetwork>> {
        let lock = self.lock_in_use()?;
        let step = StepOptions { options: options.clone(), args: vec!["/".into()], ..StepOptions::default() };
        let record = self.plan_step(step)?;
        let is_default = record.options.networks.iter().all(|option| option.network == crate::net::DEFAULT);
        match record.options.network {
            NetworkMode::Networks if is_default => {}
            NetworkMode::UserMode(_) => {}
            _ => return Ok(None),
        }
        self.make(&record, &mut NewVolumes::of_new(&record.id))?;
        drop(lock);
        let held = self.hold(&record);
        held.map(Some).map_err(|error| error.with_undo(crate::gc::steps::discard(self, &record.id)))
    }

    fn hold(&self, record: &Record) -> Result<StageNetwork> {
        let lock = self.lock(&record.id)?;
        let namespace = match record.options.network {
            NetworkMode::UserMode(_) => None,
            _ => Some(new_namespace()?),
        };
        let (ours, theirs) = Connection::pair().context(|| "create a socket pair".into())?;
        match process::fork().context(|| "fork the holder of a network".into())? {
            Fork::Child => {
                drop(ours);
                holder(self, record, &theirs, namespace, lock)
            }
            Fork::Parent { pid } => {
                drop(theirs);
                let holder = process::pidfd_open(pid).context(|| format!("open process {pid}"))?;
                let mut buffer = Vec::new();
                match ours.receive(&mut buffer).context(|| "wait for the network".into())? {
                    Some(Message::Failed(report)) => return Err(Report::decode(report).into()),
                    Some(_) => {}
                    None => return Err(Error::MonitorDied),
                }
                let namespace = match namespace {
                    Some(namespace) => namespace,
                    None => self.namespace_of(record, pid)?,
                };
                Ok(StageNetwork { namespace, holder, connection: Some(ours) })
            }
        }
    }

    /// The namespace that the holder has mounted in its own mount namespace.
    fn namespace_of(&self, record: &Record, holder: i32) -> Result<OwnedFd> {
        let path = crate::net::namespace_file(self.root(), &record.id);
        let path = format!("/proc/{holder}/root{}", path.display());
        Ok(File::open(&path).context(|| format!("open {path}"))?.into())
    }
}

impl StageNetwork {
    /// The namespace, for [`StepOptions::network`].
    pub fn namespace(&self) -> Result<OwnedFd> {
        self.namespace.try_clone().context(|| "duplicate a descriptor".into())
    }
}

impl Drop for StageNetwork {
    fn drop(&mut self) {
        self.connection = None;
        // It detaches the network, and nothing of that is left when the build ends. If that fails, the next user of the
        // network removes the rest.
        let _ = process::reap(self.holder.as_fd());
    }
}

/// A network namespace in which no process is. It exists while the descriptor is open.
fn new_namespace() -> Result<OwnedFd> {
    let home = namespace::current()?;
    nix::sched::unshare(CloneFlags::CLONE_NEWNET).context(|| "make a network namespace".into())?;
    let created = namespace::current();
    process::setns(home.as_fd(), libc::CLONE_NEWNET)
        .context(|| "come back from the new network namespace".into())?;
    Ok(created?)
}

/// The holder, from the fork to its end.
fn holder(
    engine: &Engine,
    record: &Record,
    builder: &Connection,
    namespace: Option<OwnedFd>,
    lock: Lock,
) -> ! {
    let kept = [builder.as_fd(), lock.as_fd()].into_iter().chain(namespace.iter().map(AsFd::as_fd));
    let detached = detach(&kept.collect::<Vec<_>>());
    let outcome = match detached.and_then(|()| serve(engine, record, builder, namespace, lock)) {
        Ok(()) => 0,
        Err(error) => {
            fail(builder, &error);
            1
        }
    };
    process::exit_now(outcome)
}

fn serve(
    engine: &Engine,
    record: &Record,
    builder: &Connection,
    namespace: Option<OwnedFd>,
    lock: Lock,
) -> Result<()> {
    let root = engine.root();
    let _alive = MonitorLock::take(root, &record.id)?;
    let state = State {
        format: Record::FORMAT,
        phase: Phase::Running,
        monitor: ProcessId::of_self()?,
        init: None,
        cgroup: None,
        halt: None,
        started: None,
        restart_count: 0,
        runtime: None,
    };
    let mut network = Attachment::plan(engine.network_context(), record, &state.monitor, None)?;
    state.store(root, &record.id)?;
    crate::rootless::register_holder(root.run())?;
    drop(lock);
    let connected = connect(engine, record, &mut network, namespace);
    if connected.is_ok() {
        network.close_setup_sockets();
        // If the builder has gone, the connection is closed already.
        let _ = builder.send(&Message::Started);
        let _ = hull_sys::wait::until_readable(builder, None);
    }
    let mut errors = Errors::default();
    errors.note(network.release(root, &record.id));
    errors.note(run_dir::remove(root, &record.id));
    errors.note(remove_files(engine, Remains::of(record, false)));
    match connected {
        Ok(()) => errors.into_result(),
        Err(error) => Err(error.with_undo(errors.into_result())),
    }
}

fn connect(
    engine: &Engine,
    record: &Record,
    network: &mut Attachment,
    namespace: Option<OwnedFd>,
) -> Result<()> {
    let context = engine.network_context();
    let inside = match namespace {
        Some(namespace) => {
            // The runtime does this in namespaces that it makes itself, and a user-mode network's program in its own.
            namespace::within(namespace.as_fd(), || {
                process::loopback_up().context(|| "set up the loopback interface".into())
            })?;
            namespace
        }
        None => {
            hull_sys::mount::enter_slave_namespace().context(|| "create a mount namespace".into())?;
            network.prepare(context, record)?;
            let path = crate::net::namespace_file(engine.root(), &record.id);
            File::open(&path).context(|| format!("open {}", path.display()))?.into()
        }
    };
    network.connect_namespace(context, record, &inside)
}
