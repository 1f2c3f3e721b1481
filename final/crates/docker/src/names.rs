//! Names of containers, volumes and networks.

/// Checks a name: at least two characters, which are letters and digits, and after the first one also `_`, `.` and `-`.
pub fn is_valid(name: &str) -> bool {
    let mut bytes = name.bytes();
    (2..=255).contains(&name.len())
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}
