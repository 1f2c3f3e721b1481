//! The two streams that a program writes to.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Also all that a program with a terminal writes.
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
