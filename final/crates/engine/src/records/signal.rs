//! Signals that a user names.

use crate::error::{Error, Result};

/// The number of a signal. Signal 0, which kill(2) does not deliver, is refused as docker refuses it.
pub fn parse(text: &str) -> Result<i32> {
    hull_sys::signal::parse(text).filter(|number| *number > 0).ok_or_else(|| Error::Invalid {
        what: format!("signal {text:?}"),
        why: "see signal(7) for the names".into(),
    })
}
