//! `-e` and `--env-file` (<https://docs.docker.com/reference/cli/docker/container/run/#env>).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// One `-e`: `KEY=VALUE`, or a `KEY` whose value is the caller's.
pub fn check(entry: &str) -> Result<(), String> {
    match entry.is_empty() || entry.starts_with('=') {
        true => Err(format!("invalid environment variable: {entry:?}")),
        false => Ok(()),
    }
}

/// The entries of a file, one in each line; empty lines and comments are ignored. An error begins with the line's
/// number.
pub fn parse_file(text: &str) -> Result<Vec<String>, String> {
    let entries = lines(text).map(|(number, line)| {
        let name = line.split_once('=').map_or(line, |(name, _)| name);
        match name.is_empty() || name.contains(char::is_whitespace) {
            true => Err(format!("{number}: {name:?} is not the name of a variable")),
            false => Ok(line.to_owned()),
        }
    });
    entries.collect()
}

/// The lines of a file of labels or variables, with their numbers.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.trim_start_matches('\u{feff}').lines().zip(1..);
    let kept = numbered.map(|(line, number)| (number, line.trim_start()));
    kept.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Adds the caller's values to entries that have none. A variable that the caller does not have either stays a name. If
/// a name occurs more than once, the last entry counts, and takes the position of the first one.
pub fn resolve(entries: Vec<String>, caller: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut resolved: Vec<String> = Vec::new();
    // A file can have many thousand entries, so they are not compared each with each.
    let mut places = HashMap::new();
    for entry in entries {
        let entry = match entry.contains('=') {
            true => entry,
            false => caller(&entry).map_or_else(|| entry.clone(), |value| format!("{entry}={value}")),
        };
        match places.entry(name(&entry).to_owned()) {
            Entry::Occupied(place) => resolved[*place.get()] = entry,
            Entry::Vacant(place) => {
                place.insert(resolved.len());
                resolved.push(entry);
            }
        }
    }
    resolved
}

fn name(entry: &str) -> &str {
    entry.split('=').next().unwrap_or(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_without_a_value_is_the_callers() {
        let entries = ["A=1", "HOME", "NOT_SET", "A=2"].map(str::to_owned).to_vec();
        let resolved = resolve(entries, |name| (name == "HOME").then(|| "/home/me".into()));
        assert_eq!(resolved, ["A=2", "HOME=/home/me", "NOT_SET"]);
        assert!(check("=x").is_err() && check("").is_err() && check("A").is_ok());
    }

    #[test]
    fn a_file_has_a_variable_a_line() {
        assert_eq!(parse_file("\u{feff}A=1\n# no\n\n  B\n").unwrap(), ["A=1", "B"]);
        assert_eq!(parse_file("A=1\nB C=1\n").unwrap_err(), "2: \"B C\" is not the name of a variable");
    }
}
