//! An image as an engine saved it, read without that engine: its configuration and its files.
//!
//! ```text
//! tree      the files of an image: its layers merged, by the rules of whiteouts
//! archive   docker's archive of images, read and written
//! describe  an image in lines of text, which can be compared and committed
//! ```

mod archive;
mod describe;
mod tree;

pub use archive::{Image, docker_archive};
pub use describe::{Base, describe, differences};
pub use tree::{Kind, Node, Tree};
