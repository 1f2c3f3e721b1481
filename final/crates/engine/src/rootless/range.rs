//! A range of ids.

use serde::{Deserialize, Serialize};

/// `count` ids from `start` on, as `/etc/subuid` and `/etc/subgid` give them to a user (subuid(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct IdRange {
    pub start: u32,
    pub count: u32,
}

impl IdRange {
    pub(crate) fn end(self) -> u64 {
        u64::from(self.start) + u64::from(self.count)
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        u64::from(self.start) < other.end() && u64::from(other.start) < self.end()
    }
}
