//! Why a step was not in the cache: what differs from the step that was built last at the same place of the Dockerfile.

use super::key::Inputs;
use crate::context::{Listing, changes};

/// How many changed files are named.
const MOST_FILES: usize = 10;

/// One sentence for each difference, of which there is at least one.
pub fn reasons(before: &Inputs, now: &Inputs, files_before: &Listing, files_now: &Listing) -> Vec<String> {
    if before.instruction.first() != now.instruction.first() {
        // A line was added or removed above, and nothing else of the two instructions can be compared.
        let was = before.instruction.join(" ");
        return vec![format!("another instruction was here: {was}")];
    }
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
            // It was not set, and is set to nothing.
            None if value.is_empty() && !name.starts_with("env ") => {}
            None => reasons.push(format!("{name} is new: {value:?}")),
        }
    }
    for name in before.settings.keys().filter(|name| !now.settings.contains_key(*name)) {
        reasons.push(format!("{name} is not set any more"));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(words: &[&str], settings: &[(&str, &str)]) -> Inputs {
        let mut inputs = Inputs::new(None, words.iter().map(|word| (*word).to_owned()).collect());
        settings.iter().for_each(|(name, value)| inputs.set(*name, *value));
        inputs
    }

    fn between(before: &Inputs, now: &Inputs) -> Vec<String> {
        reasons(before, now, &Listing::default(), &Listing::default())
    }

    #[test]
    fn instructions_of_two_kinds_are_not_compared() {
        let copy = inputs(&["COPY", "a", "/"], &[("--link", "false")]);
        let run = inputs(&["RUN", "make"], &[("user", ""), ("env PATH", "/bin")]);
        assert_eq!(between(&copy, &run), ["another instruction was here: COPY a /"]);
        let other = inputs(&["RUN", "ls"], &[("env PATH", "/bin"), ("env A", "")]);
        assert_eq!(between(&run, &run), ["its layer is not in the cache any more"]);
        assert_eq!(
            between(&other, &run),
            ["the instruction was: RUN ls", "env A is not set any more"],
            "an empty user is none"
        );
    }
}
