//! The stages of a Dockerfile become a graph: which stages the target needs, and what each stands on. What an
//! instruction does is decided when its stage runs, because it depends on the base image's variables.
//!
//! ```text
//! arguments  ARG before FROM, docker's predefined arguments     stages   which stages there are, and which are needed
//! ```

pub mod arguments;
pub mod stages;
#[cfg(test)]
mod tests;

pub use arguments::Globals;
pub use stages::{Base, Stage, Stages};
