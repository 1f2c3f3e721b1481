//! The container of a step.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use hull_image::config::RunConfig;
use hull_storage::process_id::ProcessId;

use super::finished::FinishedStep;
use super::running::RunningStep;
use crate::attach::StartAttach;
use crate::containers::create::Base;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::monitor::launch::{Launch, launch};
use crate::new_volumes::NewVolumes;
use crate::records::handed::{Handed, HandedSource};
use crate::records::ids::random_step_id;
use crate::records::mount_extras::MountExtras;
use crate::records::options::{
    CreateOptions, LogDriver, LogOptions, ProcessExtras, ResourceOptions, WindowSize,
};
use crate::records::record::{Kind, MountKind, MountRecord, Record};
use crate::records::stream::Stream;

/// A mount of a step.
#[derive(Debug)]
pub struct StepMount {
    pub source: HandedSource,
    /// Absolute, and not `/`.
    pub target: PathBuf,
    pub access: Access,
}

/// What a step may do with a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    /// What it writes is discarded.
    Discard,
}

/// A command and what it runs in.
#[derive(Debug, Default)]
pub struct StepOptions {
    /// Directories of layers, lowest first. Empty for a stage that begins with nothing.
    pub layers: Vec<PathBuf>,
    /// The program and its arguments.
    pub args: Vec<String>,
    /// `KEY=VALUE`. PATH and HOME are set if they are missing.
    pub env: Vec<String>,
    /// It is made if it is missing. Empty is `/`.
    pub working_dir: String,
    /// `user[:group]`, looked up in the layers. Empty is root.
    pub user: String,
    /// Mounts whose sources are in no path, or may not be looked up again.
    pub mounts: Vec<StepMount>,
    /// `KEY=VALUE` for the program, in no file.
    pub secret_env: Vec<String>,
    /// The network namespace of the stage, if the options ask for the default network: [`super::StageNetwork`].
    pub network: Option<OwnedFd>,
    /// Kept open until the step has ended, also if the builder is killed: locks.
    pub kept: Vec<OwnedFd>,
    /// Everything else: network, mounts, limits, entries of /etc/hosts, terminal. The fields that exist above, the name
    /// and the image are not read.
    pub options: CreateOptions,
    /// The process with which the step's files go, if it is not the caller: that of the whole build.
    pub builder: Option<ProcessId>,
}

/// How many processes and threads a step may have, if it is not told: far more than any build needs, and fewer than the
/// machine has room for, so that a step that forks without end leaves the machine usable.
const MOST_PROCESSES: i64 = 32_768;

/// Without a cgroup, which an unprivileged user may lack, there are no limits.
fn limited(asked: ResourceOptions, is_delegated: bool) -> ResourceOptions {
    let has_cgroup = is_delegated || !hull_sys::id_map::in_user_namespace();
    let machine = std::fs::read_to_string("/proc/sys/kernel/threads-max");
    let machine: i64 = machine.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(MOST_PROCESSES);
    let limit = has_cgroup.then_some(MOST_PROCESSES.min(machine / 2));
    ResourceOptions { pids_limit: asked.pids_limit.or(limit), ..asked }
}

fn handed_mount((number, mount): (usize, StepMount)) -> (MountRecord, HandedSource) {
    let extras =
        MountExtras { handed: Some(number), overlay: mount.access == Access::Discard, ..Default::default() };
    let record = MountRecord {
        kind: MountKind::Bind,
        name: None,
        source: PathBuf::new(),
        destination: mount.target,
        read_only: mount.access == Access::Read,
        copy_up: false,
        anonymous: false,
        options: vec![],
        extras,
    };
    (record, mount.source)
}

impl Engine {
    /// Runs a step to its end, and hands its output to `output`.
    ///
    /// # Errors
    ///
    /// If the step cannot be started: nothing is left of it. A program that ends with another code than 0 is no error
    /// here.
    pub fn run_step(&self, step: StepOptions, output: &mut dyn FnMut(Stream, &[u8])) -> Result<FinishedStep> {
        self.start_step(step, None)?.wait(output)
    }

    /// Starts a step. `size` is that of the terminal, if the options ask for one.
    pub fn start_step(&self, step: StepOptions, size: Option<WindowSize>) -> Result<RunningStep> {
        let lock = self.lock_in_use()?;
        let record = self.plan_step(step)?;
        let made = self.make(&record, &mut NewVolumes::of_new(&record.id));
        // The record says from here on which layers are in use.
        drop(lock);
        let started = made.and_then(|()| launch(self, &record, Launch::ByUser, StartAttach::Attached, size));
        match started.and_then(|launched| launched.into_stream().ok_or(Error::MonitorDied)) {
            Ok(stream) => Ok(RunningStep::new(self.clone(), record, stream)),
            Err(error) => Err(error.with_undo(crate::gc::steps::discard(self, &record.id))),
        }
    }

    pub(super) fn plan_step(&self, step: StepOptions) -> Result<Record> {
        let asked = step.options;
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        let options = CreateOptions {
            image: String::new(),
            name: None,
            entrypoint: Some(vec![]),
            command: step.args,
            env: step.env,
            working_dir: text(step.working_dir),
            user: text(step.user),
            // The overlay never syncs: what the builder keeps is synced with the image.
            auto_remove: true,
            detach: false,
            resources: limited(asked.resources, self.delegated_cgroup().is_some()),
            log: LogOptions { driver: LogDriver::None, ..LogOptions::default() },
            // The image's own file, as with BuildKit: RUN may write it.
            process_extras: ProcessExtras {
                no_hostname: true,
                unset_env: vec!["HOSTNAME".into()],
                ..asked.process_extras
            },
            ..asked
        };
        let base =
            Base { layers: self.layer_paths(&step.layers), config: RunConfig::default(), ..Base::default() };
        let builder = step.builder.map_or_else(ProcessId::of_self, Ok)?;
        let mut record = self.plan_on(&options, base, random_step_id()?)?;
        record.kind = Kind::Build { builder };
        let (mounts, sources) =
            step.mounts.into_iter().enumerate().map(handed_mount).unzip::<_, _, Vec<_>, _>();
        record.mounts.extend(mounts);
        record.handed =
            Some(Arc::new(Handed { sources, env: step.secret_env, network: step.network, kept: step.kept }));
        Ok(record)
    }

    /// Removes the steps of builds that were killed. Every listing of containers does so too.
    pub fn collect_steps(&self) -> Result<()> {
        hull_storage::staging::collect(&self.root().containers_dir())?;
        crate::gc::steps::collect(self)
    }
}
