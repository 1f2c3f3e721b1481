//! Statements become instructions: their flags, and the number and form of their words, are checked.

mod healthcheck;
mod transfer;

use super::flags::{Flags, Takes};
use super::heredoc;
use super::instruction::{Argument, Command, From, Heredoc, Instruction, Kind, Run};
use super::short;
use super::statement::{RawHeredoc, Statement};
use super::suggest::with_suggestion;
use crate::{Error, Result};

const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

pub(super) fn instruction(statement: Statement, escape: char) -> Result<Instruction> {
    parse(statement, escape).map_err(|why| Error::Syntax(short(why)))
}

/// An instruction that a base image brings along.
pub(super) fn trigger(statement: Statement, escape: char) -> Result<Instruction> {
    let parsed = refuse_trigger(&statement.keyword).and_then(|()| parse(statement, escape));
    parsed.map_err(|why| Error::Syntax(short(why)))
}

fn refuse_trigger(keyword: &str) -> Result<(), String> {
    match &*keyword.to_ascii_uppercase() {
        "ONBUILD" => Err("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".into()),
        name @ ("MAINTAINER" | "FROM") => Err(format!("{name} isn't allowed as an ONBUILD trigger")),
        _ => Ok(()),
    }
}

fn parse(mut statement: Statement, escape: char) -> Result<Instruction, String> {
    let name = statement.keyword.to_ascii_uppercase();
    if !KEYWORDS.contains(&&*name) {
        return Err(unknown(&statement));
    }
    let flags = Flags::parse(&statement.flags, known_flags(&name))?;
    let values = std::mem::take(&mut statement.value);
    let kind = match &*name {
        "ADD" | "COPY" => transfer::parse(&name, &statement, values, &flags)?,
        "ARG" => Kind::Arg(arguments(values)?),
        "CMD" => Kind::Cmd(command(statement.json, values)),
        "ENTRYPOINT" => Kind::Entrypoint(command(statement.json, values)),
        "ENV" => Kind::Env(pairs(values, "ENV")?),
        "EXPOSE" => {
            let mut ports = at_least_one(values, "EXPOSE")?;
            ports.sort();
            Kind::Expose(ports)
        }
        "FROM" => Kind::From(from(values, &flags)?),
        "HEALTHCHECK" => Kind::Healthcheck(healthcheck::parse(statement.json, values, &flags)?),
        "LABEL" => Kind::Label(pairs(values, "LABEL")?),
        "MAINTAINER" => Kind::Maintainer(exactly_one(values, "MAINTAINER")?),
        "ONBUILD" => on_build(&mut statement, escape)?,
        "RUN" => Kind::Run(run(&statement, values, &flags)?),
        "SHELL" => Kind::Shell(shell(&statement, values)?),
        "STOPSIGNAL" => Kind::StopSignal(exactly_one(values, "STOPSIGNAL")?),
        "USER" => Kind::User(exactly_one(values, "USER")?),
        "VOLUME" => Kind::Volume(volumes(values)?),
        _ => Kind::Workdir(exactly_one(values, "WORKDIR")?),
    };
    Ok(Instruction {
        span: statement.span,
        keyword: statement.keyword,
        original: statement.original.trim().into(),
        comments: statement.comments,
        flags: flags.into_given(),
        legacy: statement.legacy,
        kind,
    })
}

fn unknown(statement: &Statement) -> String {
    let keyword = &statement.keyword;
    if statement.span.first == 1 && statement.original.replace(' ', "").starts_with("//syntax=") {
        return "`// syntax=` asks for another frontend than docker/dockerfile. Only Dockerfiles can be built".into();
    }
    with_suggestion(format!("unknown instruction: {keyword}"), keyword, &KEYWORDS)
}

fn known_flags(name: &str) -> &'static [(&'static str, Takes)] {
    match name {
        "FROM" => &[("platform", Takes::One)],
        "RUN" => &[
            ("mount", Takes::Several),
            ("network", Takes::One),
            ("security", Takes::One),
            ("device", Takes::Several),
        ],
        "COPY" => &[
            ("from", Takes::One),
            ("chown", Takes::One),
            ("chmod", Takes::One),
            ("link", Takes::Bool),
            ("parents", Takes::Bool),
            ("exclude", Takes::Several),
        ],
        "ADD" => &[
            ("chown", Takes::One),
            ("chmod", Takes::One),
            ("link", Takes::Bool),
            ("keep-git-dir", Takes::Bool),
            ("checksum", Takes::One),
            ("unpack", Takes::Bool),
            ("exclude", Takes::Several),
        ],
        "HEALTHCHECK" => &[
            ("interval", Takes::One),
            ("timeout", Takes::One),
            ("start-period", Takes::One),
            ("start-interval", Takes::One),
            ("retries", Takes::One),
        ],
        _ => &[],
    }
}

fn at_least_one(values: Vec<String>, name: &str) -> Result<Vec<String>, String> {
    if values.is_empty() {
        return Err(format!("{name} requires at least one argument"));
    }
    Ok(values)
}

fn exactly_one(values: Vec<String>, name: &str) -> Result<String, String> {
    let [value] =
        <[String; 1]>::try_from(values).map_err(|_| format!("{name} requires exactly one argument"))?;
    Ok(value)
}

/// The shell form has one word: the rest of the line.
fn command(json: bool, values: Vec<String>) -> Command {
    if json { Command::Exec(values) } else { Command::Shell(values.join(" ")) }
}

fn arguments(values: Vec<String>) -> Result<Vec<Argument>, String> {
    let arguments = at_least_one(values, "ARG")?.into_iter().map(|value| match value.split_once('=') {
        Some(("", _)) => Err("ARG names can not be blank".into()),
        Some((name, default)) => Ok(Argument { name: name.into(), default: Some(default.into()) }),
        None => Ok(Argument { name: value, default: None }),
    });
    arguments.collect()
}

fn pairs(values: Vec<String>, name: &str) -> Result<Vec<(String, String)>, String> {
    let mut values = at_least_one(values, name)?.into_iter();
    let mut pairs = Vec::with_capacity(values.len() / 2);
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        if key.is_empty() {
            return Err(format!("{name} names can not be blank"));
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}

fn from(values: Vec<String>, flags: &Flags) -> Result<From, String> {
    let platform = flags.one("platform");
    match &values[..] {
        [image] => Ok(From { image: image.clone(), platform, name: None }),
        [image, word, written] if word.eq_ignore_ascii_case("as") => {
            let name = written.to_lowercase();
            let is_valid = name.starts_with(|char: char| char.is_ascii_lowercase())
                && name.chars().all(|char| {
                    char.is_ascii_lowercase() || char.is_ascii_digit() || matches!(char, '-' | '_' | '.')
                });
            if !is_valid {
                return Err(format!(
                    "invalid name for build stage: {written:?}, name can't start with a number or contain symbols"
                ));
            }
            Ok(From { image: image.clone(), platform, name: Some(name) })
        }
        _ => Err("FROM requires either one or three arguments".into()),
    }
}

fn run(statement: &Statement, values: Vec<String>, flags: &Flags) -> Result<Run, String> {
    let network = flags.one("network");
    if let Some(mode) = &network
        && !["default", "none", "host"].contains(&&**mode)
    {
        return Err(with_suggestion(
            format!("invalid network mode {mode:?}"),
            mode,
            &["default", "none", "host"],
        ));
    }
    let security = flags.one("security");
    if let Some(mode) = &security
        && !["sandbox", "insecure"].contains(&&**mode)
    {
        return Err(with_suggestion(
            format!("security {mode:?} is not valid"),
            mode,
            &["sandbox", "insecure"],
        ));
    }
    let mounts = flags.several("mount");
    mounts.iter().try_for_each(|mount| super::mount::check(mount))?;
    let devices = flags.several("device");
    devices.iter().try_for_each(|device| super::device::Device::parse(device).map(drop))?;
    let command = command(statement.json, values);
    let heredocs = statement.heredocs.iter().map(typed).collect();
    Ok(Run { command, heredocs, mounts, network, security, devices })
}

fn typed(heredoc: &RawHeredoc) -> Heredoc {
    let content = if heredoc.chomps { heredoc::chomped(&heredoc.content) } else { heredoc.content.clone() };
    Heredoc { name: heredoc.name.clone(), content, expands: heredoc.expands, chomped: heredoc.chomps }
}

fn shell(statement: &Statement, values: Vec<String>) -> Result<Vec<String>, String> {
    if !values.is_empty() && !statement.json {
        return Err(format!(
            "SHELL requires the arguments to be in JSON form, such as SHELL [\"/bin/sh\", \"-c\"], and not {}",
            statement.original.trim()
        ));
    }
    at_least_one(values, "SHELL")
}

fn volumes(values: Vec<String>) -> Result<Vec<String>, String> {
    let volumes: Vec<String> =
        at_least_one(values, "VOLUME")?.iter().map(|value| value.trim().to_owned()).collect();
    if volumes.iter().any(String::is_empty) {
        return Err("VOLUME specified can not be an empty string".into());
    }
    Ok(volumes)
}

fn on_build(statement: &mut Statement, escape: char) -> Result<Kind, String> {
    let Some(inner) = statement.sub.take() else {
        return Err("ONBUILD requires at least one argument".into());
    };
    refuse_trigger(&inner.keyword)?;
    let (keyword, original) = (statement.keyword.len(), statement.original.trim_start());
    let mut text = original[keyword..].trim_start().to_owned();
    for heredoc in &statement.heredocs {
        text += &format!("\n{}{}", heredoc.content, heredoc.name);
    }
    let inner = Statement { span: statement.span, heredocs: statement.heredocs.clone(), ..*inner };
    Ok(Kind::OnBuild(text, Box::new(parse(inner, escape)?)))
}
