//! OCI images: references, content store, layers, archives.
//!
//! ```text
//! reference  how an image is named        config    manifests and configurations
//! store      what there is, and finds it  platform  what an image runs on
//! staging    blobs on their way in        publish   images become visible
//! catalog/   their names, index.json      remove    and go again
//! inspect    all that is known of one     history   and where it comes from
//! layered    what its layers do to each other
//! members/   a tar, read without trust    layer/    and unpacked
//! archive/   load, save, import           host      the built-in image
//! registry/  a conversation with one      pull, push, remote   what it is about
//! commit     one more layer               check     whether the store is what its digests say
//! left_out   what a user namespace does not let an image have
//! ahead      readers in threads           gzip      by all processors
//! aside      work with threads, in a process of its own
//! progress  what becomes of layers, for those who watch
//! ```

pub mod archive;
mod catalog;
pub mod check;
mod child;
pub mod commit;
mod compression;
pub mod config;
mod digest;
mod error;
#[cfg(test)]
mod fuzz;
mod gzip;
mod history;
pub mod host_image;
mod inspect;
mod layer;
mod layer_stack;
pub mod left_out;
pub mod members;
pub mod platform;
pub mod progress;
mod publish;
pub mod pull;
pub mod push;
mod readahead;
pub mod reference;
pub mod registry;
pub mod remote;
pub mod remove;
mod staging;
pub mod store;
#[cfg(test)]
mod testing;

pub use compression::decompress;
pub use digest::{Digest, Hasher};
pub use error::{Error, RegistryProblem, Result};
pub use history::HistoryLine;
pub use inspect::ImageDetails;
pub use layer_stack::{Difference, LayerFacts};
