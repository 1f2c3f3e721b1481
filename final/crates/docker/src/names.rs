//! Names of containers, volumes and networks.

/// Two characters at least, letters and digits, and `_`, `.` and `-` behind the first one.
pub fn is_valid(name: &str) -> bool {
    let mut bytes = name.bytes();
    (2..=255).contains(&name.len())
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}
