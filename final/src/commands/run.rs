//! `run`: creates a container, starts it and attaches to it.

use anyhow::Result;
use hull_docker::wire::container::CreateRequest;
use hull_engine::{Engine, StartAttach};
use hull_sys::terminal::window_size;

use super::{create, notify};
use crate::cli::container::Run;
use crate::cli::options::Rest;
use crate::ui::errors::{Exit, Hint};
use crate::ui::terminal::{self, WhenUnread};
use crate::ui::{errors, output};

pub fn run(engine: &Engine, args: &Run) -> Result<u8> {
    let create = &args.create;
    if args.detach && !create.attach.attach.is_empty() {
        let conflict = "conflicting options: cannot specify both --attach and --detach";
        return Err(anyhow::anyhow!(conflict).context(Exit(125)));
    }
    let request = create::request(create, args.detach)?;
    create::need_image("hull run", create)?;
    let (image, command) = Rest::split(create.rest.as_ref()).unwrap_or_default();
    let outcome = in_order(engine, args, request);
    outcome.map_err(|error| {
        flags_go_first(error, "image", &format!("hull run {} {image}", first(command)), command)
    })
}

fn in_order(engine: &Engine, args: &Run, request: CreateRequest) -> Result<u8> {
    let create = &args.create;
    if !args.detach {
        terminal::require(create.tty, request.config.attach_stdin)?;
    }
    let output = [request.config.attach_stdout, request.config.attach_stderr];
    let options = terminal::Options {
        stdin: create.interactive && request.config.attach_stdin,
        output,
        tty: create.tty,
        sig_proxy: args.sig_proxy && !create.tty,
        detach_keys: terminal::detach_keys(args.detach_keys.as_deref())?,
        when_unread: WhenUnread::Detach,
        redraw: false,
    };
    let record = create::make(engine, create, request)?;
    let attach = if args.detach { StartAttach::Detached } else { StartAttach::Attached };
    let started = engine.start_created(&record, attach, window_size())?;
    notify::ready();
    say_what_is_dropped(engine, &record.id);
    let Some(stream) = started else {
        output::line(&record.id)?;
        return Ok(0);
    };
    if output == [false; 2] {
        // docker's rule: the container runs on when stdin has ended.
        output::line(&record.id)?;
    }
    terminal::attach(stream, options)
}

/// Adds a hint if the program was not found and looks like a flag that was meant for hull.
pub fn flags_go_first(error: anyhow::Error, what: &str, instead: &str, command: &[String]) -> anyhow::Error {
    let own = error.chain().find_map(|cause| cause.downcast_ref::<hull_engine::Error>());
    let not_found = own.is_some_and(|error| error.kind() == hull_sys::Kind::ProgramNotFound);
    match not_found && first(command).starts_with('-') {
        true if first(command) == "--" => {
            error.context(Hint(format!("no -- stands between the {what} and its command: leave it out")))
        }
        true => error.context(Hint(format!("flags go before the {what}: {instead} …"))),
        false => error,
    }
}

pub fn first(command: &[String]) -> &str {
    command.first().map_or("", String::as_str)
}

/// Warns if another program's firewall rules drop the container's packets. Only the administrator can change those
/// rules.
pub fn say_what_is_dropped(engine: &Engine, container: &str) {
    // An error is ignored: the container starts even if the rules cannot be read.
    if let Ok(Some(bridge)) = engine.dropped_bridge(container) {
        errors::warn(
            "iptables (legacy) drops what is forwarded: the container reaches nobody outside, and nobody its ports",
            &format!(
                "iptables-legacy -I FORWARD -i {bridge} -j ACCEPT; iptables-legacy -I FORWARD -o {bridge} -j ACCEPT"
            ),
        );
    }
}
