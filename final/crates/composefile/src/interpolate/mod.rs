//! Variables become text before anything else is done with a file, so a merge, an `extends` or an `include` sees values.
//!
//! ```text
//! template   variables in one text
//! cast       what is a number or a boolean afterwards
//! variables  which variables a model has
//! ```

mod cast;
mod template;
#[cfg(test)]
mod tests;
mod variables;

use std::collections::BTreeMap;

use hull_yaml::tree::{Node, Place, Value};

use crate::budget::Budget;
use crate::path::Path;
use crate::sources::Warnings;
use crate::{Error, Result};

use cast::Cast;
pub use template::{Lookup, TemplateError, substitute};
pub use variables::{Variable, variables};

/// The variables of a project.
pub type Environment = BTreeMap<String, String>;

/// What replacing the variables of a document needs.
pub(crate) struct Interpolation<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) warnings: &'a mut Warnings,
    pub(crate) budget: &'a mut Budget,
}

impl Interpolation<'_> {
    /// Replaces the variables of every text in `node`, which stands at `path`. Keys have no variables.
    pub(crate) fn replace(&mut self, node: &mut Node, path: &Path<'_>) -> Result<()> {
        match &mut node.value {
            // A date and a number that is too large are no text in Compose.
            Value::String(_) if node.tag.as_deref().is_some_and(|tag| tag.starts_with("!!")) => {}
            Value::String(text) => {
                let text = std::mem::take(text);
                node.value = self.value(text, node.place, path).map_err(|error| error.at(node.place))?;
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.replace(item, &path.index(index))?;
                }
            }
            Value::Mapping(entries) => {
                for (key, entry) in entries {
                    self.replace(&mut entry.node, &path.key(key))?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) => {}
        }
        Ok(())
    }

    fn value(&mut self, text: String, place: Place, path: &Path<'_>) -> Result<Value> {
        let text = match text.contains('$') {
            false => text,
            true => {
                let (environment, warnings) = (self.environment, &mut *self.warnings);
                let text = substitute(&text, &mut Variables { environment, warnings, place })
                    .map_err(|error| explain(error, path))?;
                self.budget.pay_text(text.len())?;
                text
            }
        };
        match Cast::of(path) {
            None => Ok(Value::String(text)),
            Some(cast) => cast.apply(&text, place, self.warnings).map_err(|why| {
                Error::new(format!(
                    "error while interpolating {path}: failed to cast to expected type: {why}"
                ))
            }),
        }
    }
}

fn explain(error: TemplateError, path: &Path<'_>) -> Error {
    match error {
        TemplateError::Invalid { template } => Error::new(format!(
            "invalid interpolation format for {path}.\nYou may need to escape any $ with another $.\n{template}"
        ))
        .hint("write $$ for a dollar that begins no variable"),
        TemplateError::Required { ref name, .. } => {
            let hint = format!("set {name} in the environment or in the .env file");
            Error::new(format!("error while interpolating {path}: {error}")).hint(hint)
        }
        TemplateError::Deep | TemplateError::Long => Error::new(format!("error while interpolating {path}: {error}")),
    }
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid { template } => write!(f, "Invalid template: {template:?}"),
            Self::Required { name, reason } if reason.is_empty() => {
                write!(f, "required variable {name} is missing a value")
            }
            Self::Required { name, reason } => {
                write!(f, "required variable {name} is missing a value: {reason}")
            }
            Self::Deep => f.write_str("too many variables within each other"),
            Self::Long => f.write_str("the text is too long with its variables replaced"),
        }
    }
}

/// The variables of a project, for one text of a file.
struct Variables<'a> {
    environment: &'a Environment,
    warnings: &'a mut Warnings,
    place: Place,
}

impl Lookup for Variables<'_> {
    fn get(&mut self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }

    fn unset(&mut self, name: &str) {
        self.warnings.add(unset(name), Some(self.place));
    }
}

/// Compose's words about a variable without a value.
pub(crate) fn unset(name: &str) -> String {
    format!("The {name:?} variable is not set. Defaulting to a blank string.")
}
