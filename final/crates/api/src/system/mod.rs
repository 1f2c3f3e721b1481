//! `/_ping`, `/version`, `/info`, `/events`, `/system/df`.

mod events;
mod info;
mod ping;
mod usage;

pub use events::events;
pub use info::info;
pub use ping::{ping, version};
pub use usage::disk_usage;
