//! `build`: makes an image from a Dockerfile.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use hull_build::Error;
use hull_build::output::{Built, Caller, Outputs, Results};
use hull_build::request::Request;
use hull_docker::flags::build_call::Method;
use hull_engine::Engine;
use hull_image::Digest;

use super::{build_call, build_shell, registry};
use crate::cli::build::Build;
use crate::persona::Persona;
use crate::ui::build::{Kind, Progress};
use crate::ui::errors::{Exit, Hint};
use crate::ui::output;

/// The exit code of a command that SIGINT ended.
const INTERRUPTED: u8 = 130;

pub fn build(engine: &Engine, args: &Build) -> Result<u8> {
    let mut request = args.request()?;
    request.registry = registry::options(&args.access, None)?;
    let call = build_call::method(args.look.check, args.look.call.as_deref())?;
    if call.method != Method::Build {
        return build_call::call(engine, &request, call);
    }
    let kind = Kind::choose(args.look.progress.as_deref(), args.look.quiet)?;
    let Made { results, stdout_is_taken } = make(engine, &request, kind, args.look.logfile.as_deref())?;
    if let Some(path) = &args.output.metadata_file {
        write_file(path, &serde_json::to_string_pretty(&results.metadata)?)?;
    }
    results.id.map_or(Ok(()), |id| tell(&id, args, stdout_is_taken))?;
    Ok(0)
}

/// What a build has made.
pub struct Made {
    pub results: Results,
    /// Something was written to standard output.
    stdout_is_taken: bool,
}

/// Builds, writes the results, and shows both.
pub fn make(engine: &Engine, request: &Request, kind: Kind, logfile: Option<&Path>) -> Result<Made> {
    let outputs = Outputs::new(request)?;
    if outputs.use_stdout() && std::io::stdout().is_terminal() {
        bail!("cowardly refusing to write to a terminal: name a file with dest=, or redirect");
    }
    let mut progress = Progress::start(kind, logfile)?;
    let built = hull_build::solve::build(engine, request, &mut std::io::stdin(), &mut progress);
    let results = built.and_then(|built| {
        progress.give_signals_back();
        write(engine, &outputs, &built, &mut progress)
    });
    progress.end();
    match results {
        Ok(results) => Ok(Made { results, stdout_is_taken: outputs.use_stdout() }),
        Err(error) => Err(failed(engine, error, &progress)),
    }
}

/// Writes the results, which is shown as a step.
fn write(
    engine: &Engine,
    outputs: &Outputs,
    built: &[Built],
    progress: &mut Progress,
) -> hull_build::Result<Results> {
    let mut stdout = std::io::stdout();
    let mut step = progress.begin_export(outputs.name());
    let mut caller = Caller { stdout: &mut stdout, note: &mut |text: &str| step.note(text) };
    let results = outputs.write(engine, built, &mut caller);
    step.end(results.as_ref().err());
    results
}

/// The image's id, where it was asked for. podman prints it in any case.
fn tell(id: &Digest, args: &Build, stdout_is_taken: bool) -> Result<()> {
    if let Some(path) = &args.output.iidfile {
        write_file(path, &id.to_string())?;
    }
    match (Persona::is_podman(), args.look.quiet) {
        _ if stdout_is_taken => Ok(()),
        (true, _) => output::line(id.hex()),
        (false, true) => output::line(id),
        (false, false) => Ok(()),
    }
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    output::file(path, |mut file| {
        file.write_all(text.as_bytes()).and_then(|()| file.flush()).with_context(cannot)
    })
}

/// The error, after what is shown of the step that failed.
fn failed(engine: &Engine, error: Error, progress: &Progress) -> anyhow::Error {
    if matches!(error, Error::Cancelled) {
        progress.forget_signals();
        let hint = "the steps that ended are in the cache, and the next build does not run them again";
        return anyhow::Error::new(error).context(Hint(hint.into())).context(Exit(INTERRUPTED));
    }
    progress.explain(&error);
    build_shell::open(engine, &error);
    let code = match &error {
        Error::At { source, .. } => match **source {
            Error::Failed { code, .. } => u8::try_from(code).ok(),
            _ => None,
        },
        _ => None,
    };
    // podman's exit code is that of the program.
    match code.filter(|_| Persona::is_podman()) {
        Some(code) => anyhow::Error::new(error).context(Exit(code)),
        None => error.into(),
    }
}
