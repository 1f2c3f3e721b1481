//! The results of a build: an image in the store, an archive, files.
//!
//! ```text
//! target       one --output, checked                write     writes all of them
//! annotations  which document of an image has one   image     an image in the store
//! metadata     what --metadata-file gets            destination  a file that appears whole
//! ```

mod annotations;
mod destination;
mod image;
mod metadata;
mod target;
mod write;

pub use crate::built::{Built, BuiltLayer, Keeps, StageLayers, StepOfLayer};
pub use annotations::Annotations;
pub use image::image;
pub use write::{Caller, Outputs, Results};
