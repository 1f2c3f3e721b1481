//! What steps have made, by their keys. A step with the same key has the same result, so it is not run again.
//!
//! ```text
//! key      what a step's result depends on, and its digest      record   what a step has made
//! store    records on disk, and one lock for each key           why      why a step was not in the cache
//! remote/  caches in registries and directories                 usage    what there is     prune   removes it
//! ```

pub mod key;
pub mod prune;
pub mod record;
pub mod remote;
pub mod store;
pub mod usage;
pub mod why;

pub use key::{Inputs, Key};
pub use record::{LayerOfStep, Record};
pub use store::Cache;
