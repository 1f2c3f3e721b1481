//! `create` and `start` as two processes: a socket in the container's state directory where they meet.
//!
//! ```text
//! creating process                child                                    starting process
//!          ◀──────────── Ready    closes the pair and all else, accepts
//!   ends                                     ◀──────────────────────────── connect, Go
//!                                 execve ─────────────────────────────────▶ end of file, or Failed
//! ```
//! The messages are those of the pair (`protocol.rs`).
