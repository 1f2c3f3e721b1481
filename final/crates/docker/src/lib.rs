//! docker's syntax, as plain functions on text without I/O and without clap.
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
