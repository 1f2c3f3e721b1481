//! Errors: one sentence on stderr, and in the file of `--log` in runc's form, which engines read.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::CommandFactory;
use clap::error::{ContextKind, ErrorKind};

use crate::bundle::VERSION;
use crate::cli::{Cli, Global, LogFormat, Verb};
use hull_printable as printable;
use hull_sys::Kind;

use hull_usage as usage;

/// The exit code for every error.
const FAILURE: u8 = 1;
/// The exit code of an `exec` that failed, because 1 could be the exit code of its program.
const EXEC_FAILURE: u8 = 255;

/// Reports a wrong command line. Also prints `--help` and `--version`, which clap reports as errors.
pub fn usage(error: &clap::Error) -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if usage::is_help(error) {
        let text = match error.kind() {
            ErrorKind::DisplayVersion => format!("{} version {VERSION}\n", program_name()),
            _ => help(error, &words),
        };
        // A closed stdout is no failure.
        let _ = std::io::stdout().write_all(text.as_bytes());
        return ExitCode::SUCCESS;
    }
    let usage::Explained { sentence, hint, .. } =
        usage::explain(error, &mut Cli::command(), &words, &usage::Lacking::NOTHING);
    let unknown =
        error.get(ContextKind::InvalidSubcommand).map(|name| format!("\nNo help topic for '{name}'"));
    tell(&format!("hull-oci: {sentence}\nhint: {hint}{}", unknown.unwrap_or_default()));
    ExitCode::from(FAILURE)
}

/// The name under which this program was executed. Scripts that execute it as `runc` look for that name in the output of
/// `--version` and `--help`.
fn program_name() -> String {
    let name = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&name).file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "hull-oci".to_owned())
}

/// The help in runc's layout. The layout is set here and not in the definitions, where it would cost every command time.
fn help(error: &clap::Error, words: &[String]) -> String {
    let program = program_name();
    let mut command = Cli::command().help_template(template(&program, ""));
    let verbs: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    for verb in verbs {
        let own = template(&program, &verb);
        command = command.mut_subcommand(verb, |verb| verb.help_template(own));
    }
    let line = std::iter::once(OsString::from(&program)).chain(std::env::args_os().skip(1));
    let again = command.try_get_matches_from_mut(line).err();
    usage::help(again.as_ref().unwrap_or(error), &mut command, words)
}

fn template(program: &str, verb: &str) -> String {
    let name = format!("{program} {verb}");
    format!("NAME:\n   {} - {{about}}\n\nUSAGE:\n   {{usage}}\n\n{{all-args}}", name.trim_end())
}

/// Reports an error and returns the exit code.
pub fn failure(global: &Global, verb: &Verb, error: &anyhow::Error) -> u8 {
    let mut text = format!("{error:#}");
    // An error about the container's program is printed alone, without a prefix or a hint, because engines show it as
    // it is.
    if !error.chain().any(is_of_program) {
        text.insert_str(0, "hull-oci: ");
        let hint = error.chain().find_map(hint).map(|hint| format!("\nhint: {hint}"));
        text.push_str(&hint.unwrap_or_default());
    }
    tell(&text);
    log(global, "error", &format!("{error:#}"));
    if matches!(verb, Verb::Exec(_)) { EXEC_FAILURE } else { FAILURE }
}

fn is_of_program(cause: &(dyn std::error::Error + 'static)) -> bool {
    let kind = cause.downcast_ref().map(hull_runtime::Error::kind);
    matches!(kind, Some(Kind::ProgramNotFound | Kind::ProgramNotExecutable))
}

/// Prints to stderr. Names and paths in a bundle are not trusted, so control characters in them are escaped.
pub fn tell(text: &str) {
    let _ = std::io::stderr().write_all(printable::block(&format!("{text}\n")).as_bytes());
}

fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    let of_cgroup = || cause.downcast_ref::<hull_runtime::cgroups::Error>()?.hint();
    let of_systemd = || cause.downcast_ref::<hull_runtime::systemd::Error>()?.hint();
    let of_runtime = || cause.downcast_ref::<hull_runtime::Error>()?.hint();
    of_runtime().or_else(of_cgroup).or_else(of_systemd)
}

/// Reports something that is wrong but does not make the command fail.
pub fn warning(global: &Global, message: &str) {
    match &global.log {
        Some(_) => log(global, "warning", message),
        None => tell(&format!("hull-oci: warning: {message}")),
    }
}

/// With `--debug`: logs the verb, without its arguments, which may be secret.
pub fn debug(global: &Global, verb: &Verb) {
    if global.debug {
        let shown = format!("{verb:?}");
        let name = shown.split('(').next().unwrap_or_default().to_lowercase();
        step(global, &format!("hull-oci {name}"));
    }
}

/// With `--debug`: logs a step in the setup of a container or process. The words in parentheses are those of runc's log,
/// for which scripts wait.
pub fn step(global: &Global, message: &str) {
    if !global.debug {
        return;
    }
    match &global.log {
        Some(_) => log(global, "debug", message),
        None => tell(&line(global, "debug", message)),
    }
}

fn line(global: &Global, level: &str, message: &str) -> String {
    let time = humantime::format_rfc3339_seconds(SystemTime::now());
    match global.log_format {
        LogFormat::Json => {
            serde_json::json!({"level": level, "msg": message, "time": time.to_string()}).to_string()
        }
        LogFormat::Text => format!("time=\"{time}\" level={level} msg={message:?}"),
    }
}

fn log(global: &Global, level: &str, message: &str) {
    let Some(path) = &global.log else { return };
    let line = line(global, level, message);
    let written = OpenOptions::new().append(true).create(true).open(path).and_then(|mut file| {
        // One write: several commands may share the file.
        file.write_all(format!("{line}\n").as_bytes())
    });
    if let Err(error) = written {
        let _ = writeln!(std::io::stderr(), "hull-oci: cannot write the log {}: {error}", path.display());
    }
}
