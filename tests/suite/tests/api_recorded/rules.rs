//! Differences between hull and dockerd that many answers have, with reasons. A difference of one answer is in its case.

/// An endpoint, a key, both with `*` for any text, and the reason.
#[derive(Debug)]
pub struct Rule(
    pub &'static str,
    pub &'static str,
    #[allow(dead_code, reason = "it is for readers")] pub &'static str,
);

pub const RULES: &[Rule] = &[];

/// The rule that a difference falls under: `- KEY VALUE` or `+ KEY VALUE`.
pub fn covering(endpoint: &str, difference: &str) -> Option<usize> {
    let (key, _) = crate::describe::split(&difference[2..]);
    RULES
        .iter()
        .position(|rule| crate::masks::matches(rule.0, endpoint) && crate::masks::matches(rule.1, &key))
}
