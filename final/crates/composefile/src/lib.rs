//! Compose files become one project. The only I/O is reading the files that the project names.
//!
//! ```text
//! error        what is wrong, in which file, line and column
//! ```

mod error;

pub use error::{Error, Result};
pub use hull_yaml::tree::{Entry, Mapping, Node, Place, Value};
