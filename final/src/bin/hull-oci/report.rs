//! Errors: one sentence on stderr, and in the file of `--log` in runc's form, which engines read.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::CommandFactory;

use crate::cli::{Cli, Global, LogFormat, Verb};
use crate::{printable, usage};

/// Of hull-oci itself, for every mistake.
const FAILURE: u8 = 1;

/// A command line that cannot be understood; also `--help` and `--version`, which come the same way.
pub fn usage(error: &clap::Error) -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut cli = Cli::command();
    // Nobody reads: there is nobody to tell.
    if usage::is_help(error) {
        let _ = std::io::stdout().write_all(usage::help(error, &mut cli, &words).as_bytes());
        return ExitCode::SUCCESS;
    }
    let usage::Explained { sentence, hint, .. } = usage::explain(error, &mut cli, &words);
    tell(&format!("{sentence}\nhint: {hint}"));
    ExitCode::from(FAILURE)
}

/// Tells an error; the exit code.
pub fn failure(global: &Global, error: &anyhow::Error) -> u8 {
    let mut text = format!("{error:#}");
    let hint = error.chain().find_map(hint);
    if let Some(hint) = hint {
        text.push_str(&format!("\nhint: {hint}"));
    }
    tell(&text);
    log(global, "error", &format!("{error:#}"));
    FAILURE
}

/// Names, paths and programs of a bundle are a stranger's: a terminal does not get to obey them.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(printable::block(&format!("hull-oci: {text}\n")).as_bytes());
}

fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    let of_cgroup = || cause.downcast_ref::<hull_runtime::cgroups::Error>()?.hint();
    let of_systemd = || cause.downcast_ref::<hull_runtime::systemd::Error>()?.hint();
    let of_runtime = || cause.downcast_ref::<hull_runtime::Error>()?.hint();
    of_runtime().or_else(of_cgroup).or_else(of_systemd)
}

/// What is not as it should be and changes nothing.
pub fn warning(global: &Global, message: &str) {
    tell(&format!("warning: {message}"));
    log(global, "warning", message);
}

/// With `--debug`: which verb. Its arguments may hold what is nobody else's to read.
pub fn debug(global: &Global, verb: &Verb) {
    if global.debug {
        let shown = format!("{verb:?}");
        let name = shown.split('(').next().unwrap_or_default().to_lowercase();
        log(global, "debug", &format!("hull-oci {name}"));
    }
}

fn log(global: &Global, level: &str, message: &str) {
    let Some(path) = &global.log else { return };
    let time = humantime::format_rfc3339_seconds(SystemTime::now());
    let line = match global.log_format {
        LogFormat::Json => {
            serde_json::json!({"level": level, "msg": message, "time": time.to_string()}).to_string()
        }
        LogFormat::Text => format!("time=\"{time}\" level={level} msg={message:?}"),
    };
    let written = OpenOptions::new().append(true).create(true).open(path).and_then(|mut file| {
        // One write: several commands may share the file.
        file.write_all(format!("{line}\n").as_bytes())
    });
    if let Err(error) = written {
        let _ = writeln!(std::io::stderr(), "hull-oci: cannot write the log {}: {error}", path.display());
    }
}
