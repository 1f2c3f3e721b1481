//! `/containers`: a file for each verb, or for several similar ones.

mod archive;
mod attach;
mod compatibility;
mod create;
mod lifecycle;
mod list;
mod logs;
mod look;
mod resize;
mod stats;
mod wait;

pub use archive::{export, get_archive, put_archive, stat_archive};
pub use attach::{attach, attach_websocket};
pub use create::create;
pub use lifecycle::{delete, kill, pause, prune, rename, restart, start, stop, unpause, update};
pub use list::list;
pub use logs::logs;
pub use look::{changes, inspect, top};
pub use resize::{resize, window_size};
pub use stats::stats;
pub use wait::wait;
