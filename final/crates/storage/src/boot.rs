//! Identifies the current boot of the machine. Pids and run-time state mean nothing after the next boot.

use std::sync::OnceLock;

use crate::error::{IoContext, Result};

/// The kernel's random id of this boot; see random(4), `/proc/sys/kernel/random/boot_id`.
pub fn boot_id() -> Result<&'static str> {
    static ID: OnceLock<String> = OnceLock::new();
    if let Some(id) = ID.get() {
        return Ok(id);
    }
    let path = "/proc/sys/kernel/random/boot_id";
    let id = hull_sys::fs::read_kernel_text(path).context(|| format!("read {path}"))?;
    Ok(ID.get_or_init(|| id.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_boot_id_does_not_change() {
        let id = super::boot_id().unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(id, super::boot_id().unwrap());
    }
}
