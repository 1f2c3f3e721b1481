//! Errors: one sentence that names what failed and why, and a line on what to do next. Exit codes are docker's.

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::book;
use super::hints::{self, Code, OWN_FAILURE};
use super::missing::LACKING;
use super::reader_gone;
use crate::persona::{self, Persona};
use hull_printable as printable;
use hull_usage as usage;

/// Reports a command line that clap refuses. clap also returns `--help` and `--version` as errors.
pub fn usage(error: &clap::Error, mut cli: clap::Command) -> ExitCode {
    let words = persona::words_as_text();
    let persona = Persona::own();
    cli = cli.name(persona.name());
    if usage::is_help(error) {
        let text = match error.kind() {
            ErrorKind::DisplayVersion => persona.version_line(),
            _ => renamed(usage::help(error, &mut cli, &words)),
        };
        // If stderr is closed, there is nowhere to report that.
        let _ = std::io::stdout().write_all(text.as_bytes());
        return ExitCode::SUCCESS;
    }
    let explained = usage::explain(error, &mut cli, &words, &LACKING);
    // A compose program is named like hull's verb.
    let name = |text: String| match persona {
        Persona::DockerCompose | Persona::PodmanCompose => {
            text.replace(&format!("{} compose", persona.name()), persona.name())
        }
        Persona::LxcTool(tool) => text.replace(&format!("{tool} {tool}"), tool),
        _ => text,
    };
    write(persona.prefix(), &name(explained.sentence), Some(&name(explained.hint)));
    let is_docker_flag = explained.flag && usage::verb(&cli, &words).0.split(' ').nth(1) != Some("compose");
    let is_docker_flag = is_docker_flag && !Persona::is_lxc();
    ExitCode::from(if is_docker_flag || Persona::is_podman() { OWN_FAILURE } else { 1 })
}

/// A help with the name by which hull was started.
pub fn renamed(text: String) -> String {
    let persona = Persona::own();
    let own = match persona {
        Persona::DockerCompose | Persona::PodmanCompose => "hull compose".to_owned(),
        Persona::LxcTool(tool) => format!("lxc {tool}"),
        Persona::Lxc => "lxc".to_owned(),
        _ => "hull".to_owned(),
    };
    text.replacen(&format!("Usage: {own}"), &format!("Usage: {}", persona.name()), 1)
}

/// An exit code that differs from the verb's usual one. As the context of an error it adds no text.
#[derive(Debug)]
pub struct Exit(pub u8);

/// A hint that only the caller knows. As the context of an error it adds no text to the message.
#[derive(Debug)]
pub struct Hint(pub String);

impl std::fmt::Display for Exit {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

impl std::fmt::Display for Hint {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

/// The error for a missing argument that clap cannot detect, because the words after it belong to the container's
/// program.
pub fn missing(what: &str, usage: &str) -> anyhow::Error {
    anyhow::anyhow!("{what} is missing").context(Hint(format!("usage: {usage}"))).context(Exit(1))
}

/// Prints an error with its hint; the exit code is `code` unless the error knows better.
pub fn report(error: &anyhow::Error, code: Code) -> u8 {
    // The reader of a pipe has closed it, as `head` does. That is no failure.
    if reader_gone::is_reader_gone(error) {
        return 0;
    }
    let (kind, detail) = hints::classify(error);
    match error.downcast_ref::<hull_engine::Error>() {
        // Each is a sentence of its own, with a hint of its own.
        Some(several) if several.parts().len() > 1 => {
            for error in several.parts() {
                tell(&error.to_string(), error.detail().and_then(hints::hint).as_deref());
            }
        }
        _ => {
            let hint = error.downcast_ref::<Hint>().map(|Hint(hint)| hint.clone());
            tell(&sentence(error), hint.or_else(|| detail.and_then(hints::hint)).as_deref());
        }
    }
    if let Some(Exit(code)) = error.downcast_ref() {
        // LXD's and LXC's programs do not have docker's exit codes.
        return if Persona::is_lxc() && *code == OWN_FAILURE { 1 } else { *code };
    }
    hints::exit_code(kind, code)
}

/// Warns about what was left out of an image.
pub fn say_what_is_left_out(left_out: &hull_image::left_out::LeftOut) {
    if left_out.end {
        warn(
            "the archive ends without its end marker: it may have been cut short between two files",
            "compare its size with the original's; tar(1) writes the marker, some libraries only when they close the file",
        );
    }
    if left_out.owners > 0 {
        let hint = hull_engine::rootless::one_id_hint(&crate::environment::search_path())
            .map(|hint| format!("{hint}; images are then unpacked again"))
            .unwrap_or_else(|| "/etc/subuid and /etc/subgid give you more ids".into());
        let files = left_out.owners;
        warn(
            &format!(
                "{files} files of the image belong to users for which you have no ids: they belong to root in its containers"
            ),
            &hint,
        );
    }
    if let Some(first) = left_out.devices.first() {
        let others = match left_out.devices.len() - 1 {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        warn(
            &format!(
                "the image's device nodes are left out, as an unprivileged user can make none: {}{others}",
                hull_image::members::shown(first)
            ),
            "--device gives a container a device of the host",
        );
    }
}

/// Warns that an event could not be written, once for each command.
pub fn say_event_is_lost(error: &hull_engine::Error) {
    static SAID: std::sync::Once = std::sync::Once::new();
    SAID.call_once(|| warn(&error.to_string(), "the command itself succeeded; hull events does not show it"));
}

/// Warns about a problem that did not stop the command.
pub fn warn(text: &str, hint: &str) {
    // If stderr is closed, there is nowhere to report that.
    say(&format!("warning: {text}"), Some(hint));
}

/// Warns where there is nothing to advise.
pub fn warn_only(text: &str) {
    say(&format!("warning: {text}"), None);
}

/// Says what a user at a terminal cannot see, and what to do next.
pub fn note(text: &str, hint: &str) {
    // If stderr is closed, there is nowhere to say it.
    say(text, Some(hint));
}

/// Prints an error. The hints name hull's own verbs, so LXD's and LXC's programs give none, as in the original.
fn tell(sentence: &str, hint: Option<&str>) {
    write(Persona::own().prefix(), sentence, hint.filter(|_| !Persona::is_lxc()));
}

/// Prints a warning or a note.
fn say(sentence: &str, hint: Option<&str>) {
    let persona = Persona::own();
    // LXD's client begins errors, and nothing else, with a word of its own.
    let prefix = if persona == Persona::Lxc { persona.name() } else { persona.prefix() };
    write(prefix, sentence, hint.filter(|_| !Persona::is_lxc()));
}

/// Prints a sentence, a hint, and where the book says more, in one write, because others may write to the same
/// terminal.
fn write(prefix: &str, sentence: &str, hint: Option<&str>) {
    let mut text = format!("{prefix}: {sentence}\n");
    if let Some(hint) = hint {
        text.push_str(&format!("hint: {hint}\n"));
    }
    if let Some(more) = book::more(&text).filter(|_| !Persona::is_lxc()) {
        text.push_str(&format!("hint: {more}\n"));
    }
    if Persona::is_compose() {
        text = text.replace("hull compose", Persona::own().name());
    }
    // If stderr is closed, there is nowhere to report that.
    let _ = std::io::stderr().write_all(printable::block(&text).as_bytes());
}

/// The error and its causes. Most errors of hull's crates already end with what caused them.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.ends_with(&cause) {
            let separator = if text.is_empty() { "" } else { ": " };
            text.push_str(&format!("{separator}{cause}"));
        }
    }
    text
}
