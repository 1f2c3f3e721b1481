//! Compose files become one project. The only I/O is reading the files that the project names.
//!
//! ```text
//! error        what is wrong, in which file, line and column
//! schema       which keys there are, and the types of their values
//! canonical    short syntaxes become long ones
//! validate     rules about several keys of one object
//! normalise    names, the default network, dependencies that are implied
//! consistency  rules about several objects
//! path         where a value is in a document
//! sources      the texts that were read, and the warnings
//! budget       how much a project may be made of
//! read         files
//! dotenv       .env, env_file and label_file
//! interpolate  variables become text
//! merge        overrides
//! select       profiles and names
//! load         files and the environment become one project
//! model        the typed project
//! print        the project as YAML and JSON
//! hash         what tells that a definition has changed
//! flags       values of the command line that are written as in a file
//! duration, float   their text, as Go has it
//! ```

mod budget;
pub mod canonical;
pub mod consistency;
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
pub mod normalise;
pub mod path;
pub mod print;
mod read;
pub mod schema;
mod select;
mod sources;
pub mod validate;

pub use error::{Error, Result, Warn};
pub use hull_yaml::tree::{Entry, Mapping, Node, Place, Value};
pub use load::{Dependencies, LoadOptions, Loaded, ServiceEnvironment, load, load_model};
pub use sources::{Source, Sources, Warning, Warnings};
