//! System call filters: docker's policy, or one given, compiled to BPF once and kept.
//!
//! ```text
//! policy    docker's profile format → the OCI's, for a set of capabilities
//! compile   the OCI's → a range tree in BPF         cache   compiled programs
//! interpret evaluates a program for a system call
//! listener  the agent for SCMP_ACT_NOTIFY           syscalls  names and numbers
//! ```

mod cache;
mod compile;
mod interpret;
mod listener;
mod policy;
mod syscalls;

use hull_sys::security::Instruction;

pub use cache::Filter;
pub use compile::{ACTIONS, FLAGS, OPERATORS, compile};
pub(crate) use interpret::Call;
pub(crate) use listener::Listener;
pub use policy::{default_policy, parse_policy};
pub use syscalls::{is_known, known_architectures};

/// A compiled filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Instruction>,
    /// `SECCOMP_FILTER_FLAG_*`.
    flags: u64,
}

impl Program {
    /// Loads the filter, which then applies to every system call of this process and its children.
    pub fn load(&self) -> nix::Result<()> {
        hull_sys::security::load_filter(&self.instructions, self.flags)
    }
}
