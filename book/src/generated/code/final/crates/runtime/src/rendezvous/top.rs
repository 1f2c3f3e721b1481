//! `create` and `start` in two processes, which the container connects by a socket in its state directory.
//!
//! ```text
//! creating process                child                                    starting process
//!          ◀──────────── Ready    closes its socket pair, listens
//!   ends                                     ◀──────────────────────────── connect, Go
//!                                 execve ─────────────────────────────────▶ end of file, or Failed
//! ```
//! The messages are those of `protocol.rs`.
