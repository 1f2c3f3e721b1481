//! `compose exec` and `compose attach`: a running container of a service.

use std::io::IsTerminal;

use anyhow::Result;

use super::Session;
use super::containers::running;
use crate::cli::compose::run::{Attach, Exec};
use crate::cli::container;
use crate::cli::options::Rest;
use crate::cli::selection::One;
use crate::commands;
use crate::ui::errors;

pub fn exec(session: &Session<'_>, args: &Exec) -> Result<u8> {
    let missing = |what| errors::missing(what, "hull compose exec [OPTIONS] SERVICE COMMAND [ARG]...");
    let (service, command) = match Rest::split(args.rest.as_ref()) {
        None => return Err(missing("SERVICE")),
        Some((_, [])) => return Err(missing("COMMAND")),
        Some(words) => words,
    };
    let name = session.project_name()?;
    let engine = session.engine()?;
    let member = running(&engine, &name, service, args.index)?;
    let words = [&[member.summary.id], command].concat();
    let request = container::Exec {
        mode: None,
        detach: args.detach,
        detach_keys: None,
        env: session.resolved(&args.env),
        env_file: vec![],
        interactive: args.interactive,
        latest: false,
        privileged: args.privileged,
        // --tty is accepted, and means nothing, as in Compose.
        tty: !args.no_tty.unwrap_or_else(|| !std::io::stdout().is_terminal()),
        user: args.user.clone(),
        workdir: args.workdir.clone(),
        rest: Some(Rest::Words(words)),
    };
    commands::exec::exec(&engine, &request)
}

pub fn attach(session: &Session<'_>, args: &Attach) -> Result<u8> {
    let name = session.project_name()?;
    let engine = session.engine()?;
    let member = running(&engine, &name, &args.service, args.index)?;
    let request = container::Attach {
        detach_keys: args.detach_keys.clone(),
        no_stdin: args.no_stdin,
        sig_proxy: args.sig_proxy,
        container: One { latest: false, name: Some(member.summary.name) },
    };
    commands::attach::attach(&engine, &request)
}
