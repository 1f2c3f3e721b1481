//! Text for people to read: what is too long is cut, and times are told from now. Sizes and durations are in the crate
//! `docker`.

use std::collections::BTreeMap;
use std::time::SystemTime;

use hull_docker::time;

/// `a=b,c=d`, as docker's lists have them.
pub fn labels(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Since a point in time; a clock that went back makes it zero.
pub fn since(moment: SystemTime) -> String {
    time::human_since(moment, SystemTime::now())
}

/// At most `width` characters, the last an ellipsis where something was cut.
pub fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// An id as people see it: without its algorithm, twelve digits.
pub fn short_id(id: &str) -> &str {
    let bare = id.strip_prefix("sha256:").unwrap_or(id);
    bare.get(..12).unwrap_or(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("äöü", 3), "äöü");
    }
}
