//! LXD's configuration of a container: keys, devices and profiles, and what they change.
//!
//! ```text
//! profiles    settings that containers share          profile_verbs  show, create, change, rename, copy, delete
//! difference  two sets of keys                        keys      checking keys, and putting them into options
//! limits      limits.* as limits of the options       cpus      which CPUs `limits.cpu` as a number means
//! identity    which ids the container has             security  system calls, nesting
//! apply       putting another configuration in force, in a container that may run
//! pending     a change of a profile, until all containers have it
//! change      the verbs of a container's configuration    copies    the configuration of a copy
//! devices/    what devices become in a run, and changing them while the container runs
//! start       other ids, which wait for a start       seed      files for cloud-init
//! ```
//!
//! A key that is set, by the container or by one of its profiles, decides the value of its options. Keys that belong
//! together (such as those of the memory) set their options together. If none of them has changed, the options keep the
//! values that docker's flags and `update` have given them.

mod apply;
mod change;
mod copies;
mod cpus;
pub(crate) mod devices;
mod difference;
mod identity;
mod keys;
pub(crate) mod limits;
mod pending;
mod profile_verbs;
mod profiles;
mod security;
pub(crate) mod seed;
pub(crate) mod start;

use hull_lxd::expand::Settings;

use self::devices::effects::Effects;
use crate::engine::Engine;
use crate::error::Result;
use crate::records::options::CreateOptions;
use crate::records::record::Record;

pub use apply::Applied;
pub use copies::InstanceChanges;
pub(crate) use identity::differs as needs_other_ids;
pub(crate) use profiles::Lock as ProfilesLock;
pub use profiles::{DEFAULT as DEFAULT_PROFILE, Profile};

impl Engine {
    /// Gives a new container the effects of its devices in force.
    pub(crate) fn plan_devices(&self, record: &mut Record) -> Result<()> {
        let effects = Effects::plan(self, record, &Settings::default())?;
        effects.put(record);
        Ok(())
    }

    /// Puts the settings of a new container into its options. The profiles cannot change until the returned lock is
    /// dropped. The caller drops it when the container's record names the profiles.
    pub(crate) fn configure(&self, options: &mut CreateOptions) -> Result<Option<profiles::Lock<'_>>> {
        if options.instance.is_default() {
            return Ok(None);
        }
        let profiles = pending::shared(self)?;
        keys::check(&options.instance.own())?;
        options.instance.expanded = profiles.expand(&options.instance)?;
        let after = options.instance.expanded.config.clone();
        keys::put(self, None, &Default::default(), &after, options)?;
        identity::put(&after, options)?;
        Ok(Some(profiles))
    }
}
