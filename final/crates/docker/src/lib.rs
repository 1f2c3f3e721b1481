//! docker's words: the syntax of its options as plain functions on text, and the JSON of its API. No I/O, and no clap.
//!
//! ```text
//! flags     what docker's flags take, one file per syntax
//! size      64m and 1.24MB               time      10m, 2026-01-02T13:04:05Z, and "2 hours"
//! names     names of objects             path      CONTAINER:PATH, and where mounts go
//! bools     what a boolean flag or key may be set to
//! csv       one line of comma-separated values, which may be quoted
//! filters   --filter KEY=VALUE of every listing, one file per object
//! fields    the names that docker's templates have for what JSON calls otherwise
//! wire      the JSON objects of the Engine API
//! ```

pub mod bools;
pub mod csv;
pub mod fields;
pub mod filters;
pub mod flags;
pub mod names;
pub mod path;
pub mod size;
pub mod time;
pub mod wire;
