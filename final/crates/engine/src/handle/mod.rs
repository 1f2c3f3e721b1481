//! A running container as a command sees it: its monitor and its first process, to be asked, signalled, frozen or ended.
//!
//! ```text
//! running  the monitor and the first process, by pidfd     ending  ends any number of containers
//! freeze   while a command reads its files                 enter   starts a process inside
//! halt     tells an init to end the system         limits  changes limits while it runs
//! ```

pub(crate) mod ending;
pub(crate) mod enter;
pub(crate) mod freeze;
mod halt;
pub(crate) mod limits;
pub(crate) mod running;
