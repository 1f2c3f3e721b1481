//! Errors: one sentence that names what failed and why, and a line on what to do next. Exit codes are docker's.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;

use super::book;

/// What docker exits with when it is itself at fault, or was asked for what it does not understand.
const OWN_FAILURE: u8 = 125;

/// A command line that cannot be understood; also `--help` and `--version`, which come the same way.
pub fn usage(error: &clap::Error) -> ExitCode {
    // Nobody reads: there is nobody to tell.
    let _ = error.print();
    if let Some(near) = near_command(error) {
        let _ = writeln!(std::io::stderr(), "hint: did you mean hull {near}?");
    }
    if error.use_stderr() { ExitCode::from(OWN_FAILURE) } else { ExitCode::SUCCESS }
}

/// Of a verb that does not exist, the one that differs by two letters at most. clap itself finds only those that
/// begin alike, and the commonest slip is two letters that changed places.
fn near_command(error: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue};
    if error.kind() != clap::error::ErrorKind::InvalidSubcommand
        || error.get(ContextKind::SuggestedSubcommand).is_some()
    {
        return None;
    }
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let cli = crate::cli::Cli::command();
    let near = cli.get_subcommands().filter(|command| !command.is_hide_set()).map(|command| {
        let name = command.get_name();
        (strsim::damerau_levenshtein(name, typed), name.to_owned())
    });
    near.filter(|(distance, _)| *distance <= 2).min().map(|(_, name)| name)
}

/// Another process of this command's has said what is wrong, and ended with this code.
#[derive(Debug)]
pub struct Reported(pub u8);

impl std::fmt::Display for Reported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ended with code {}", self.0)
    }
}

impl std::error::Error for Reported {}

/// Prints an error with its hint; the exit code is `code` unless the error knows better.
pub fn report(error: &anyhow::Error, code: Code) -> u8 {
    // The reader of a pipe has seen enough.
    if is_broken_pipe(error) {
        return 0;
    }
    if let Some(Reported(code)) = error.downcast_ref() {
        return *code;
    }
    let own = error.chain().find_map(|cause| cause.downcast_ref::<hull_engine::Error>());
    // Context that is an error itself is found by the whole only.
    let image = error.downcast_ref::<hull_image::Error>();
    let image = image.or_else(|| error.chain().find_map(|cause| cause.downcast_ref::<hull_image::Error>()));
    let storage = error.chain().find_map(|cause| cause.downcast_ref::<hull_storage::Error>());
    let mut text = format!("hull: {}\n", sentence(error));
    let hint = own.and_then(hull_engine::Error::hint);
    let hint = hint.or_else(|| image.and_then(hull_image::Error::hint));
    let hint = hint.or_else(|| storage.and_then(hull_storage::Error::hint));
    if let Some(hint) = hint {
        text.push_str(&format!("hint: {hint}\n"));
    }
    if let Some(heading) = book::heading(&text) {
        text.push_str(&format!("hint: see the book: {heading}\n"));
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
    let from_container = own.map_or(OWN_FAILURE, hull_engine::Error::exit_code);
    match code {
        Code::Run => from_container,
        Code::Exec if from_container != OWN_FAILURE => from_container,
        Code::Exec | Code::Plain => 1,
    }
}

/// Says what of an image is not here.
pub fn say_what_is_left_out(left_out: &hull_image::left_out::LeftOut) {
    if left_out.end {
        warn(
            "the archive ends without its end marker: it may have been cut short between two files",
            "compare its size with the original's; tar(1) writes the marker, some libraries only when they close the file",
        );
    }
    if left_out.owners > 0 {
        let hint = hull_engine::rootless::one_id_hint()
            .map(|hint| format!("{hint}; images are then unpacked anew"))
            .unwrap_or_else(|| "/etc/subuid and /etc/subgid give you more ids".into());
        let files = left_out.owners;
        warn(
            &format!(
                "{files} files of the image belong to users that you have no ids for: they are root's here"
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
                "the image's device nodes are left out, as an ordinary user can make none: {}{others}",
                hull_image::members::shown(first)
            ),
            "--device gives a container a device of the host",
        );
    }
}

/// Says what is in the way of something that has been done all the same.
pub fn warn(text: &str, hint: &str) {
    // Nobody reads: there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "hull: warning: {text}\nhint: {hint}");
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

/// How a verb's failure becomes an exit code.
#[derive(Debug, Clone, Copy)]
pub enum Code {
    /// 126 and 127 for the program, 125 for everything else.
    Run,
    /// 126 and 127 for the program, 1 for everything else.
    Exec,
    Plain,
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
