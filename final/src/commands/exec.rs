//! `exec`: another process in a running container.

use anyhow::{Result, bail};
use hull_engine::Engine;
use hull_engine::options::ExecOptions;

use super::run;
use crate::cli::container::Exec;
use crate::cli::options::{Rest, environment};

pub fn exec(engine: &Engine, args: &Exec) -> Result<u8> {
    if !args.detach {
        run::need_terminal(args.tty, args.interactive)?;
    }
    let (container, command) = Rest::split(args.rest.as_ref(), "the container")?;
    if command.is_empty() {
        bail!("the command to run in {container} is missing; see --help");
    }
    let options = ExecOptions {
        command: command.to_vec(),
        env: environment(&args.env_file, &args.env)?,
        working_dir: args.workdir.clone(),
        user: args.user.clone(),
        tty: args.tty,
        interactive: args.interactive,
        detach: args.detach,
        privileged: args.privileged,
        detach_keys: args.detach_keys.clone(),
    };
    Ok(engine.exec(container, &options)?)
}
