//! OCI images: references, content store, layers, archives, registries.
//!
//! ```text
//! reference  how an image is named        config    manifests and configurations
//! store      what there is, and finds it  platform  what an image runs on
//! staging    blobs before publication     publish   makes images visible
//! catalog/   their names, index.json      remove    removes images, collects garbage
//! inspect    all that is known of one     history   how an image was built
//! layer_stack  what each layer adds, hides and wastes
//! members/   reads untrusted tars         layer/    unpacks layers
//! packing/   writes tars
//! archive/   load, save, import           host_image  the built-in image
//! lxd/       what LXD knows of an image   squashfs/   reads squashfs file systems
//! registry/  HTTP, credentials, settings  pull, push, remote   what a registry is used for
//! simplestreams/   servers of LXD's images
//! commit     adds a layer to an image     check     compares the store with its digests
//! assemble   makes an image of layers that the store has
//! recompress compresses layers in another way
//! artifact   documents and blobs of a registry that are no image    foreign_layer  layers of a builder's cache
//! left_out   what a user namespace cannot unpack
//! compressor compresses what is written
//! readahead  reads a stream in a thread   gzip      compresses on all processors
//! child      runs threaded work in a child process    blob_file  a new blob, hashed by another process
//! progress   reports the progress of layers
//! ```

pub mod archive;
pub mod artifact;
pub mod assemble;
mod blob_file;
mod catalog;
pub mod check;
mod child;
pub mod commit;
mod compression;
mod compressor;
pub mod config;
mod digest;
mod error;
mod foreign_layer;
#[cfg(test)]
mod fuzz;
mod gzip;
mod history;
pub mod host_image;
mod inspect;
mod layer;
mod layer_stack;
pub mod left_out;
pub mod lxd;
pub mod members;
pub mod packing;
pub mod platform;
pub mod progress;
mod publish;
pub mod pull;
pub mod push;
mod readahead;
mod recompress;
pub mod reference;
pub mod registry;
pub mod remote;
pub mod remove;
pub mod simplestreams;
mod squashfs;
mod staging;
pub mod store;
#[cfg(test)]
mod testing;

pub use blob_file::BlobFile;
pub use child::in_child;
pub use compression::{Bounded, decompress, is_compressed};
pub use compressor::{PackedWith, Packing};
pub use digest::{Digest, Hasher};
pub use error::{Error, RegistryProblem, Result};
pub use foreign_layer::ForeignLayer;
pub use history::HistoryLine;
pub use inspect::ImageDetails;
pub use layer_stack::{Difference, LayerFacts};
pub use recompress::{LayerCompression, Recompressed, Recompression};
pub use store::chain_ids;
