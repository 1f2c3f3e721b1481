//! Compose files become one project. The only I/O is reading the files that the project names.
//!
//! ```text
//! load         files and the environment become one project, by these steps. The first four are taken for each file:
//!   interpolate    variables become text
//!   merge          the file overrides what was read before it
//!   schema         each key is known, and each value has a type that is right there
//!   canonical      short syntaxes become long ones
//!   validate       rules about the keys of one object, on the tree of nodes
//!   normalise      names, the default network and implied dependencies are filled in
//!   model          the tree becomes the typed project
//!   consistency    rules about what services say and name, on the typed project
//!   select         the services that a command names, and what they depend on
//! print        the project as YAML and JSON
//! hash         what tells that a definition has changed
//! flags        values of the command line that are written as in a file
//! read, dotenv      files; .env, env_file and label_file
//! error, path       what is wrong, and where in a document
//! sources, budget   the texts that were read, and how much they may amount to
//! duration, float   their text, as Go has it
//! ```

mod budget;
mod canonical;
mod consistency;
mod dotenv;
mod duration;
mod error;
pub mod flags;
mod float;
pub mod hash;
pub mod interpolate;
pub mod load;
mod merge;
pub mod model;
mod normalise;
pub mod path;
pub mod print;
mod read;
mod schema;
mod select;
mod sources;
mod validate;

pub use error::{Error, Result, Warn};
pub use hull_yaml::tree::{Entry, Mapping, Node, Place, Value};
pub use load::{Dependencies, LoadOptions, Loaded, ServiceEnvironment, load, load_model};
pub use sources::{Source, Sources, Warning, Warnings};
