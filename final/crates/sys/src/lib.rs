//! System calls behind safe functions: the only crate of hull with unsafe code.

pub mod fs;
