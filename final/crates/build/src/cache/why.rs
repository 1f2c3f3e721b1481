//! Why a step was not in the cache: what differs from the step that was built last at the same place of the Dockerfile.

use super::key::Inputs;
use crate::context::{Listing, changes};

/// How many changed files are named.
const MOST_FILES: usize = 10;

/// One sentence for each difference, of which there is at least one.
pub fn reasons(before: &Inputs, now: &Inputs, files_before: &Listing, files_now: &Listing) -> Vec<String> {
    let mut reasons = differences(before, now);
    if before.files != now.files {
        let changed = changes(files_before, files_now);
        reasons.extend(changed.iter().take(MOST_FILES).map(ToString::to_string));
        if changed.len() > MOST_FILES {
            reasons.push(format!("{} more files have changed", changed.len() - MOST_FILES));
        }
        if changed.is_empty() {
            reasons.push("it reads other files".into());
        }
    }
    if reasons.is_empty() {
        reasons.push("its layer is not in the cache any more".into());
    }
    reasons
}

fn differences(before: &Inputs, now: &Inputs) -> Vec<String> {
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
    reasons
}
