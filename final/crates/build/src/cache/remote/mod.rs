//! Caches elsewhere: `--cache-from` and `--cache-to`, in BuildKit's format.
//!
//! ```text
//! location  where a cache is: a registry, a directory      config   BuildKit's document that lists steps and layers
//! listing   what a location lists, fetched and checked     import   takes the layer of a step from there
//! export    writes the steps of a finished build
//! ```
//!
//! The key of a step in such a document is hull's own, so what BuildKit has written is read and has no step that hull
//! knows, and the other way round; the layers' blobs are the same for both.
//!
//! A cache serves only the builds that name it: what comes from it is recorded under a key that only these builds look
//! up ([`import`]).

mod config;
mod export;
pub mod import;
mod listing;
mod location;

pub use export::{export, inline_records};
pub use import::Imports;
pub use location::Exports;
