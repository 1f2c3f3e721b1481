//! The kernel's text for an error.

/// The text of an error, without the number that Rust's own text has.
pub(super) fn text(error: impl Into<std::io::Error>) -> String {
    let error: std::io::Error = error.into();
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
