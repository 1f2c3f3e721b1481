//! A container's root file system: what lies below the image, and the files that each start writes into it.

pub(crate) mod etc_files;
pub(crate) mod mount;
pub(crate) mod mountpoints;
