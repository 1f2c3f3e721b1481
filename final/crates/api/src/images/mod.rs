//! `/images`, `/commit`, `/distribution`, `/auth`: a file for each verb, or for several similar ones.
//!
//! ```text
//! reference   names of images in requests, and docker's words for wrong ones
//! access      the client's credentials for registries       progress   the states of layers
//! keys        which keys an image has in which version
//! ```

mod access;
mod auth;
mod commit;
mod create;
mod delete;
mod distribution;
mod export;
mod inspect;
pub mod keys;
mod list;
mod load;
mod progress;
mod prune;
mod push;
pub(crate) mod reference;
mod search;
mod tag;

pub use access::logins;
pub use auth::auth;
pub use commit::commit;
pub use create::create;
pub use delete::delete;
pub use distribution::distribution;
pub use export::{get_many, get_one};
pub use inspect::{history, inspect};
pub use list::list;
pub use load::load;
pub use prune::prune;
pub use push::push;
pub use reference::parse as parse_reference;
pub use search::search;
pub use tag::tag;
