//! `security.syscalls.*` and `security.nesting`.

use hull_lxd::value;
use serde_json::json;

use super::difference::Change;
use crate::error::{Error, Result};
use crate::records::mount_extras::MountExtras;
use crate::records::options::{CreateOptions, MountOption, SeccompOption};

/// The directories of container engines inside of the container. Their overlays need an upper directory that is not on
/// an overlay (Documentation/filesystems/overlayfs.rst). The container's root is an overlay, so volumes are mounted
/// there.
pub(super) const NESTED: [&str; 3] = ["/var/lib/docker", "/var/lib/containers", "/var/lib/hull"];

const SYSCALLS: [&str; 4] = [
    "security.syscalls.allow",
    "security.syscalls.deny",
    "security.syscalls.deny_compat",
    "security.syscalls.deny_default",
];

/// ENOSYS: programs conclude that the kernel does not have the call, and go on without it.
const REFUSAL: u32 = 38;

pub(super) fn put(change: &Change<'_>, options: &mut CreateOptions) -> Result<()> {
    if change.of(&SYSCALLS) {
        options.seccomp = policy(change, options)?;
    }
    // If the key is unset, the volumes and their files stay.
    if change.flag("security.nesting") {
        for path in NESTED {
            nest(options, path);
        }
    }
    Ok(())
}

fn nest(options: &mut CreateOptions, path: &str) {
    if options.mounts.iter().any(|mount| mount.target() == std::path::Path::new(path)) {
        return;
    }
    options.mounts.push(MountOption::Volume {
        name: None,
        target: path.into(),
        read_only: false,
        copy_up: true,
        from_mount_flag: false,
        extras: MountExtras::default(),
    });
}

fn policy(change: &Change<'_>, options: &CreateOptions) -> Result<SeccompOption> {
    let invalid = |why: &str| Error::Invalid { what: "combination of keys".into(), why: why.into() };
    if SYSCALLS.iter().all(|key| change.get(key).is_none()) {
        return Ok(crate::init::seccomp(options));
    }
    if !options.system {
        return Err(invalid(
            "security.syscalls.* are about what a system container is refused (--system); others have docker's policy",
        ));
    }
    let names = |key: &str| -> Result<Vec<String>> {
        let names = value::syscalls(change.get(key).unwrap_or_default());
        let names = names.map_err(|why| Error::Invalid { what: key.into(), why })?;
        names.into_iter().map(|name| known(key, name)).collect()
    };
    let allowed = names("security.syscalls.allow")?;
    let denied = names("security.syscalls.deny")?;
    if !allowed.is_empty() && !denied.is_empty() {
        return Err(invalid(
            "security.syscalls.allow refuses everything else, so there is nothing left to deny",
        ));
    }
    let has_compat = !change.flag("security.syscalls.deny_compat");
    let with_default = change.get("security.syscalls.deny_default").is_none()
        || change.flag("security.syscalls.deny_default");
    let mut refused: Vec<String> = denied;
    if with_default {
        refused.extend(crate::init::refused_syscalls());
    }
    let policy = match allowed.is_empty() {
        false => json!({
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": REFUSAL, "architectures": architectures(has_compat),
            "syscalls": [{"names": allowed, "action": "SCMP_ACT_ALLOW"}],
        }),
        true if refused.is_empty() => json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": architectures(has_compat), "syscalls": [],
        }),
        true => json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": architectures(has_compat),
            "syscalls": [{"names": refused, "action": "SCMP_ACT_ERRNO", "errnoRet": REFUSAL}],
        }),
    };
    Ok(SeccompOption::Policy(policy.to_string()))
}

fn known(key: &str, name: &str) -> Result<String> {
    match hull_runtime::security::seccomp::is_known(name) {
        true => Ok(name.to_owned()),
        false => Err(Error::Invalid { what: key.into(), why: format!("there is no system call {name}") }),
    }
}

/// The kernel's own architecture, and with `has_compat` the others whose programs it runs. A program of an architecture
/// that is not listed is killed at its first system call.
fn architectures(has_compat: bool) -> &'static [&'static str] {
    match (cfg!(target_arch = "aarch64"), has_compat) {
        (true, true) => &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        (true, false) => &["SCMP_ARCH_AARCH64"],
        (false, true) => &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        (false, false) => &["SCMP_ARCH_X86_64"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(keys: &[(&str, &str)]) -> Result<String> {
        let after = keys.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let mut options = CreateOptions { system: true, ..CreateOptions::default() };
        put(&Change { before: &Default::default(), after: &after }, &mut options)?;
        match options.seccomp {
            SeccompOption::Policy(text) => Ok(text),
            other => Ok(format!("{other:?}")),
        }
    }

    #[test]
    fn system_calls_are_denied_in_addition_to_the_default_ones() {
        let text = of(&[("security.syscalls.deny", "keyctl\nbpf")]).unwrap();
        assert!(text.contains("keyctl") && text.contains("finit_module"));
        let text =
            of(&[("security.syscalls.deny", "bpf"), ("security.syscalls.deny_default", "false")]).unwrap();
        let names = |text: &str, name: &str| text.contains(&format!("{name:?}"));
        assert!(!text.contains("finit_module") && architectures(true).iter().all(|name| names(&text, name)));
        let text = of(&[("security.syscalls.deny_compat", "true")]).unwrap();
        for name in architectures(true) {
            assert_eq!(names(&text, name), architectures(false).contains(name), "{name}");
        }
        assert!(hull_runtime::security::seccomp::parse_policy(&text, &[]).is_ok());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(of(&[("security.syscalls.deny", "no_such_call")]).is_err());
        assert!(of(&[("security.syscalls.deny", "bpf"), ("security.syscalls.allow", "read")]).is_err());
    }

    #[test]
    fn nesting_makes_volumes() {
        let after = [("security.nesting".to_owned(), "true".to_owned())].into();
        let change = Change { before: &Default::default(), after: &after };
        let mut options = CreateOptions::default();
        put(&change, &mut options).unwrap();
        put(&change, &mut options).unwrap();
        assert_eq!(options.mounts.len(), 3);
    }
}
