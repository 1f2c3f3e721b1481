//! A project as YAML and JSON, byte for byte as Compose prints it.
//!
//! ```text
//! order     the order of keys in YAML
//! tree      what is printed: mappings in the order of their fields
//! json      JSON with Go's escapes
//! yaml      YAML with the quotes of Go's library
//! ```

pub mod json;
mod order;
mod tree;
mod yaml;

pub use tree::{Form, Tree};
pub use yaml::{yaml, yaml_uninterpolated};
