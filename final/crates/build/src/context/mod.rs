//! Where COPY, ADD and bind mounts take files from.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::patterns::Patterns;

/// A tree of files to take from: the build context, a stage, an image, a git checkout, a download.
#[derive(Debug)]
pub struct Tree {
    /// The root directory. Everything is looked up beneath it.
    pub root: OwnedFd,
    /// What `.dockerignore` leaves out.
    pub ignore: Patterns,
    /// For errors: `the build context`, `stage "build"`.
    pub name: String,
    /// A path of the root for what needs one (a bind mount), if it has one.
    pub path: Option<PathBuf>,
}
