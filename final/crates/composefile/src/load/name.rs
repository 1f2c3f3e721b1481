//! The project's name.

use hull_yaml::tree::{Node, Value};

use super::{LoadOptions, lexical};
use crate::budget::Budget;
use crate::interpolate::{Environment, Interpolation};
use crate::path::Path;
use crate::sources::Warnings;
use crate::{Error, Result};

/// A name that the user gives must be valid as it is.
pub(super) fn check(name: &str) -> Result<()> {
    match normalize(name) == name {
        true => Ok(()),
        false => Err(Error::new(format!(
            "invalid project name {name:?}: must consist only of lowercase alphanumeric characters, hyphens, and \
             underscores as well as start with a letter or number"
        ))),
    }
}

/// What is left of a text as a project's name.
pub fn normalize(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept: String = lower
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
        .collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

/// `--project-name`, `COMPOSE_PROJECT_NAME`, the last `name` of the files, or the name of the project's directory, in this
/// order. `documents` are the ones of all files.
pub(super) fn find(
    options: &LoadOptions,
    directory: &str,
    documents: &[Node],
    environment: &Environment,
    warnings: &mut Warnings,
) -> Result<String> {
    let given = options.project_name.as_ref().or_else(|| environment.get("COMPOSE_PROJECT_NAME"));
    if let Some(name) = given.filter(|name| !name.is_empty()) {
        check(name)?;
        return Ok(name.clone());
    }
    let names = documents.iter().filter_map(|document| match &document.value {
        Value::Mapping(entries) => entries.get("name").map(|entry| &entry.node),
        _ => None,
    });
    let mut named = names.filter(|node| matches!(&node.value, Value::String(name) if !name.is_empty()));
    let Some(named) = named.next_back() else {
        return Ok(of_directory(directory, warnings));
    };
    let mut named = named.clone();
    if !options.no_interpolate {
        let budget = &mut Budget::default();
        Interpolation { environment, warnings, budget }.replace(&mut named, &Path::ROOT.key("name"))?;
    }
    let Value::String(name) = named.value else { return Ok(String::new()) };
    Ok(if options.no_normalize { name } else { normalize(&name) })
}

fn of_directory(directory: &str, warnings: &mut Warnings) -> String {
    let name = lexical::base(directory);
    let real = std::fs::canonicalize(directory).ok();
    if real.is_some_and(|real| real.file_name().is_some_and(|real| real != name)) {
        let why =
            format!("project has been loaded without an explicit name from a symlink. Using name {name:?}");
        warnings.add(why, None);
    }
    normalize(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_lower_case_letters_digits_and_signs() {
        assert_eq!(normalize("_-My Project.1_x"), "myproject1_x");
        assert!(check("a-b_1").is_ok());
        for name in ["A", "-a", "a b", "ü"] {
            assert!(check(name).unwrap_err().why.contains("invalid project name"), "{name}");
        }
    }
}
