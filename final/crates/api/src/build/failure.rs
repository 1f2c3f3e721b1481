//! Why a build failed, in the words of docker's classic builder.

use hull_build::Error;
use hull_sys::Kind;

use super::narrator::Words;
use crate::failure::Failure;

/// The failure, and the exit code of a step.
pub fn of(error: Error, words: &Words) -> (Failure, Option<i32>) {
    let kind = error.kind();
    // dockerd's status for a server that cannot be reached.
    let status = |text: String| match kind {
        Kind::Unavailable => Failure::new(500, text),
        kind => Failure::of(kind, text),
    };
    let (line, error) = match error {
        Error::At { span, source, .. } => (Some(span.first), *source),
        error => (None, error),
    };
    let instruction = words.instruction.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let has_begun = !instruction.is_empty();
    let text = match error {
        Error::Failed { command, code, .. } => {
            let text = format!("The command '{command}' returned a non-zero code: {code}");
            return (Failure::of(kind, text), Some(code));
        }
        Error::NoSuchFile { path, .. } if !has_begun => {
            return (
                Failure::new(500, format!("Cannot locate specified Dockerfile: {}", path.display())),
                None,
            );
        }
        Error::NoSuchFile { path, .. } => format!(
            "{instruction} failed: file not found in build context or excluded by .dockerignore: stat {}: file does \
             not exist",
            path.display()
        ),
        Error::Invalid { what, why } if what.starts_with("--target") => why,
        error @ (Error::Syntax(_) | Error::Invalid { .. }) => match line.filter(|_| !has_begun) {
            Some(line) => format!("dockerfile parse error on line {line}: {error}"),
            None => error.to_string(),
        },
        error => error.to_string(),
    };
    (status(text), None)
}
