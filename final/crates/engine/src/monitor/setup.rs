//! Everything between the fork and the container's first instruction.

use std::path::PathBuf;

use hull_runtime::Running;
use hull_runtime::spec::Spec;

use super::external;
use super::hooks;
use super::prepare::{prepare_network, stdio};
use super::stdio::Streams;
use crate::engine::{Engine, cgroup_layout};
use crate::error::{Errors, Result};
use crate::init;
use crate::net::Attachment;
use crate::records::options::WindowSize;
use crate::records::record::Record;
use crate::records::state::State;
use crate::rootfs::mount::rootfs;
use crate::rootfs::{etc_files, etc_links, sources};
use crate::runtimes::Runtime;
use crate::spec;

/// True for root. For an unprivileged user true in a delegated cgroup, or if a limit was asked for; that fails later if
/// there is no such cgroup.
pub(super) fn cgroup_wanted(engine: &Engine, record: &Record) -> bool {
    !hull_sys::id_map::in_user_namespace()
        || spec::has_limits(&record.options.resources)
        || record.options.cgroup_parent.is_some()
        || engine.delegated_cgroup().is_some()
}

/// Writes the container's own files and its config.json. Returns the bundle's directory, and the configuration.
fn write_bundle(
    engine: &Engine,
    record: &Record,
    state: &State,
    network: &Attachment,
    size: Option<WindowSize>,
) -> Result<(PathBuf, Spec)> {
    etc_files::write(engine, record)?;
    etc_links::replace(record, &rootfs(engine, record))?;
    crate::instance::seed::write(record, &rootfs(engine, record))?;
    let bundle = engine.root().container_run_dir(&record.id);
    let mut spec = spec::build(engine, record, &rootfs(engine, record), state.cgroup.as_deref())?;
    if let Some(process) = &spec.process {
        sources::give_to(engine, record, process.user.uid, process.user.gid)?;
    }
    if let (Some(limit), Some(process)) = (network.descriptor_limit(), &mut spec.process) {
        spec::limit_descriptors(process, limit);
    }
    if let (true, Some(process), Some(machine_id)) =
        (record.options.system, &mut spec.process, init::identity::machine_id(engine.root(), &record.id)?)
    {
        spec::set_variables(&mut process.env, [init::identity::variable(&machine_id)].iter());
    }
    if let (true, Some(process)) = (record.options.tty, &mut spec.process) {
        process.console_size = size.map(spec::console_size);
    }
    hull_storage::file::write_json_atomic(&bundle.join("config.json"), &spec)?;
    Ok((bundle, spec))
}

/// Writes the bundle and runs it. Leaves nothing behind if it fails.
pub(super) fn start(
    engine: &Engine,
    record: &Record,
    state: &State,
    runtime: &Runtime,
    network: &mut Attachment,
    size: Option<WindowSize>,
) -> Result<(Running, Streams)> {
    let joined = spec::Joined::of(engine, record)?;
    let (bundle, mut spec) = write_bundle(engine, record, state, network, size)?;
    if let Some(external) = runtime.external() {
        return external::start(engine, record, state, (external, spec), (network, &joined), size);
    }
    if let (Some(handed), Some(process)) = (&record.handed, &mut spec.process) {
        // After the configuration was written: secrets are in no file.
        spec::set_variables(&mut process.env, handed.env.iter());
    }
    let cgroup = match &state.cgroup {
        Some(path) => Some(cgroup_layout()?.cgroup(path)),
        None => None,
    };
    let options = &record.options;
    let (streams, stdio) = stdio(record)?;
    let seccomp_cache = engine.root().run().join("seccomp");
    prepare_network(engine, record, network)?;
    let mut created = hull_runtime::spawn(hull_runtime::CreateOptions {
        id: &record.id,
        bundle: &bundle,
        spec: &spec,
        stdio,
        detached_mounts: super::share::detached_mounts(engine, record)?,
        cgroup,
        init: options.init,
        parent_death_signal: true,
        filter: spec::seccomp::filter(options, &spec, &seccomp_cache),
        rendezvous: None,
        preserved_fds: 0,
        new_keyring: true,
        may_move_root: false,
        // Ctrl+C on the console would signal an init, and tell it to reboot: init(8), "SIGINT".
        controls_terminal: state.halt.is_none(),
    })?;
    // The network is connected while the child makes its mounts. If the child has failed, its own error is the one to
    // report, and the network's only follows from it.
    let connected = network.connect(engine.network_context(), record, created.pid());
    created.ready()?;
    network.namespace_entered();
    let streams = connected.and_then(|()| joined.check()).and_then(|()| match streams {
        Some(streams) => Ok(streams),
        None => Streams::terminal(created.take_console()),
    });
    match streams {
        Ok(streams) => Ok((hooks::after_start(record, (&bundle, &spec), created.start()?)?, streams)),
        Err(error) => {
            let mut errors = Errors::default();
            created.clean_up().into_iter().for_each(|left| errors.note(Err(left)));
            Err(error.with_undo(errors.into_result()))
        }
    }
}
