//! Lines of `NAME=VALUE`, in which nothing has a meaning of its own.

use hull_docker::flags::env;

use super::Why;
use crate::interpolate::Environment;

/// A name without a value takes that of `outer`, and is left out without one.
pub(super) fn parse(
    text: &str,
    values: &mut Environment,
    outer: &dyn Fn(&str) -> Option<String>,
) -> Result<(), Why> {
    let failed = |text: String| {
        let line = text.split(':').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        Why { line, text: format!("line {text}") }
    };
    for entry in env::parse_file(text).map_err(failed)? {
        match entry.split_once('=') {
            Some((name, value)) => drop(values.insert(name.to_owned(), value.to_owned())),
            None => {
                if let Some(value) = outer(&entry) {
                    values.insert(entry, value);
                }
            }
        }
    }
    Ok(())
}
