//! Checking keys, and putting them into options.

use hull_lxd::Config;
use hull_lxd::expand::Settings;

use super::difference::Change;
use super::{limits, security};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::options::CreateOptions;

/// Refuses keys and devices that do not exist, and values that they do not accept.
pub(super) fn check(settings: &Settings) -> Result<()> {
    for (name, value) in &settings.config {
        hull_lxd::keys::check(name, value)?;
        if let Some(sysctl) = name.strip_prefix("linux.sysctl.")
            && hull_runtime::namespace_of_sysctl(sysctl).is_none()
        {
            return Err(Error::Invalid { what: format!("key {name}"), why: crate::spec::OF_MACHINE.into() });
        }
    }
    Ok(hull_lxd::device::check_all(&settings.devices)?)
}

/// Puts the keys in force that have changed into the options. `id` is the id of the container, if it exists already.
pub(super) fn put(
    engine: &Engine,
    id: Option<&str>,
    before: &Config,
    after: &Config,
    options: &mut CreateOptions,
) -> Result<()> {
    let change = Change { before, after };
    limits::put(engine, id, &change, options)?;
    security::put(&change, options)?;
    crate::spec::check_resources(&options.resources)?;
    crate::spec::check_sysctls(options)
}
