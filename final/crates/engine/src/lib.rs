//! Containers from create to remove, and the monitor that stays with each.
