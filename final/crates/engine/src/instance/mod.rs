//! LXD's configuration of a container: keys, devices and profiles, and what they change.
//!
//! ```text
//! profiles/   settings that containers share: <data>/profiles/<name>.json
//! keys        refuses what is wrong with keys and devices; the options that follow from the keys in force
//! limits      limits.* as limits of the options           cpus      which CPUs a number of them means
//! identity    whose ids the container has                 security  system calls, nesting
//! change      another configuration, in a container that may run
//! start       what had to wait for a start                seed      files for cloud-init
//! ```
//!
//! A key says what an option is while it is set, by the container or by one of its profiles. Keys that belong together (those
//! of the memory, say) set their options together; where none of them has changed, docker's flags and `update` have their way.

pub(crate) mod change;
mod cpus;
mod identity;
mod keys;
mod limits;
mod profiles;
mod security;
pub(crate) mod seed;
pub(crate) mod start;

use crate::engine::Engine;
use crate::error::Result;
use crate::records::options::CreateOptions;

pub use change::Applied;
pub use profiles::{DEFAULT as DEFAULT_PROFILE, Profile};

impl Engine {
    /// Puts the settings of a new container in force: into its options. The profiles cannot change until the lock is dropped,
    /// which is when the container's record says that it uses them.
    pub(crate) fn configure(&self, options: &mut CreateOptions) -> Result<Option<profiles::Lock<'_>>> {
        if options.instance.is_default() {
            return Ok(None);
        }
        let profiles = profiles::Lock::shared(self)?;
        keys::check(&options.instance.own())?;
        options.instance.expanded = profiles.expand(&options.instance)?;
        let after = options.instance.expanded.config.clone();
        keys::put(self, None, &Default::default(), &after, options)?;
        identity::put(&after, options)?;
        Ok(Some(profiles))
    }
}
