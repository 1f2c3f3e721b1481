//! A compose project becomes containers, networks and volumes.
//!
//! ```text
//! apply/       carries out a plan
//! convert      what the engine is asked for
//! diff         what up would change, and why
//! down         removes a project
//! error        what has failed, on which service
//! follow/      what the containers print, and when they start and end
//! lifecycle    start, stop, restart, kill, pause, rm
//! images       which have to be pulled or built
//! labels       by which the objects of a project are found
//! hooks        commands in a container after its start and before its stop
//! graph        the order of services
//! names        of its containers
//! observe      what the engine has of a project
//! plan/        what has to be done, from that and the files
//! progress     what is being done, for the caller to show
//! references   of a service to the containers of others
//! scope        what a verb works on
//! timeline     what waited for what
//! turn         one command after the other
//! up           makes the engine have what the files say
//! watch/       files of the host that change, and what follows
//! ```

pub mod apply;
pub mod convert;
pub mod diff;
pub mod down;
mod error;
pub mod follow;
pub mod graph;
mod hooks;
pub mod images;
pub mod labels;
pub mod lifecycle;
pub mod names;
pub mod observe;
pub mod plan;
pub mod progress;
pub mod references;
pub mod scope;
pub mod timeline;
mod turn;
pub mod up;
pub mod watch;

pub use error::{Error, Result};
