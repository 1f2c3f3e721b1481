//! Images from files.

mod import;

pub use import::{ImportOptions, import};
