//! `--security-opt KEY[=VALUE]` and `--cap-add` (<https://docs.docker.com/engine/security/seccomp/>,
//! <https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities>).

/// One `--security-opt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurityOption {
    NoNewPrivileges(bool),
    Seccomp(Seccomp),
    /// AppArmor or SELinux is disabled. This has no effect, because hull uses neither by default.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seccomp {
    /// docker's default policy.
    Builtin,
    Unconfined,
    /// A policy: on a command line the path of its file, in a request its text.
    Policy(String),
}

pub fn parse(text: &str) -> Result<SecurityOption, String> {
    let (key, value) = text.split_once(['=', ':']).unwrap_or((text, "true"));
    match (key, value) {
        ("no-new-privileges", "true") => Ok(SecurityOption::NoNewPrivileges(true)),
        ("no-new-privileges", "false") => Ok(SecurityOption::NoNewPrivileges(false)),
        ("seccomp", "unconfined") => Ok(SecurityOption::Seccomp(Seccomp::Unconfined)),
        ("seccomp", "builtin") => Ok(SecurityOption::Seccomp(Seccomp::Builtin)),
        ("seccomp", policy) => Ok(SecurityOption::Seccomp(Seccomp::Policy(policy.to_owned()))),
        ("apparmor", "unconfined") | ("label", "disable") => Ok(SecurityOption::Nothing),
        ("apparmor" | "label", _) => Err(format!(
            "--security-opt {text}: AppArmor and SELinux policies are not applied; use seccomp, capabilities or --read-only"
        )),
        _ => Err(format!(
            "--security-opt {text}: expected no-new-privileges, seccomp=unconfined or seccomp=FILE"
        )),
    }
}

/// The capabilities of `--cap-add` or `--cap-drop` as a request has them: in capitals, with `CAP_`, each once, sorted;
/// `ALL` includes every other.
pub fn capabilities(given: &[String]) -> Vec<String> {
    let full = |name: &String| match name.to_ascii_uppercase() {
        name if name == "ALL" || name.starts_with("CAP_") => name,
        name => format!("CAP_{name}"),
    };
    let names: std::collections::BTreeSet<String> = given.iter().map(full).collect();
    if names.contains("ALL") { vec!["ALL".into()] } else { names.into_iter().collect() }
}

#[test]
fn capabilities_have_their_kernels_names() {
    let list = |names: &[&str]| capabilities(&names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
    assert_eq!(list(&["sys_admin", "CAP_NET_ADMIN", "NET_ADMIN"]), ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]);
    assert_eq!(list(&["NET_ADMIN", "all"]), ["ALL"]);
}

#[test]
fn options_are_known_or_refused() {
    assert_eq!(parse("no-new-privileges"), Ok(SecurityOption::NoNewPrivileges(true)));
    assert_eq!(parse("no-new-privileges:false"), Ok(SecurityOption::NoNewPrivileges(false)));
    assert_eq!(parse("seccomp=/p.json"), Ok(SecurityOption::Seccomp(Seccomp::Policy("/p.json".into()))));
    assert_eq!(parse("label=disable"), Ok(SecurityOption::Nothing));
    assert!(parse("label=type:x").is_err() && parse("colour=blue").is_err());
}
