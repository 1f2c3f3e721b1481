//! The names of a log's files, on which the monitor that writes them and the commands that read them agree.

/// The file name of the `n`-th newest log.
pub(crate) fn file_name(n: u32) -> String {
    if n == 0 { "log".into() } else { format!("log.{n}") }
}
