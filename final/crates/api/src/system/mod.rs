//! `/_ping`, `/version`.

mod ping;

pub use ping::{ping, version};
