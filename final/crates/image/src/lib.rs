//! OCI images: references, content store, layers, archives.
//!
//! ```text
//! reference  how an image is named        config  manifests and configurations
//! store      blobs/, index.json, layers/  layer/  tars, applied without trust
//! archive/   import                       host    the built-in image
//! ```

pub mod archive;
mod compression;
pub mod config;
mod digest;
mod error;
pub mod host;
mod layer;
pub mod reference;
pub mod store;

pub use digest::{Digest, Hasher};
pub use error::{Error, Result};
