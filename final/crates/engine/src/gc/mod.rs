//! Garbage collection: what a killed command or a killed monitor left behind is found and removed.

pub(crate) mod housekeeping;
pub(crate) mod recover;
pub(crate) mod remains;
