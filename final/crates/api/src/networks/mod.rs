//! `/networks`.

mod connect;
mod create;
mod list;
mod remove;

pub use connect::{connect, disconnect};
pub use create::create;
pub use list::{inspect, list};
pub use remove::{delete, prune};
