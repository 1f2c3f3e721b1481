//! A start with a runtime that is a program of its own (`--runtime`).

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use hull_runtime::Running;
use hull_runtime::spec::{Mount, Spec};
use hull_sys::process;
use rustix::fs::{Mode, OFlags};
use rustix::termios::Winsize;

use super::prepare::{self, prepare_network};
use super::stdio::Streams;
use crate::engine::{Engine, cgroup_layout};
use crate::error::{Error, Errors, IoContext, Result};
use crate::gc::killed_monitor::clear_cgroup;
use crate::net::Attachment;
use crate::records::options::WindowSize;
use crate::records::record::Record;
use crate::records::state::State;
use crate::runtimes::{External, Made};
use crate::spec::Joined;

/// The oldest version of the specification that has everything that hull asks for. A runtime may refuse a newer one.
const VERSION: &str = "1.0.2";

/// Where docker, too, puts the init of `--init` in a container.
const INIT: &str = "/sbin/docker-init";

/// Any of these serves as the init of a container.
const INITS: [&str; 4] = ["docker-init", "catatonit", "tini-static", "tini"];

/// Creates the container with the network that is prepared for it, and starts its program. Leaves nothing behind if it
/// fails.
pub(super) fn start(
    engine: &Engine,
    record: &Record,
    state: &State,
    (runtime, spec): (&External, Spec),
    (network, joined): (&mut Attachment, &Joined),
    size: Option<WindowSize>,
) -> Result<(Running, Streams)> {
    let bundle = engine.root().container_run_dir(&record.id);
    let cgroup = match &state.cgroup {
        Some(path) => Some(cgroup_layout()?.cgroup(path)),
        None => None,
    };
    let mut shared = Shared::default();
    let spec = for_others(engine, record, spec, (&bundle, &mut shared))?;
    hull_storage::file::write_json_atomic(&bundle.join("config.json"), &spec)?;
    let (streams, stdio) = prepare::stdio(record)?;
    prepare_network(engine, record, network)?;
    let created = runtime.create(stdio);
    drop(shared);
    let made = match created {
        Ok(made) => made,
        Err(error) => return Err(error.with_undo(undo(engine, state, runtime, None))),
    };
    let connected = network.connect(engine.network_context(), record, made.pid);
    network.namespace_entered();
    let Made { pid, pidfd, console } = made;
    // Everything else that can fail comes before the program runs.
    let started = connected.and_then(|()| joined.check()).and_then(|()| {
        let streams = streams.map_or_else(|| terminal(console, size), Ok)?;
        runtime.start().map(|()| streams)
    });
    match started {
        Ok(streams) => Ok((Running { pid, pidfd, cgroup }, streams)),
        Err(error) => Err(error.with_undo(undo(engine, state, runtime, Some(pidfd)))),
    }
}

/// The container's terminal, which has its size before the program runs.
fn terminal(console: Option<OwnedFd>, size: Option<WindowSize>) -> Result<Streams> {
    if let (Some(console), Some((rows, columns))) = (&console, size) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // It fails only if the container's first process has ended already, and the runtime's `start` reports that.
        let _ = rustix::termios::tcsetwinsize(console, size);
    }
    Streams::terminal(console)
}

/// Removes what a start has left: first what the runtime knows of, then whatever is still in the cgroup.
fn undo(engine: &Engine, state: &State, runtime: &External, init: Option<OwnedFd>) -> Result<()> {
    let mut errors = Errors::default();
    // A runtime whose `create` failed may know nothing to delete.
    let _ = runtime.delete();
    if let Some(init) = init {
        let killed = process::kill_and_reap(init.as_fd());
        errors.note(killed.map(drop).context(|| "kill the container's first process".into()));
    }
    if let Some(path) = &state.cgroup {
        errors.note(clear_cgroup(engine, path));
    }
    errors.into_result()
}

/// Where mounts of another container are attached until the runtime has bound them into its container. A directory that is
/// still a mount point could not be removed with the bundle.
#[derive(Default)]
struct Shared(Vec<PathBuf>);

impl Drop for Shared {
    fn drop(&mut self) {
        for directory in &self.0 {
            // It fails only for what is no mount point.
            let _ = nix::mount::umount2(directory, nix::mount::MntFlags::MNT_DETACH);
        }
    }
}

/// The same configuration in the words of every runtime: what the built-in one gets beside the bundle stands in it.
fn for_others(
    engine: &Engine,
    record: &Record,
    mut spec: Spec,
    (bundle, attached): (&Path, &mut Shared),
) -> Result<Spec> {
    spec.oci_version = VERSION.into();
    let bind = |source: &Path, destination: &Path, access: &str| Mount {
        destination: destination.into(),
        kind: Some("bind".into()),
        source: Some(source.display().to_string()),
        options: ["rbind", "rprivate", access].map(str::to_owned).into(),
        ..Mount::default()
    };
    for (number, shared) in super::share::detached_mounts(engine, record)?.iter().enumerate() {
        let directory = bundle.join(format!("shared-{number}"));
        let context = || format!("attach a mount at {}", directory.display());
        std::fs::create_dir_all(&directory).context(context)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let target = rustix::fs::open(&directory, flags, Mode::empty()).context(context)?;
        hull_sys::mount::attach(&shared.tree, &target).context(context)?;
        attached.0.push(directory.clone());
        spec.mounts.push(bind(&directory, &shared.destination, "rw"));
    }
    if let (true, Some(process)) = (record.options.init, &mut spec.process) {
        spec.mounts.push(bind(&find_init(engine)?, Path::new(INIT), "ro"));
        process.args = [INIT, "--"].into_iter().map(str::to_owned).chain(process.args.drain(..)).collect();
    }
    Ok(spec)
}

fn find_init(engine: &Engine) -> Result<PathBuf> {
    INITS.iter().find_map(|name| engine.programs().find(name)).ok_or_else(|| {
        Error::Unsupported(format!(
            "--init with another runtime takes one of these programs, and none is installed: {}",
            INITS.join(", ")
        ))
    })
}
