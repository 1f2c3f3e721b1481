//! Dockerfiles become images.
//!
//! ```text
//! request      what the caller asks for                  progress   what the caller is told meanwhile
//! dockerfile/  text → instructions with their lines      variables/ ${NAME:-word} and its kin
//! patterns/    Go's filepath.Match, and .dockerignore    lint/      BuildKit's checks, hadolint's rules
//! context/     where COPY and ADD take files from        plan/      stages → the graph of steps
//! transfer/    COPY and ADD write a layer                run/       RUN: a container on the layers below it
//! cache/       what steps have made, by their keys       output/    the image, and other results
//! outline/     --call outline and targets: what a Dockerfile offers
//! solve/       runs the graph: one process a stage         built      what it has made
//! attributes   of --output, --cache-to and --cache-from
//! ```

mod attributes;
pub mod built;
pub mod cache;
pub mod context;
pub mod dockerfile;
mod error;
pub mod lint;
pub mod outline;
pub mod output;
pub mod patterns;
pub mod plan;
pub mod progress;
pub mod request;
pub mod run;
pub mod solve;
pub mod transfer;
pub mod variables;

pub use error::{Error, Result};
