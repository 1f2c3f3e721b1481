//! A monitor, from the fork to its exit.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use hull_runtime::Running;
use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;
use hull_sys::process;

use super::checks::Checks;
use super::clients::{Client, Clients, Queued};
use super::detach::{detach, fail};
use super::event_loop::{Container, EventLoop};
use super::log::Log;
use super::prepare;
use super::restart::Restarts;
use super::setup;
use super::stdio::Streams;
use super::stop::Stop;
use crate::attach::{Connection, Listener, Message, StartAttach, registration};
use crate::engine::Engine;
use crate::error::{Errors, IoContext, Report, Result};
use crate::events::{Event, emit_all};
use crate::gc::cgroup_parents;
use crate::gc::removal::Remains;
use crate::net::{Attachment, Succession};
use crate::records::health;
use crate::records::monitor_lock::MonitorLock;
use crate::records::options::WindowSize;
use crate::records::record::Record;
use crate::records::state::{Exit, Phase, State};
use crate::records::time::Timestamp;
use crate::rootfs::stubs::Stubs;
use crate::rootfs::{mount, sources};
use crate::runtimes::Runtime;

/// What a start asks of its monitor.
pub(super) struct Start {
    /// The command that waits for the start.
    pub command: Connection,
    pub attach: StartAttach,
    pub size: Option<WindowSize>,
    pub restart_count: u32,
    /// The container starts beside one that it is to replace.
    pub succession: Option<Succession>,
}

/// Everything after the fork. It ends with `_exit`, because the command's buffers and exit handlers belong to the command.
///
/// The lock is shared with the command (flock(2)) and kept until the start is over. If the command is killed before that,
/// no other command takes the container for stopped, or for one that runs already.
pub(super) fn monitor(engine: Engine, record: Record, start: Start, lock: Lock) -> ! {
    let Start { command, attach, size, restart_count, succession } = start;
    let handed = record.handed.clone();
    let handed_over = succession.iter().flat_map(Succession::descriptors);
    let kept = handed.iter().flat_map(|handed| handed.descriptors()).chain(handed_over);
    let kept: Vec<_> = kept.chain([command.as_fd(), lock.as_fd()]).collect();
    let ready = detach(&kept).and_then(|()| Monitor::new(engine, record, (size, restart_count), succession));
    let outcome = match ready {
        Ok(mut monitor) => monitor.live(command, attach, lock),
        Err(error) => {
            fail(&command, &error);
            Err(error)
        }
    };
    process::exit_now(i32::from(outcome.is_err()))
}

pub(super) struct Monitor {
    pub engine: Engine,
    pub record: Record,
    pub state: State,
    monitor_lock: Option<MonitorLock>,
    events: EventLoop,
    /// The errors of the cleanup, for the container's record.
    cleanup: Errors,
    /// Mount points that a step's container lacked.
    stubs: Option<Stubs>,
    /// What the end of a run could not detach from the networks. The end of the container tries that again.
    still_attached: Errors,
    /// The exit code of the run that has ended, and whether it was killed for its memory.
    untold_end: Option<(u8, bool)>,
}

impl Monitor {
    fn new(
        engine: Engine,
        record: Record,
        (size, restart_count): (Option<WindowSize>, u32),
        succession: Option<Succession>,
    ) -> Result<Self> {
        let run_dir = engine.root().container_run_dir(&record.id);
        let Some(monitor_lock) = MonitorLock::take(engine.root(), &record.id)? else {
            return Err(MonitorLock::refusal(engine.root(), &record.id, &record.name));
        };
        let state = State {
            format: Record::FORMAT,
            phase: Phase::Starting,
            monitor: ProcessId::of_self()?,
            init: None,
            // Recorded before it is made, so that a cgroup without a monitor can be attributed.
            cgroup: setup::cgroup_wanted(&engine, &record)
                .then(|| engine.cgroup_path(&record.id, record.options.cgroup_parent.as_deref())),
            halt: None,
            started: None,
            restart_count,
            runtime: record.options.runtime.clone(),
        };
        let network = Attachment::plan(engine.network_context(), &record, &state.monitor, succession)?;
        // The socket exists before the state names this monitor, so a command that reads the state can connect.
        let listener = Listener::bind(&run_dir).context(|| format!("listen in {}", run_dir.display()))?;
        state.store(engine.root(), &record.id)?;
        let mut clients = Clients::default();
        for (wanted, connection) in registration::connect_all(&run_dir) {
            clients.add(Client::registered(wanted, connection));
        }
        if let (Some(_), Some(path)) = (&record.options.cgroup_parent, &state.cgroup) {
            cgroup_parents::will_make(&engine, path)?;
        }
        crate::rootless::register_holder(engine.root().run())?;
        let directory = engine.root().container_dir(&record.id);
        let container =
            Container { engine: engine.clone(), id: record.id.clone(), name: record.name.clone() };
        let events = EventLoop {
            container: Some(container),
            listener: Some(listener),
            clients,
            log: Log::new(&directory, &record),
            streams: Streams::default().sized(size),
            network,
            checks: Checks::of(&record),
            runtime: Runtime::of(record.options.runtime.as_ref(), engine.root(), &record.id),
            stdin_once: record.options.stdin_once() && !record.options.tty,
            ends_with_command: record.is_step(),
            ..EventLoop::default()
        };
        Ok(Self {
            engine,
            record,
            state,
            monitor_lock: Some(monitor_lock),
            events,
            cleanup: Errors::default(),
            stubs: None,
            still_attached: Errors::default(),
            untold_end: None,
        })
    }

    /// Runs the container until it ends and its restart policy does not restart it.
    fn live(&mut self, command: Connection, attach: StartAttach, lock: Lock) -> Result<()> {
        let started = hull_sys::mount::enter_slave_namespace()
            .context(|| "create a mount namespace".into())
            .and_then(|()| mount::mount_root(&self.engine, &self.record))
            .and_then(|()| self.find_stubs())
            .and_then(|()| self.start(attach));
        let running = match started {
            Ok(running) => running,
            Err(error) => {
                let exit = Exit::of_failed_start(&error, Exit::default());
                emit_all(&self.engine, [self.begin_events(attach), self.end_events()].concat());
                // Cleaned up first: the command holds the lock until it gets this message, and may look at once.
                let error = error.with_undo(self.clear(&exit));
                self.remove_cgroup_parents();
                drop(lock);
                fail(&command, &error);
                // Those that registered before the start learn of the end.
                self.events.clients.finish(exit.code);
                return Err(error);
            }
        };
        drop(lock);
        self.welcome(command, attach);
        if self.events.has_lost_command {
            // It has not been reaped, so this can fail only if the process has ended.
            let _ = process::pidfd_send_signal(running.pidfd.as_fd(), nix::libc::SIGKILL);
        }
        self.events.network.close_setup_sockets();

        let exit = self.run_to_the_end(running);
        self.events.log.flush();
        // The clients get the exit code even if something could not be cleaned up.
        let cleared = self.finish(&exit);
        self.remove_cgroup_parents();
        if let (Err(error), true) = (&cleared, self.record.options.auto_remove) {
            // The record that could keep the error was to be removed.
            self.events.clients.broadcast(&Queued::Uncleaned(Report::encode(error)));
        }
        self.events.clients.finish(exit.code);
        cleared
    }

    /// Runs the program, and again as long as the restart policy asks for it. An error of the monitor's own ends the
    /// container as any other end does.
    fn run_to_the_end(&mut self, mut running: Running) -> Exit {
        let mut restarts = Restarts::new();
        loop {
            let begun = Instant::now();
            let mut exit = match self.watch(running) {
                Ok(exit) => exit,
                Err(error) => return self.abort(&error),
            };
            let is_system = self.record.options.system;
            // A system that was turned off from inside stays off, as a machine does. If `boot stop` has ended it, the
            // init exits in the same way, but the container is to start again with the machine.
            exit.stopped_by_user |= is_system && crate::init::has_halted(&exit) && !exit.ended_by_shutdown;
            let is_stopping = self.events.stop.is_some() || exit.stopped_by_user;
            let reboots = is_system && crate::init::has_rebooted(&exit) && !is_stopping;
            let wanted = std::mem::take(&mut self.events.restart_wanted) && !is_stopping;
            // An update may have changed the policy, and the limits of the next run. If the record cannot be read, the
            // one before stays in force.
            let _ = self.record.refresh(self.engine.root());
            let policy = &self.record.options.restart;
            let pause = match reboots {
                true => Some(restarts.after_reboot(begun.elapsed())),
                false => restarts.next(policy, &exit, begun.elapsed(), is_stopping),
            };
            let Some(pause) = pause.or(wanted.then_some(Duration::ZERO)) else { return exit };
            match self.wait_to_restart(&exit, pause) {
                Ok(true) => {}
                Ok(false) => {
                    return Exit {
                        stopped_by_user: self.events.is_stopped_by_user(),
                        ended_by_shutdown: self.events.is_ended_by_shutdown(),
                        ..exit
                    };
                }
                Err(error) => return Exit { error: error.to_string(), ..exit },
            }
            running = match self.restart() {
                Ok(running) => running,
                Err(error) => return Exit::of_failed_start(&error, exit),
            };
        }
    }

    /// Kills a container that cannot be watched any longer.
    fn abort(&mut self, error: &crate::Error) -> Exit {
        self.events.forwarders.end();
        if let Some(running) = self.events.running.take() {
            let pidfd = running.pidfd.as_fd();
            // It may have ended by itself, and it may have been reaped.
            let _ = process::pidfd_send_signal(pidfd, nix::libc::SIGKILL);
            let _ = process::reap(pidfd);
            if let Some(cgroup) = &running.cgroup {
                self.cleanup.note(cgroup.kill_all().and_then(|()| cgroup.remove()));
            }
        }
        self.still_attached.note(self.events.network.disconnect(self.engine.root(), &self.record.id));
        Exit { code: 137, error: error.to_string(), ..self.exit() }
    }

    /// The end of the present run at this moment, without its code.
    fn exit(&self) -> Exit {
        Exit {
            started: self.state.started,
            finished: Some(Timestamp::now()),
            restart_count: self.state.restart_count,
            stopped_by_user: self.events.is_stopped_by_user(),
            ended_by_shutdown: self.events.is_ended_by_shutdown(),
            ..Exit::default()
        }
    }

    /// What cannot be removed is left to the next listing.
    fn remove_cgroup_parents(&self) {
        self.engine.remove_empty_cgroup_parent();
        if self.record.options.cgroup_parent.is_some() {
            let _ = cgroup_parents::remove_unused(&self.engine);
        }
    }

    fn start(&mut self, attach: StartAttach) -> Result<Running> {
        Exit::forget(self.engine.root(), &self.record.id)?;
        if self.record.options.system {
            self.state.halt = prepare::system(&self.engine, &self.record)?;
        }
        // A restart keeps the last size of the terminal.
        let size = self.events.streams.size;
        let (running, streams) = setup::start(
            &self.engine,
            &self.record,
            &self.state,
            &self.events.runtime,
            &mut self.events.network,
            size,
        )?;
        self.events.streams = streams.sized(size);
        if let Err(error) = self.events.forwarders.renew(&self.record, running.pid) {
            return Err(error.with_undo(self.end_at_once(running)));
        }
        self.state.init = Some(ProcessId::of(running.pid)?);
        self.state.started = Some(Timestamp::now());
        self.state.phase = Phase::Running;
        self.state.store(self.engine.root(), &self.record.id)?;
        let mut events = self.begin_events(attach);
        events.push(Event::container(&self.record, "start"));
        emit_all(&self.engine, events);
        Ok(running)
    }

    /// Ends a program that has started, because its proxies could not be started.
    fn end_at_once(&mut self, running: Running) -> Result<()> {
        self.events.forwarders.end();
        let killed = process::kill_and_reap(running.pidfd.as_fd());
        let mut errors = Errors::default();
        errors.note(killed.context(|| "end the container's program".into()).map(drop));
        errors.note(self.events.network.disconnect(self.engine.root(), &self.record.id));
        if let Some(cgroup) = &running.cgroup {
            errors.note(cgroup.kill_all().and_then(|()| cgroup.remove()));
        }
        errors.into_result()
    }

    /// What precedes `start`, in dockerd's order.
    fn begin_events(&self, attach: StartAttach) -> Vec<Event> {
        let attached = (attach == StartAttach::Attached).then(|| Event::container(&self.record, "attach"));
        let connected = self.events.network.events(&self.record, "connect");
        attached.into_iter().chain(connected).chain(Event::volumes_of(&self.record, "mount")).collect()
    }

    /// What follows `die`.
    fn end_events(&self) -> Vec<Event> {
        let disconnected = self.events.network.events(&self.record, "disconnect");
        disconnected.into_iter().chain(Event::volumes_of(&self.record, "unmount")).collect()
    }

    /// Under the container's lock, which the command holds at the first start. A command that pauses the container or
    /// connects it to a network reads the state and then writes, both under this lock.
    fn restart(&mut self) -> Result<Running> {
        let _lock = self.engine.lock_as_monitor(&self.record.id)?;
        let _ = self.record.refresh(self.engine.root());
        sources::prepare_again(&self.engine, &self.record)?;
        self.start(StartAttach::Detached)
    }

    fn find_stubs(&mut self) -> Result<()> {
        if self.record.is_step() {
            let own = ["/etc/resolv.conf", "/etc/hosts"].map(Path::new);
            let mounts = self.record.mounts.iter().map(|mount| mount.destination.as_path());
            let rootfs = mount::rootfs(&self.engine, &self.record);
            self.stubs = Some(Stubs::find(&rootfs, mounts.chain(own))?);
        }
        Ok(())
    }

    fn welcome(&mut self, command: Connection, attach: StartAttach) {
        // If the command was killed meanwhile, the container continues, unless it is a step of a build.
        match command.send(&Message::Started) {
            Ok(()) if attach == StartAttach::Attached => self.events.clients.add(Client::starter(command)),
            Ok(()) => {}
            Err(_) => self.events.has_lost_command = self.record.is_step(),
        }
    }

    /// One run: polls until the first process exits, reaps it, finds out why it exited, and removes its cgroup.
    fn watch(&mut self, running: Running) -> Result<Exit> {
        let running = self.events.run_until_exit(running).context(|| "wait for the container".into())?;
        self.events.stop = self.events.stop.filter(Stop::holds);
        let code = match process::reap(running.pidfd.as_fd()) {
            Ok(code) => code,
            Err(errno) => {
                self.events.running = Some(running);
                return Err(errno).context(|| "read the container's exit status".into());
            }
        };
        self.events.forwarders.end();
        // The exit is recorded even if rules or the cgroup stay behind. The next user of the network removes the rules, and
        // the next run or `rm` the cgroup.
        self.still_attached.note(self.events.network.disconnect(self.engine.root(), &self.record.id));
        let oom_killed = running.cgroup.as_ref().and_then(|cgroup| cgroup.oom_kills()).unwrap_or(0) > 0;
        self.cleanup.note(self.events.runtime.delete());
        if let Some(cgroup) = &running.cgroup {
            self.cleanup.note(cgroup.remove());
        }
        self.cleanup.note(super::hooks::after_end(&self.engine, &self.record));
        self.untold_end = Some((code, oom_killed));
        Ok(Exit { code, oom_killed, ..self.exit() })
    }

    /// Tells of the end of a run once. The record has the end by then, because clients look at the container when they hear
    /// of it: Compose takes one that still runs for one that restarts.
    fn emit_end(&mut self) {
        let Some((code, oom_killed)) = self.untold_end.take() else { return };
        // The container may have been renamed. If its record cannot be read, its old name is better than no event.
        let _ = self.record.refresh(self.engine.root());
        let record = &self.record;
        let ran = self.state.started.and_then(|started| started.0.elapsed().ok()).unwrap_or_default();
        let died = Event::container(record, "die").with("exitCode", code).with("execDuration", ran.as_secs());
        let oom = oom_killed.then(|| Event::container(record, "oom"));
        emit_all(&self.engine, oom.into_iter().chain([died]).chain(self.end_events()));
    }

    /// False if the user stopped the container meanwhile.
    fn wait_to_restart(&mut self, exit: &Exit, pause: Duration) -> Result<bool> {
        // A line without an end is this run's, and must not become the beginning of the next run's first one.
        self.events.log.end_lines();
        let lock = self.engine.lock_as_monitor(&self.record.id)?;
        self.cleanup.note(std::mem::take(&mut self.still_attached).into_result());
        let exit = exit.with_cleanup(&std::mem::take(&mut self.cleanup));
        // On a full disk the exit is not recorded, and the container is restarted all the same.
        let _ = exit.store(self.engine.root(), &self.record.id);
        self.state.phase = Phase::Restarting;
        self.state.init = None;
        self.state.store(self.engine.root(), &self.record.id)?;
        self.emit_end();
        drop(lock);
        self.events.clients.say_run_ended(exit.code);
        // The ended program's pipes are closed; the terminal's size stays for the next run.
        self.events.streams = Streams::default().sized(self.events.streams.size);
        self.events.run_until_restart(pause).context(|| "wait before the restart".into())?;
        self.state.restart_count += 1;
        Ok(!self.events.is_stopping())
    }

    fn finish(&mut self, exit: &Exit) -> Result<()> {
        let lock = self.engine.lock_as_monitor(&self.record.id);
        let cleared = self.clear(exit);
        // Not told of yet: the end of a build's step.
        self.emit_end();
        drop(lock);
        cleared
    }

    /// Cleans up at the end, under the container's lock. Then the exit is on disk, or with `--rm` nothing is. Goes on past
    /// errors and returns them all; those of the steps before the last one are also recorded as the container's error.
    fn clear(&mut self, exit: &Exit) -> Result<()> {
        // The container may have been renamed. If its record cannot be read, it is removed by its old name.
        let _ = self.record.refresh(self.engine.root());
        if self.record.options.auto_remove {
            // Its removal is told of after its end.
            self.emit_end();
        }
        let root = self.engine.root();
        let id = &self.record.id;
        // Released while the state still names this monitor, so that a reader finds a monitor or an end.
        self.monitor_lock = None;
        self.stubs.take().into_iter().for_each(Stubs::remove);
        mount::unmount_root(&self.engine, &self.record);
        let mut errors = std::mem::take(&mut self.cleanup);
        errors.note(self.events.network.release(root, id));
        if self.record.is_step() && !self.events.has_lost_command {
            // The builder takes the writable layer, and removes the rest.
            errors.note(crate::records::run_dir::remove(root, id));
            return errors.into_result();
        }
        if self.record.options.auto_remove {
            if self.events.stop.is_none_or(|stop| !stop.keep) {
                errors.note(crate::gc::removal::remove_files(&self.engine, Remains::of(&self.record, true)));
                if root.container_dir(id).exists() {
                    // It stays, so it says how it ended.
                    errors.note(exit.with_cleanup(&errors).store(root, id));
                    errors.note(crate::records::run_dir::remove(root, id));
                }
                return errors.into_result();
            }
            errors.note(mount::allow_remount(&self.engine, &self.record));
        }
        let exit = exit.with_cleanup(&errors);
        if self.events.checks.is_some() {
            errors.note(health::keep(root, id));
        }
        // On a full disk the code is lost, and the container still is not running.
        errors.note(exit.store(root, id));
        self.state.phase = Phase::Ended;
        errors.note(self.state.store(root, id));
        self.emit_end();
        errors.note(crate::records::run_dir::remove(self.engine.root(), &self.record.id));
        errors.into_result()
    }
}
