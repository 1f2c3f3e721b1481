//! `/build`: docker's classic builder.
//!
//! ```text
//! parameters  the query becomes a request       narrator   what happens, in the classic builder's words
//! failure     an error, in the same words       solve      the handler      prune   POST /build/prune
//! ```
//! The build itself is [`hull_build::solve::build`], as on the command line.

mod failure;
mod narrator;
mod parameters;
mod prune;
mod solve;

pub use prune::prune;
pub use solve::{build, cancel};
