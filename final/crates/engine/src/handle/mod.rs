//! A running container as a command sees it: its monitor and its first process, to be asked, signalled, frozen or ended.

pub(crate) mod ending;
pub(crate) mod freeze;
pub(crate) mod running;
