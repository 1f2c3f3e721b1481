//! docker's words, as plain functions on text: no file, no socket and no clap in here.
//!
//! ```text
//! bools     what a boolean flag or key may be set to
//! csv       one line of comma-separated values, which may be quoted
//! filters   --filter KEY=VALUE of every listing
//! fields    the names that docker's templates have for what JSON calls otherwise
//! ```

pub mod bools;
pub mod csv;
pub mod fields;
pub mod filters;
