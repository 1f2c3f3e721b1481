//! The seccomp policy of a container.

use std::path::Path;

use hull_runtime::security::seccomp::{self, Filter};
use hull_runtime::spec::{Seccomp, Spec};

use crate::error::{Error, Result};
use crate::records::options::{CreateOptions, SeccompOption};

/// The policy in the spec. For the built-in runtime the spec leaves the default policy out: it would be four fifths of
/// `config.json`, and every start and `exec` would parse it.
pub(super) fn policy(options: &CreateOptions, capabilities: &[String]) -> Result<Option<Seccomp>> {
    match &options.seccomp {
        SeccompOption::Default if options.privileged || has_default_filter(options) => Ok(None),
        SeccompOption::Default => Ok(Some(seccomp::default_policy(capabilities))),
        SeccompOption::Unconfined => Ok(None),
        SeccompOption::Policy(text) => seccomp::parse_policy(text, capabilities)
            .map(Some)
            .map_err(|error| Error::Invalid { what: "seccomp policy".into(), why: error.to_string() }),
    }
}

/// The filter of the container's processes. `spec` is the container's own, also for a process of `exec`, which may have
/// more capabilities.
pub(crate) fn filter<'a>(options: &CreateOptions, spec: &'a Spec, cache: &'a Path) -> Filter<'a> {
    match has_default_filter(options) {
        true => Filter::Default { capabilities: bounding(spec), cache },
        false => Filter::OfSpec { cache: Some(cache) },
    }
}

/// Whether the built-in runtime gives the container the default policy, without finding it in the spec.
fn has_default_filter(options: &CreateOptions) -> bool {
    options.seccomp == SeccompOption::Default && !options.privileged && options.runtime.is_none()
}

fn bounding(spec: &Spec) -> &[String] {
    let sets = spec.process.as_ref().and_then(|process| process.capabilities.as_ref());
    sets.map_or(&[], |sets| &sets.bounding)
}
