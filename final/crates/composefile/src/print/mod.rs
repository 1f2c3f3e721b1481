//! A project as YAML and JSON, byte for byte as Compose prints it.
//!
//! ```text
//! tree      what is printed: mappings in the order of their fields
//! json      JSON with Go's escapes
//! ```

pub mod json;
mod tree;

pub use tree::{Form, Tree};
