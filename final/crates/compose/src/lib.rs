//! A compose project becomes containers, networks and volumes.
//!
//! ```text
//! error        what has failed, on which service
//! ```

mod error;

pub use error::{Error, Result};
