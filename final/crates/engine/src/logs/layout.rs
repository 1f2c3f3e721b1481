//! What the monitor that writes a log and the commands that read it agree on.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// The file name of the `n`-th newest log.
pub(crate) fn file_name(n: u32) -> String {
    if n == 0 { "log".into() } else { format!("log.{n}") }
}
