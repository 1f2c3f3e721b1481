//! docker's formats: the syntax of its options as functions on text, and the JSON of its API. No I/O, and no clap.
//!
//! ```text
//! flags     values of docker's flags, one file per syntax
//! size      64m and 1.24MB               time      10m, 2026-01-02T13:04:05Z, and "2 hours"
//! names     names of objects             path      CONTAINER:PATH, and where mounts go
//! bools     the forms of a boolean value
//! detach_keys  the keys that end an attachment
//! csv       one line of comma-separated values, which may be quoted
//! filters   --filter KEY=VALUE of every list, one file per object
//! fields    names of fields in docker's templates that differ from the JSON keys
//! wire      the JSON objects of the Engine API
//! version   the versions that hull claims
//! ```

pub mod bools;
pub mod csv;
pub mod detach_keys;
pub mod fields;
pub mod filters;
pub mod flags;
pub mod names;
pub mod path;
pub mod size;
pub mod time;
pub mod version;
pub mod wire;
