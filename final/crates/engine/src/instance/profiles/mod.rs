//! Profiles: settings that containers share.
//!
//! ```text
//! <data>/profiles/<name>.json   a profile             store  reads and writes them
//!                 pending       a change that is not in force in all containers yet
//!                 lock          exclusive while a profile is changed, shared while a container is
//! verbs   show, create, change, rename, copy, delete  pending  carries a change through, or takes it back
//! ```
//! A change is noted, written, and then put in force in each container that uses the profile. A command that finds the note
//! carries on with it first. If one container cannot have the change, none has it.

mod pending;
mod store;
mod verbs;

pub(crate) use store::Lock;
pub use store::{DEFAULT, Profile};
