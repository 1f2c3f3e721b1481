//! The ids that user namespaces map, and the programs that map them for unprivileged users.

use std::os::unix::fs::PermissionsExt;

use super::reason::text;
use super::{Attempt, Check, Need, Patient, Tried};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "newuidmap",
        need: Need::Nobody,
        purpose: "containers of unprivileged users with more than one user",
        fix: "install uidmap (Debian, Ubuntu, Alpine: shadow-uidmap) or shadow-utils (Fedora)",
        attempt: Attempt::Plain(|patient| mapper(patient, "newuidmap")),
    },
    Check {
        name: "newgidmap",
        need: Need::Nobody,
        purpose: "containers of unprivileged users with more than one group",
        fix: "install uidmap (Debian, Ubuntu, Alpine: shadow-uidmap) or shadow-utils (Fedora)",
        attempt: Attempt::Plain(|patient| mapper(patient, "newgidmap")),
    },
    Check {
        name: "subordinate ids",
        need: Need::Nobody,
        purpose: "containers of unprivileged users with more than one user; for root hull chooses ids where none are given",
        fix: "usermod --add-subuids 1000000-1065535 --add-subgids 1000000-1065535 NAME",
        attempt: Attempt::Plain(|_| match crate::rootless::is_root() {
            true => Ok(()),
            false => crate::rootless::check_own_subordinate_ids(),
        }),
    },
];

/// Looks for a program that maps ids. It needs privileges for that: the set-user-ID bit, or capabilities of the file.
fn mapper(patient: &Patient, name: &str) -> Tried {
    const SET_UID: u32 = 0o4000;
    let path = patient.programs.find(name).ok_or("no directory of PATH has it")?;
    let mode = std::fs::metadata(&path).map_err(text)?.permissions().mode();
    let attributes = hull_sys::fs::xattrs_at(&path).unwrap_or_default();
    let has_capabilities = attributes.iter().any(|(name, _)| name.as_bytes() == b"security.capability");
    match mode & SET_UID != 0 || has_capabilities {
        true => Ok(()),
        false => Err(format!("{} has neither the set-user-ID bit nor capabilities", path.display())),
    }
}
