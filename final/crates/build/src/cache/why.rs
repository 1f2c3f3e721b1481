//! Why a step was not in the cache: what differs from the step that was built last at the same place of the Dockerfile.

use super::key::Inputs;

/// One sentence for each difference.
pub fn differences(before: &Inputs, now: &Inputs) -> Vec<String> {
    let mut reasons = Vec::new();
    if before.parent != now.parent {
        reasons.push("the step below it has changed".into());
    }
    if before.instruction != now.instruction {
        reasons.push(format!("the instruction was: {}", before.instruction.join(" ")));
    }
    for (name, value) in &now.settings {
        match before.settings.get(name) {
            Some(old) if old == value => {}
            Some(old) => reasons.push(format!("{name} was {old:?} and is {value:?}")),
            None => reasons.push(format!("{name} is new: {value:?}")),
        }
    }
    for name in before.settings.keys().filter(|name| !now.settings.contains_key(*name)) {
        reasons.push(format!("{name} is not set any more"));
    }
    for (path, digest) in &now.files {
        match before.files.get(path) {
            Some(old) if old == digest => {}
            Some(_) => reasons.push(format!("{path} has changed")),
            None => reasons.push(format!("{path} is new")),
        }
    }
    for path in before.files.keys().filter(|path| !now.files.contains_key(*path)) {
        reasons.push(format!("{path} is not read any more"));
    }
    reasons
}
