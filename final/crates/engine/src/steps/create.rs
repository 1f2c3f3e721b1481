//! The container of a step.

use std::path::PathBuf;

use hull_image::config::RunConfig;
use hull_storage::process_id::ProcessId;

use super::finished::FinishedStep;
use super::running::RunningStep;
use crate::attach::StartAttach;
use crate::containers::create::Base;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::monitor::launch::{Launch, launch};
use crate::records::ids::random_step_id;
use crate::records::options::{CreateOptions, LogDriver, LogOptions, ProcessExtras, WindowSize};
use crate::records::record::{Kind, Record};
use crate::records::stream::Stream;

/// A command and what it runs in.
#[derive(Debug, Clone, Default)]
pub struct StepOptions {
    /// Directories of layers, lowest first. Empty for a stage that begins with nothing.
    pub layers: Vec<PathBuf>,
    /// The program and its arguments.
    pub args: Vec<String>,
    /// `KEY=VALUE`. PATH, HOSTNAME and HOME are set if they are missing, as in every container.
    pub env: Vec<String>,
    /// It is made if it is missing. Empty is `/`.
    pub working_dir: String,
    /// `user[:group]`, looked up in the layers. Empty is root.
    pub user: String,
    /// Everything else: network, mounts, limits, entries of /etc/hosts, terminal. The fields that exist above, the name
    /// and the image are not read.
    pub options: CreateOptions,
    /// The process with which the step's files go, if it is not the caller: that of the whole build.
    pub builder: Option<ProcessId>,
}

impl Engine {
    /// Runs a step to its end, and hands its output to `output`.
    ///
    /// # Errors
    ///
    /// If the step cannot be started: nothing is left of it. A program that ends with another code than 0 is no error
    /// here.
    pub fn run_step(
        &self,
        step: &StepOptions,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<FinishedStep> {
        self.start_step(step, None)?.wait(output)
    }

    /// Starts a step. `size` is that of the terminal, if the options ask for one.
    pub fn start_step(&self, step: &StepOptions, size: Option<WindowSize>) -> Result<RunningStep> {
        let lock = self.lock_in_use()?;
        let record = self.plan_step(step)?;
        let made = self.make(&record);
        // The record says from here on which layers are in use.
        drop(lock);
        let started = made.and_then(|()| launch(self, &record, Launch::ByUser, StartAttach::Attached, size));
        match started.and_then(|stream| stream.ok_or(Error::MonitorDied)) {
            Ok(stream) => Ok(RunningStep::new(self.clone(), record, stream)),
            Err(error) => Err(error.with_undo(crate::gc::steps::discard(self, &record.id))),
        }
    }

    fn plan_step(&self, step: &StepOptions) -> Result<Record> {
        let asked = &step.options;
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let options = CreateOptions {
            image: String::new(),
            name: None,
            entrypoint: Some(vec![]),
            command: step.args.clone(),
            env: step.env.clone(),
            working_dir: text(&step.working_dir),
            user: text(&step.user),
            // The overlay never syncs: what the builder keeps is synced with the image.
            auto_remove: true,
            detach: false,
            log: LogOptions { driver: LogDriver::None, ..LogOptions::default() },
            // The image's own file, as with BuildKit: RUN may write it.
            process_extras: ProcessExtras { no_hostname: true, ..asked.process_extras.clone() },
            ..asked.clone()
        };
        let base =
            Base { layers: self.layer_paths(&step.layers), config: RunConfig::default(), ..Base::default() };
        let builder = match &step.builder {
            Some(builder) => builder.clone(),
            None => ProcessId::of_self()?,
        };
        let planned = self.plan_on(&options, base, random_step_id()?)?;
        Ok(Record { kind: Kind::Build { builder }, ..planned })
    }

    /// Removes the steps of builds that were killed. Every listing of containers does so too.
    pub fn collect_steps(&self) -> Result<()> {
        hull_storage::staging::collect(&self.root().containers_dir())?;
        crate::gc::steps::collect(self)
    }
}
