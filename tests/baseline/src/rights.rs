//! What the program may do: docker's capabilities and the filter.

use anyhow::Result;
use hull_sys::process;
use hull_sys::security::{CapabilitySets, drop_bounding, set_capabilities};

use crate::filter;

/// docker's fourteen, as `CapEff` shows them.
const CAPABILITIES: u64 = 0xa804_25fb;
/// `CAP_CHECKPOINT_RESTORE`.
const LAST: u32 = 40;

/// The last step before execve. The filter is loaded before the capabilities are dropped, because without
/// no_new_privs loading one takes `CAP_SYS_ADMIN`.
pub fn restrict() -> Result<()> {
    process::close_range(3, u32::MAX)?;
    for capability in (0..=LAST).filter(|c| CAPABILITIES & (1 << c) == 0) {
        drop_bounding(capability)?;
    }
    filter::load()?;
    let sets = CapabilitySets { effective: CAPABILITIES, permitted: CAPABILITIES, inheritable: 0 };
    set_capabilities(&sets)?;
    Ok(())
}
