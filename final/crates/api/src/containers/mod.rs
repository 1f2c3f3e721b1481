//! `/containers`: a file for each verb, or for several similar ones.

mod attach;
mod create;
mod lifecycle;
mod logs;
mod resize;
mod wait;

pub use attach::{attach, attach_websocket};
pub use create::create;
pub use lifecycle::{delete, start};
pub use logs::logs;
pub use resize::{resize, window_size};
pub use wait::wait;
