//! The instructions that change only the image's configuration.

use hull_docker::flags::port;
use hull_docker::time;
use hull_image::config::{Empty, Healthcheck as ImageCheck};

use super::super::history::{quote, quoted};
use super::super::state::State;
use crate::dockerfile::{Argument, Command, Healthcheck};
use crate::plan::Globals;
use crate::{Error, Result};

pub(super) fn arg(state: &mut State, globals: &Globals, arguments: &[Argument]) -> Result<()> {
    let mut shown = Vec::new();
    for argument in arguments {
        let name = state.expand(&argument.name)?;
        crate::plan::arguments::check_name(&name)?;
        let default = argument.default.as_ref().map(|text| state.expand(text)).transpose()?;
        let value = match default {
            Some(default) => Some(globals.given(&name).cloned().unwrap_or(default)),
            None => globals.inherited(&name).cloned(),
        };
        shown.push(value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}")));
        state.declare(&name, value.as_deref());
    }
    state.note(format!("ARG {}", shown.join(" ")));
    Ok(())
}

pub(super) fn env(state: &mut State, pairs: &[(String, String)]) -> Result<()> {
    // All of an instruction's values see the variables from before it.
    let pairs = expand_pairs(state, pairs)?;
    for (name, value) in &pairs {
        crate::plan::arguments::check_name(name)?;
        state.set_env(name, value);
    }
    state.note(format!("ENV {}", shown(&pairs)));
    Ok(())
}

pub(super) fn label(state: &mut State, pairs: &[(String, String)]) -> Result<()> {
    let pairs = expand_pairs(state, pairs)?;
    state.config().labels.get_or_insert_default().extend(pairs.iter().cloned());
    state.note(format!("LABEL {}", shown(&pairs)));
    Ok(())
}

fn expand_pairs(state: &State, pairs: &[(String, String)]) -> Result<Vec<(String, String)>> {
    pairs.iter().map(|(name, value)| Ok((state.expand(name)?, state.expand(value)?))).collect()
}

fn shown(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(" ")
}

pub(super) fn maintainer(state: &mut State, author: &str) {
    state.image.author = Some(author.into());
    state.note(format!("MAINTAINER {author}"));
}

pub(super) fn cmd(state: &mut State, command: &Command) {
    let words = words_of(state, command);
    state.note(format!("CMD {}", quoted(&words)));
    state.config().cmd = Some(words);
    state.has_cmd = true;
}

pub(super) fn entrypoint(state: &mut State, command: &Command) {
    let words = words_of(state, command);
    state.note(format!("ENTRYPOINT {}", quoted(&words)));
    state.config().entrypoint = Some(words);
    // The base image's command belongs to the base image's entry point.
    if !state.has_cmd {
        state.config().cmd = None;
    }
}

/// A command's words: those of a line are the shell's, and the line.
pub(super) fn words_of(state: &State, command: &Command) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(line) => [state.shell(), vec![line.clone()]].concat(),
    }
}

pub(super) fn expose(state: &mut State, ports: &[String]) -> Result<()> {
    let mut keys = Vec::new();
    for text in state.expand_words(ports)? {
        // docker takes what -p takes, and leaves the host's part out.
        let parsed = match text.contains(':') {
            true => port::parse(&text).map(|all| all.into_iter().map(|mapping| mapping.container).collect()),
            false => port::parse_exposed(&text),
        };
        let parsed = parsed.map_err(|why| Error::Invalid { what: format!("port {text:?}"), why })?;
        keys.extend(parsed.iter().map(ToString::to_string));
    }
    keys.sort();
    keys.dedup();
    state.note(format!("EXPOSE [{}]", keys.join(" ")));
    state.config().exposed_ports.get_or_insert_default().extend(keys.into_iter().map(|key| (key, Empty {})));
    Ok(())
}

pub(super) fn volume(state: &mut State, paths: &[String]) -> Result<()> {
    let paths = paths.iter().map(|path| state.expand(path)).collect::<Result<Vec<_>>>()?;
    if paths.iter().any(String::is_empty) {
        return Err(Error::Invalid {
            what: "VOLUME".into(),
            why: "VOLUME specified can not be an empty string".into(),
        });
    }
    state.note(format!("VOLUME [{}]", paths.join(" ")));
    state.config().volumes.get_or_insert_default().extend(paths.into_iter().map(|path| (path, Empty {})));
    Ok(())
}

pub(super) fn user(state: &mut State, user: &str) -> Result<()> {
    let user = state.expand(user)?;
    state.note(format!("USER {user}"));
    state.config().user = Some(user);
    Ok(())
}

pub(super) fn stop_signal(state: &mut State, signal: &str) -> Result<()> {
    let signal = state.expand(signal)?;
    hull_engine::signal::parse(&signal)?;
    state.note(format!("STOPSIGNAL {signal}"));
    state.config().stop_signal = Some(signal);
    Ok(())
}

pub(super) fn shell(state: &mut State, shell: &[String]) {
    state.note(format!("SHELL [{}]", shell.join(" ")));
    state.config().shell = Some(shell.to_vec());
}

pub(super) fn on_build(state: &mut State, trigger: &str) {
    state.config().on_build.get_or_insert_default().push(trigger.into());
}

pub(super) fn healthcheck(state: &mut State, check: &Healthcheck) {
    let check = match check {
        Healthcheck::None => ImageCheck { test: vec!["NONE".into()], ..ImageCheck::default() },
        Healthcheck::Check { command, interval, timeout, start_period, start_interval, retries } => {
            let test = match command {
                Command::Exec(words) => [vec!["CMD".to_owned()], words.clone()].concat(),
                Command::Shell(line) => vec!["CMD-SHELL".into(), line.clone()],
            };
            ImageCheck {
                test,
                interval: *interval,
                timeout: *timeout,
                start_period: *start_period,
                start_interval: *start_interval,
                retries: *retries,
            }
        }
    };
    state.note(shown_check(&check));
    state.config().healthcheck = Some(check);
}

/// Go's `%q` of docker's structure, as BuildKit writes it.
fn shown_check(check: &ImageCheck) -> String {
    let time = |nanoseconds: Option<i64>| {
        let nanoseconds = u64::try_from(nanoseconds.unwrap_or(0)).unwrap_or(0);
        quote(&time::print_duration(std::time::Duration::from_nanos(nanoseconds)))
    };
    let retries =
        char::from_u32(u32::try_from(check.retries.unwrap_or(0)).unwrap_or(0)).unwrap_or('\u{fffd}');
    let retries = match retries {
        '\'' => "'\\''".to_owned(),
        '\\' => "'\\\\'".to_owned(),
        retries if (retries as u32) < 0x20 => format!("'{}'", quote(&retries.to_string()).replace('"', "")),
        retries => format!("'{retries}'"),
    };
    let (interval, timeout) = (time(check.interval), time(check.timeout));
    let (period, start) = (time(check.start_period), time(check.start_interval));
    format!("HEALTHCHECK &{{{} {interval} {timeout} {period} {start} {retries}}}", quoted(&check.test))
}
