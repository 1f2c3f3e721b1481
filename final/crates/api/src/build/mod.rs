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

use crate::failure::{Failure, Result};
use crate::http::Query;

/// A number of the query, or `None` if it is missing or empty. Here dockerd's status for anything else is 400.
fn number(query: &Query, name: &str) -> Result<Option<i64>> {
    query.number(name).map_err(|failure| Failure::invalid(format!("invalid {name}: {}", failure.message)))
}
