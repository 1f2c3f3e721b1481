//! A compose project becomes containers, networks and volumes.
//!
//! ```text
//! error        what has failed, on which service
//! labels       by which the objects of a project are found
//! names        of its containers
//! progress     what is being done, for the caller to show
//! ```

mod error;
pub mod labels;
pub mod names;
pub mod progress;

pub use error::{Error, Result};
