//! The seccomp policy of a container.

use hull_runtime::security::seccomp;
use hull_runtime::spec::Seccomp;

use crate::error::{Error, Result};
use crate::records::options::{CreateOptions, SeccompOption};

pub(super) fn policy(options: &CreateOptions, capabilities: &[String]) -> Result<Option<Seccomp>> {
    match &options.seccomp {
        _ if options.privileged && options.seccomp == SeccompOption::Default => Ok(None),
        SeccompOption::Default => Ok(Some(seccomp::default_policy(capabilities))),
        SeccompOption::Unconfined => Ok(None),
        SeccompOption::Policy(text) => seccomp::parse_policy(text, capabilities)
            .map(Some)
            .map_err(|error| Error::Invalid { what: "seccomp policy".into(), why: error.to_string() }),
    }
}
