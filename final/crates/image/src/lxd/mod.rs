//! What LXD knows of an image beside its files: metadata.yaml and templates, kept with an OCI image.
//!
//! ```text
//! metadata     metadata.yaml, read and written    annotations  the same as annotations of a manifest
//! properties   shows and changes them
//! ```
//! They are annotations of the manifest and not labels of the configuration. The digest of the configuration is the image's
//! id, and in LXD an image keeps its id when its properties change. Registries and archives keep annotations.

mod annotations;
mod metadata;
mod properties;

pub use annotations::{Described, Source, properties, templates};
pub(crate) use annotations::{FINGERPRINT, SOURCE, to_annotations};
pub(crate) use metadata::{MOST_TEMPLATES, MOST_TEXT};
pub use metadata::{Metadata, Template};
