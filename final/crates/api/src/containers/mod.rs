//! `/containers`: a file for each verb, or for several similar ones.

mod create;
mod lifecycle;

pub use create::create;
pub use lifecycle::{delete, start, wait};
