//! docker's words: the syntax of its options as plain functions on text, and the JSON of its API. No I/O, and no clap.
//!
//! ```text
//! bools     what a boolean flag or key may be set to
//! csv       one line of comma-separated values, which may be quoted
//! filters   --filter KEY=VALUE of every listing
//! fields    the names that docker's templates have for what JSON calls otherwise
//! wire      the JSON objects of the Engine API
//! ```

pub mod bools;
pub mod csv;
pub mod fields;
pub mod filters;
pub mod wire;
