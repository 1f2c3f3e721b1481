//! One instruction of a stage: expanded with what the stage knows by then, and applied to its image.
//!
//! ```text
//! config  instructions about the configuration    run  RUN    copy  COPY, ADD and WORKDIR
//! ```

mod config;
mod copy;
mod run;

use super::worker::Worker;
use crate::dockerfile::{Instruction, Kind};
use crate::{Error, Result};

impl Worker<'_> {
    /// Applies an instruction to the stage.
    pub(super) fn dispatch(&mut self, instruction: &Instruction) -> Result<()> {
        let state = &mut self.state;
        match &instruction.kind {
            Kind::From(_) => Err(Error::Syntax("FROM cannot be in a stage".into())),
            Kind::Arg(arguments) => config::arg(state, self.globals, arguments),
            Kind::Env(pairs) => config::env(state, pairs),
            Kind::Label(pairs) => config::label(state, pairs),
            Kind::Maintainer(author) => {
                config::maintainer(state, author);
                Ok(())
            }
            Kind::Cmd(command) => {
                config::cmd(state, command);
                Ok(())
            }
            Kind::Entrypoint(command) => {
                config::entrypoint(state, command);
                Ok(())
            }
            Kind::User(user) => config::user(state, user),
            Kind::Expose(ports) => config::expose(state, ports),
            Kind::Volume(paths) => config::volume(state, paths),
            Kind::StopSignal(signal) => config::stop_signal(state, signal),
            Kind::Shell(shell) => {
                config::shell(state, shell);
                Ok(())
            }
            Kind::Healthcheck(check) => {
                config::healthcheck(state, check);
                Ok(())
            }
            Kind::OnBuild(text, _) => {
                config::on_build(state, text);
                Ok(())
            }
            Kind::Run(run) => self.run(instruction, run),
            Kind::Copy(copy) => self.copy(instruction, copy, false),
            Kind::Add(add) => self.copy(instruction, add, true),
            Kind::Workdir(path) => self.workdir(instruction, path),
        }
    }
}
