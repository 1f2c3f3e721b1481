//! Units of systemd: the one that starts containers with the machine, and one for a single container.

pub mod boot_unit;
mod quote;
