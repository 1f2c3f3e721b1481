//! `healthcheck run`: podman's verb. Its exit codes are 0 and 1 for the check, and 125 where there was none.

use anyhow::Result;
use hull_engine::Engine;

use crate::cli::healthcheck::Healthcheck;
use crate::ui::errors::Exit;

pub fn run(engine: &Engine, verb: &Healthcheck) -> Result<u8> {
    let Healthcheck::Run(args) = verb;
    let healthy =
        engine.check_health(&args.container).map_err(|error| anyhow::Error::new(error).context(Exit(125)))?;
    Ok(u8::from(!healthy))
}
