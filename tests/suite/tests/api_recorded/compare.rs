//! Compares an answer with what is recorded, key by key.

use std::collections::{BTreeMap, BTreeSet};

use crate::describe::split;

/// The values of each key that dockerd's versions give. `None` is a key that is left out.
fn allowed(answer: &[String], current: &[String]) -> BTreeMap<String, BTreeSet<Option<String>>> {
    let mut allowed: BTreeMap<String, BTreeSet<Option<String>>> = BTreeMap::new();
    for line in answer {
        let (key, value) = split(line);
        allowed.entry(key).or_default().insert(Some(value));
    }
    for change in current {
        let (sign, line) = change.split_at(2);
        let (key, value) = split(line);
        match sign {
            "- " => {
                let kept = current.iter().any(|other| other.starts_with("+ ") && split(&other[2..]).0 == key);
                if !kept {
                    allowed.entry(key).or_default().insert(None);
                }
            }
            _ => {
                let is_new = !allowed.contains_key(&key);
                let values = allowed.entry(key).or_default();
                values.insert(Some(value));
                if is_new {
                    values.insert(None);
                }
            }
        }
    }
    allowed
}

/// What an engine answers that neither version of dockerd does.
pub fn differences(answer: &[String], current: &[String], found: &[String]) -> Vec<String> {
    let allowed = allowed(answer, current);
    let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in found {
        let (key, value) = split(line);
        given.entry(key).or_default().push(value);
    }
    let mut lines = Vec::new();
    for (key, values) in &allowed {
        let here = given.get(key);
        let is_wrong = match here {
            None => !values.contains(&None),
            Some(here) => here.iter().any(|value| !values.contains(&Some(value.clone()))),
        };
        if is_wrong {
            lines.extend(
                values.iter().flatten().map(|value| format!("- {key} {value}").trim_end().to_owned()),
            );
            let here = here.into_iter().flatten();
            lines.extend(here.map(|value| format!("+ {key} {value}").trim_end().to_owned()));
        }
    }
    for (key, values) in &given {
        if !allowed.contains_key(key) {
            lines.extend(values.iter().map(|value| format!("+ {key} {value}").trim_end().to_owned()));
        }
    }
    lines
}

/// Changes between two answers of the same engine.
pub fn changes(first: &[String], second: &[String]) -> Vec<String> {
    let gone = first.iter().filter(|line| !second.contains(line)).map(|line| format!("- {line}"));
    let new = second.iter().filter(|line| !first.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}
