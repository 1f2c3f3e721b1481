//! A compose project becomes containers, networks and volumes.
//!
//! ```text
//! error        what has failed, on which service
//! progress     what is being done, for the caller to show
//! ```

mod error;
pub mod progress;

pub use error::{Error, Result};
