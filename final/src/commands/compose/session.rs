//! The project and the engine that a verb works on. Both are opened when the verb first asks for them.

use anyhow::Result;
use hull_engine::Engine;

use crate::cli::Global;
use crate::cli::compose::ProjectArgs;

#[allow(dead_code, reason = "for the verbs that are hidden")]
pub struct Session<'a> {
    global: &'a Global,
    pub args: &'a ProjectArgs,
}

#[allow(dead_code, reason = "for the verbs that are hidden")]
impl<'a> Session<'a> {
    pub fn new(global: &'a Global, args: &'a ProjectArgs) -> Self {
        Self { global, args }
    }

    pub fn engine(&self) -> Result<Engine> {
        crate::commands::open(self.global)
    }
}
