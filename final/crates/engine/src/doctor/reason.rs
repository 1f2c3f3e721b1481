//! Why the kernel refused something, in its words.

/// The text of an error, without the number that Rust adds.
pub(super) fn text(error: impl Into<std::io::Error>) -> String {
    let error: std::io::Error = error.into();
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
