//! Steps of builds: one command, run in a container on a stack of layers, whose writable layer becomes the next one.
//!
//! ```text
//! create   a step's container and its start          pack     its writable layer → a layer of an image
//! running  its output until it ends                  finished its writable layer, and its removal
//! shell    a terminal in one that has failed
//! ```
//!
//! A step's container has a record (`Kind::Build`) and a monitor like every other. It has no
//! name, no log and no events, and no verb of a container finds it, because its id is shorter than a container's. It
//! ends with the process that started it: the monitor kills it when the connection closes. What a killed builder leaves
//! is removed by the next listing or the next build.

mod create;
mod finished;
mod network;
mod pack;
mod running;
mod shell;

pub use crate::records::handed::{HandedSource as Source, Metadata, Secret};
pub use create::{Access, StepMount, StepOptions};
pub use finished::FinishedStep;
pub use network::StageNetwork;
pub use pack::PackedStep;
pub use running::RunningStep;
