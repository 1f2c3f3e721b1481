//! `exec`: another process in a running container.

use std::borrow::Cow;
use std::io::IsTerminal;

use anyhow::Result;
use hull_docker::wire::exec::ExecRequest;
use hull_engine::Engine;

use super::{run, selection};
use crate::cli::container::Exec;
use crate::cli::options::Rest;
use crate::cli::request::environment;
use crate::ui::errors;
use crate::ui::terminal::{self, WhenUnread};

pub fn exec(engine: &Engine, args: &Exec) -> Result<u8> {
    let (tty, interactive) = streams(args);
    if !args.detach && args.mode.is_none() {
        terminal::require(tty, interactive)?;
    }
    let (container, command) = words(engine, args)?;
    let options = terminal::Options {
        stdin: interactive,
        output: [true; 2],
        tty,
        sig_proxy: false,
        detach_keys: terminal::detach_keys(args.detach_keys.as_deref())?,
        when_unread: WhenUnread::CloseOutput,
        redraw: false,
    };
    let request = ExecRequest {
        user: args.user.clone().unwrap_or_default(),
        privileged: args.privileged,
        tty,
        console_size: hull_sys::terminal::window_size().map(|(rows, columns)| [rows, columns]),
        attach_stdin: interactive,
        attach_stdout: !args.detach,
        attach_stderr: !args.detach,
        // The detach keys are recognized by this client, not by the engine.
        detach_keys: String::new(),
        env: environment(&args.env_file, &args.env)?,
        working_dir: args.workdir.clone().unwrap_or_default(),
        cmd: command.to_vec(),
    };
    let instead = || format!("hull exec {} {container}", run::first(command));
    let stream = engine
        .exec(&container, &request.into())
        .map_err(|error| run::flags_go_first(error.into(), "container", &instead(), command))?;
    stream.map_or(Ok(0), |stream| terminal::attach(stream, options))
}

/// Whether the program gets a terminal, and input. With `--mode` it always gets input, as in LXD.
fn streams(args: &Exec) -> (bool, bool) {
    match args.mode.as_deref() {
        Some("interactive") => (true, true),
        Some("auto") => (std::io::stdin().is_terminal() && std::io::stdout().is_terminal(), true),
        Some(_) => (false, true),
        None => (args.tty, args.interactive),
    }
}

/// The container and the command. With `--latest`, all words are the command.
fn words<'a>(engine: &Engine, args: &'a Exec) -> Result<(Cow<'a, str>, &'a [String])> {
    let missing = |what| errors::missing(what, "hull exec [OPTIONS] CONTAINER COMMAND [ARG]...");
    if args.latest {
        let Some(Rest::Words(command)) = &args.rest else { return Err(missing("COMMAND")) };
        return Ok((selection::latest(engine)?.into(), command));
    }
    match Rest::split(args.rest.as_ref()) {
        None => Err(missing("CONTAINER")),
        Some((_, [])) => Err(missing("COMMAND")),
        Some((container, command)) => Ok((container.into(), command)),
    }
}
