//! RUN: a container on the layers so far, whose changes become a layer.

use hull_engine::Stream;
use hull_engine::steps::StepOptions;

use super::super::history;
use super::super::worker::{Recipe, Worker};
use super::config::words_of;
use crate::cache::Inputs;
use crate::context::Listing;
use crate::dockerfile::mount::Mount;
use crate::dockerfile::{Instruction, Run, Script};
use crate::progress::Event;
use crate::{Error, Result};

impl Worker<'_> {
    pub(super) fn run(&mut self, instruction: &Instruction, run: &Run) -> Result<()> {
        let args = match run.script() {
            Script::Command(command) => words_of(&self.state, &command),
            Script::File { .. } => return Err(Error::Unsupported("a heredoc that begins with #!".into())),
        };
        let variable = |name: &str| self.state.variable(name);
        let mounts = run.mounts.iter().map(|text| Mount::expand(text, self.state.escape, &variable));
        let mounts = mounts.collect::<Result<Vec<_>>>()?;
        let inputs = self.inputs_of_run(&args, run, &mounts)?;
        let created_by = history::run(&self.state.arguments, &args);
        let recipe = Recipe { instruction, inputs, created_by, listing: Listing::default() };
        self.step(recipe, |worker, id| {
            let step = worker.prepare(&args, run, &mounts)?;
            let epoch = worker.job.request.source_date_epoch;
            let engine = worker.engine;
            let mut lost = Ok(());
            let finished = engine.run_step(step, &mut |stream, bytes| {
                let stderr = stream == Stream::Stderr;
                let event = Event::Output { step: id, stderr, bytes: bytes.to_vec() };
                if lost.is_ok() {
                    lost = worker.send(event);
                }
            })?;
            lost?;
            if finished.code() != 0 {
                let code = i32::from(finished.code());
                if worker.job.request.keep_failed {
                    finished.keep();
                }
                return Err(Error::Failed { command: args.join(" "), code });
            }
            Ok(finished.pack(epoch)?)
        })
    }

    fn inputs_of_run(&self, args: &[String], run: &Run, mounts: &[Mount]) -> Result<Inputs> {
        let mut inputs = Inputs::new(Some(&self.state.key), [vec!["RUN".to_owned()], args.to_vec()].concat());
        for line in self.state.environment() {
            let (name, value) = line.split_once('=').unwrap_or((&line, ""));
            inputs.set(format!("env {name}"), value);
        }
        let config = self.state.run_config();
        inputs.set("user", config.user.unwrap_or_default());
        inputs.set("working directory", self.state.working_dir());
        for (at, mount) in mounts.iter().enumerate() {
            inputs.set(format!("mount {at}"), serde_json::to_string(mount).unwrap_or_default());
        }
        let options = &self.job.request.run;
        let network = run.network.clone().or(options.network.clone()).unwrap_or_default();
        inputs.set("network", network);
        inputs.set("security", run.security.clone().unwrap_or_default());
        inputs.set("hosts", options.add_hosts.join(" "));
        Ok(inputs)
    }

    fn prepare(&mut self, args: &[String], run: &Run, mounts: &[Mount]) -> Result<StepOptions> {
        let config = self.state.run_config();
        let mut env = self.state.environment();
        for (name, value) in self.job.request.proxies.iter().chain(self.globals.proxies()) {
            env.push(format!("{name}={value}"));
        }
        if !mounts.is_empty() || run.security.is_some() {
            return Err(Error::Unsupported("--mount and --security of RUN".into()));
        }
        Ok(StepOptions {
            layers: self.state.directories(&self.store),
            args: args.to_vec(),
            env,
            working_dir: self.state.working_dir(),
            user: config.user.unwrap_or_default(),
            ..StepOptions::default()
        })
    }
}
