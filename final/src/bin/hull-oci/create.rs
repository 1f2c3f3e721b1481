//! `create`: sets up a container, whose program waits for `start`.

use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, Result};
use hull_runtime::cgroups::Cgroup;
use hull_runtime::security::capabilities;
use hull_runtime::security::seccomp::Filter;
use hull_runtime::spec::Spec;
use hull_runtime::systemd::Unit;
use hull_runtime::{CreateOptions, Created, rendezvous};
use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;

use crate::bundle::{Bundle, cgroup_path};
use crate::state::{Container, Root, State};
use crate::streams::{self, Copied};
use crate::{cli, console, delete, report};

pub fn create(root: &Root, args: &cli::Create, global: &cli::Global) -> Result<u8> {
    let made = make(root, args, global, After::Detached { started: false })?;
    made.created.detach();
    made.reservation.keep();
    Ok(0)
}

/// What happens to the container after it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// This process ends. The program was started, or waits for `start`.
    Detached { started: bool },
    /// This process waits for the container.
    Foreground,
}

/// A container that is set up. If it is dropped, its process and cgroup are removed, and then its directory.
pub struct Made {
    pub created: Created,
    pub console: Option<OwnedFd>,
    pub copied: Vec<Copied>,
    pub state: State,
    pub spec: Spec,
    pub reservation: Reservation,
}

/// The path of the container's cgroup, and the systemd unit that makes it.
type CgroupPlace = (String, Option<Unit>);

/// A container id that this process has reserved, with the lock of its directory. The directory is removed on drop.
pub struct Reservation {
    pub container: Container,
    lock: Option<Lock>,
}

impl Reservation {
    /// Reserves the id, and records what will be made before it is made.
    pub fn claim(container: Container, bundle: &Bundle, place: CgroupPlace) -> Result<(Self, State, Cgroup)> {
        let reservation = Self { lock: Some(container.reserve()?), container };
        let container = &reservation.container;
        let state = State::new(&container.id, bundle, place)?;
        let cgroup = state.open_cgroup()?;
        cgroup.check_unused()?;
        // From here on `delete --force` removes this cgroup, so it was checked before that nobody uses it.
        container.write(&state)?;
        container.write_spec(&bundle.spec)?;
        Ok((reservation, state, cgroup))
    }

    /// Keeps the container's directory until `delete` removes it.
    pub fn keep(mut self) {
        self.lock = None;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.lock.is_some()
            && let Err(error) = self.container.remove()
        {
            report::tell(&format!("hull-oci: {error:#}"));
        }
    }
}

/// Validates everything, then creates the container. A failure undoes what was done before.
pub fn make(root: &Root, args: &cli::Create, global: &cli::Global, after: After) -> Result<Made> {
    check_preserved(args.preserve_fds)?;
    console::refuse_directories()?;
    let container = root.container(&args.id)?;
    let bundle = Bundle::load(&args.bundle)?;
    let process = bundle.spec.process.as_ref().context("the bundle has no process")?;
    warn_about_ignored(&bundle.spec, global);
    console::check(process.terminal, after != After::Foreground, args.console_socket.as_deref())?;
    let console_socket = args.console_socket.as_deref().map(console::connect).transpose()?;
    let pidfd_socket = args.pidfd_socket.as_deref().map(console::connect).transpose()?;
    let place = cgroup_path(&bundle.spec, &args.id, global.systemd_cgroup)?;

    let (reservation, mut state, cgroup) = Reservation::claim(container, &bundle, place)?;
    let container = &reservation.container;
    let listener = match after {
        After::Detached { started: false } => Some(rendezvous::bind(&container.start_socket())?),
        _ => None,
    };
    let foreground = after == After::Foreground;
    let (stdio, copied) = streams::of_process(&bundle.spec, process, console_socket.is_some(), foreground)?;
    report::step(global, "the container's first process is cloned (nsexec container setup)");
    let made = hull_runtime::create(CreateOptions {
        id: &args.id,
        bundle: &bundle.directory,
        spec: &bundle.spec,
        stdio,
        detached_mounts: Vec::new(),
        cgroup: (bundle.needs_cgroup() || state.unit.is_some()).then_some(cgroup),
        init: false,
        parent_death_signal: false,
        filter: Filter::OfSpec { cache: Some(&root.seccomp_cache()) },
        rendezvous: listener,
        preserved_fds: args.preserve_fds,
        new_keyring: !args.no_new_keyring,
        may_move_root: args.no_pivot,
        controls_terminal: true,
    });
    let announced = made.map_err(Into::into).and_then(|mut created| {
        report::step(global, "the first process has made its root (child process in init())");
        let console = hand_over(args, &mut created, console_socket.as_ref(), pidfd_socket.as_ref())?;
        state.init = Some(ProcessId::of(created.pid())?);
        container.write(&state)?;
        Ok((created, console))
    });
    match announced {
        Ok((created, console)) => {
            report::step(global, "it waits for its start (init: closing the pipe to signal completion)");
            Ok(Made { created, console, copied, state, spec: bundle.spec, reservation })
        }
        Err(error) => {
            delete::run_poststop(global, state.hook_state(&bundle.spec, 0));
            Err(error)
        }
    }
}

/// Warns about capabilities and limits of the bundle that this kernel ignores.
fn warn_about_ignored(spec: &Spec, global: &cli::Global) {
    let asked = spec.process.as_ref().and_then(|process| process.capabilities.as_ref());
    for warning in asked.into_iter().flat_map(capabilities::warnings) {
        report::warning(global, &warning);
    }
    if limits_kernel_memory(spec) {
        report::warning(
            global,
            "linux.resources.memory.kernel is obsolete: kernels since 5.16 do not limit it",
        );
    }
}

fn limits_kernel_memory(spec: &Spec) -> bool {
    let resources = spec.linux.as_ref().and_then(|linux| linux.resources.as_ref());
    resources.and_then(|resources| resources.memory.as_ref()).is_some_and(|memory| memory.kernel.is_some())
}

/// Passes the container's terminal, pid and pidfd to the caller's sockets and pid file.
fn hand_over(
    args: &cli::Create,
    created: &mut Created,
    console_socket: Option<&OwnedFd>,
    pidfd_socket: Option<&OwnedFd>,
) -> Result<Option<OwnedFd>> {
    let mut console = created.take_console();
    if let Some(socket) = console_socket {
        console::send(socket, console.take())?;
    }
    if let (Some(socket), Some(pidfd)) = (pidfd_socket, created.pidfd()) {
        console::send_pidfd(socket, pidfd)?;
    }
    if let Some(file) = &args.pid_file {
        write_pid(file, created.pid())?;
    }
    Ok(console)
}

/// Writes a pid file, by rename, because engines wait for its name and then read it.
pub fn write_pid(file: &Path, pid: i32) -> Result<()> {
    Ok(hull_storage::file::write_atomic(file, pid.to_string().as_bytes(), 0o644)?)
}

/// Checks that the preserved descriptors are open. The number of one that is not would go to the next file that hull-oci
/// opens, and the container would inherit that.
pub fn check_preserved(count: u32) -> Result<()> {
    for number in 3..3 + count {
        std::fs::symlink_metadata(format!("/proc/self/fd/{number}"))
            .with_context(|| format!("--preserve-fds {count}: descriptor {number} is not open"))?;
    }
    Ok(())
}
