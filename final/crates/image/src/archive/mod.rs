//! Images from files and into files.
//!
//! ```text
//! import    a root file system becomes an image    change  CMD, ENV, … given beside it (change_build: HEALTHCHECK, ONBUILD, SHELL)
//!   received  the archives of one image           system  LXD's tars: whole images, and metadata alone
//! load      images out of an archive or directory:
//!   contents  the files in it, staged and hashed   layout  index.json of an OCI layout
//!   docker    manifest.json of docker save
//! save      images into an archive
//!   plan      what an archive contains             assembled  an image that need not be in the store
//! ```

mod assembled;
mod change;
mod change_build;
mod contents;
mod docker;
mod import;
mod layout;
mod load;
mod plan;
mod received;
mod save;
mod shell_words;
mod system;
#[cfg(test)]
mod tests;

pub use assembled::Unstored;
pub use change::{apply_change, apply_changes};
pub use import::import;
pub use load::{LoadSource, Loaded, load};
pub(crate) use received::now;
pub use received::{ImportOptions, Received};
pub use save::{SaveCompression, SaveFormat, save};
