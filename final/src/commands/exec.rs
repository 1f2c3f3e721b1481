//! `exec`: another process in a running container.

use anyhow::Result;
use hull_engine::Engine;
use hull_engine::options::ExecOptions;

use super::run;
use crate::cli::container::Exec;
use crate::cli::options::{Rest, environment};
use crate::ui::errors;

pub fn exec(engine: &Engine, args: &Exec) -> Result<u8> {
    if !args.detach {
        run::need_terminal(args.tty, args.interactive)?;
    }
    let (container, command) = words(args)?;
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
        size: hull_sys::terminal::window_size(),
    };
    let instead = || format!("hull exec {} {container}", run::first(command));
    engine
        .exec(container, &options)
        .map_err(|error| run::flags_go_first(error.into(), "container", &instead(), command))
}

fn words(args: &Exec) -> Result<(&str, &[String])> {
    let missing = |what| errors::missing(what, "hull exec [OPTIONS] CONTAINER COMMAND [ARG]...");
    match Rest::split(args.rest.as_ref()) {
        None => Err(missing("CONTAINER")),
        Some((_, [])) => Err(missing("COMMAND")),
        Some(words) => Ok(words),
    }
}
