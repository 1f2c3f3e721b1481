//! The hooks that the built-in runtime leaves to its caller: poststart and poststop (runtime-spec, config.md). Only CDI
//! devices bring hooks.

use std::os::fd::AsFd;
use std::path::Path;

use hull_runtime::Running;
use hull_runtime::hooks::{self, HookState, Point};
use hull_runtime::spec::Spec;
use hull_sys::process;

use crate::engine::Engine;
use crate::error::{Errors, IoContext, Result};
use crate::records::record::Record;

/// Runs the poststart hooks. If one fails, the container is ended.
pub(super) fn after_start(
    record: &Record,
    (bundle, spec): (&Path, &Spec),
    running: Running,
) -> Result<Running> {
    if spec.hooks.is_none() {
        return Ok(running);
    }
    let state = HookState { id: &record.id, bundle, spec, pid: running.pid, env: &[] };
    let Err(error) = hooks::run(Point::Poststart, state) else { return Ok(running) };
    let mut errors = Errors::default();
    let killed = process::kill_and_reap(running.pidfd.as_fd());
    errors.note(killed.map(drop).context(|| "kill the container's first process".into()));
    if let Some(cgroup) = &running.cgroup {
        errors.note(cgroup.remove());
    }
    Err(crate::Error::from(error).with_undo(errors.into_result()))
}

/// Runs the poststop hooks of a container whose processes and cgroup are gone. All are run, whatever others do.
pub(super) fn after_end(engine: &Engine, record: &Record) -> Result<()> {
    // Another runtime runs them itself, at its `delete`.
    if record.options.device_requests.is_empty() || record.options.runtime.is_some() {
        return Ok(());
    }
    let bundle = engine.root().container_run_dir(&record.id);
    let Some(spec) = hull_storage::file::read_json::<Spec>(&bundle.join("config.json"))? else {
        return Ok(());
    };
    let mut errors = Errors::default();
    let state = HookState { id: &record.id, bundle: &bundle, spec: &spec, pid: 0, env: &[] };
    hooks::run_all(Point::Poststop, state).into_iter().for_each(|error| errors.note(Err(error)));
    errors.into_result()
}
