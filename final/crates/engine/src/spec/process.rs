//! The process of a container or of an `exec`: its program, user, environment, capabilities and limits.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use hull_runtime::security::defaults;
use hull_runtime::spec::{Capabilities, ConsoleSize, Process, Rlimit, User as SpecUser};

use super::user::{self, User, UserFiles};
use crate::error::{Error, Result};
use crate::records::options::WindowSize;
use crate::records::options::{CreateOptions, ExecOptions, Ulimit};
use crate::records::record::Record;

/// docker's, for an image that sets none.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn process(record: &Record, rootfs: &Path, linked: &[String]) -> Result<Process> {
    let options = &record.options;
    let files = UserFiles::of_image(rootfs)?;
    let user = user::resolve(&files, record, &record.process.user)?;
    Ok(Process {
        args: record.process.args(),
        cwd: record.process.cwd(),
        env: environment(record, &user, options.tty, linked, &[]),
        terminal: options.tty,
        capabilities: Some(capabilities(options, &user, options.privileged)?),
        user: spec_user(&user, options),
        rlimits: options.ulimits.iter().map(rlimit).collect(),
        no_new_privileges: options.no_new_privileges,
        oom_score_adj: options.oom_score_adj,
        ..Process::default()
    })
}

/// The process of an `exec`: as the container's, except for what `asked` sets.
pub(crate) fn exec_process(
    record: &Record,
    files: &UserFiles,
    asked: &ExecOptions,
    linked: &[String],
) -> Result<Process> {
    let name = asked.user.as_deref().unwrap_or(&record.process.user);
    let user = user::resolve(files, record, name)?;
    let privileged = asked.privileged || record.options.privileged;
    Ok(Process {
        args: asked.command.clone(),
        cwd: asked.working_dir.clone().map_or_else(|| record.process.cwd(), PathBuf::from),
        env: environment(record, &user, asked.tty, linked, &asked.env),
        terminal: asked.tty,
        console_size: asked.size.map(console_size),
        capabilities: Some(capabilities(&record.options, &user, privileged)?),
        user: spec_user(&user, &record.options),
        rlimits: record.options.ulimits.iter().map(rlimit).collect(),
        no_new_privileges: record.options.no_new_privileges,
        oom_score_adj: record.options.oom_score_adj,
        ..Process::default()
    })
}

pub(crate) fn console_size((rows, columns): WindowSize) -> ConsoleSize {
    ConsoleSize { height: rows, width: columns }
}

fn spec_user(user: &User, options: &CreateOptions) -> SpecUser {
    let umask = options.process_extras.umask;
    SpecUser { uid: user.uid, gid: user.gid, additional_gids: user.groups.clone(), umask }
}

/// docker's order: PATH, HOSTNAME, TERM, HOME, the variables of links, then the image's and the command line's. The last
/// setting of a name wins.
fn environment(record: &Record, user: &User, tty: bool, linked: &[String], more: &[String]) -> Vec<String> {
    let mut env = vec![PATH.to_owned(), format!("HOSTNAME={}", record.hostname)];
    if tty {
        env.push("TERM=xterm".into());
    }
    env.push(format!("HOME={}", user.home.as_deref().unwrap_or("/")));
    record.options.process_extras.unset(&mut env);
    let keys = record.instance.environment();
    set_variables(&mut env, linked.iter().chain(&record.process.env).chain(&keys).chain(more));
    env
}

/// Replaces variables in place or appends them. Linear: an environment may have tens of thousands of variables.
pub(crate) fn set_variables<'a>(env: &mut Vec<String>, entries: impl Iterator<Item = &'a String>) {
    let name = |entry: &str| entry.split('=').next().unwrap_or(entry).to_owned();
    let mut indexes: HashMap<String, usize> = HashMap::new();
    for (index, entry) in env.iter().enumerate() {
        // If a name is there twice, the first one is replaced.
        indexes.entry(name(entry)).or_insert(index);
    }
    for entry in entries {
        match indexes.entry(name(entry)) {
            Entry::Occupied(index) => env[*index.get()].clone_from(entry),
            Entry::Vacant(index) => {
                index.insert(env.len());
                env.push(entry.clone());
            }
        }
    }
}

/// As in docker, root holds the whole set. Another user holds none, and the set only bounds what a set-user-ID program
/// gets.
fn capabilities(options: &CreateOptions, user: &User, privileged: bool) -> Result<Capabilities> {
    let granted = granted(options, privileged)?;
    let held = if user.uid == 0 { granted.clone() } else { vec![] };
    Ok(Capabilities {
        bounding: granted,
        effective: held.clone(),
        permitted: held,
        inheritable: vec![],
        ambient: vec![],
    })
}

fn granted(options: &CreateOptions, privileged: bool) -> Result<Vec<String>> {
    let all = hull_runtime::security::capabilities::all();
    let parse = |names: &[String]| -> Result<Vec<String>> {
        let mut parsed = Vec::new();
        for name in names {
            let full = name.to_ascii_uppercase();
            let full = if full.starts_with("CAP_") || full == "ALL" { full } else { format!("CAP_{full}") };
            if full == "ALL" {
                parsed.extend(all.iter().cloned());
            } else if hull_runtime::security::capabilities::is_known(&full) {
                parsed.push(full);
            } else {
                return Err(Error::Invalid {
                    what: format!("capability {name:?}"),
                    why: "see capabilities(7) for the names".into(),
                });
            }
        }
        Ok(parsed)
    };
    if privileged {
        return Ok(all);
    }
    let added = parse(&options.cap_add)?;
    let dropped = parse(&options.cap_drop)?;
    let drop_all = options.cap_drop.iter().any(|name| name.eq_ignore_ascii_case("all"));
    let add_all = options.cap_add.iter().any(|name| name.eq_ignore_ascii_case("all"));
    let defaults = defaults::CAPABILITIES.iter().map(|name| name.to_string());
    let mut granted: Vec<String> = match (drop_all, add_all) {
        // `--cap-drop ALL --cap-add X` is X.
        (true, _) => added,
        (false, true) => added.into_iter().filter(|cap| !dropped.contains(cap)).collect(),
        (false, false) => defaults.chain(added).filter(|cap| !dropped.contains(cap)).collect(),
    };
    granted.sort();
    granted.dedup();
    Ok(granted)
}

/// Sets the limit of open files, unless the user has set one.
pub(crate) fn limit_descriptors(process: &mut Process, limit: &rustix::process::Rlimit) {
    if process.rlimits.iter().all(|other| other.kind != "RLIMIT_NOFILE") {
        let [soft, hard] = [limit.current, limit.maximum].map(|limit| limit.unwrap_or(u64::MAX));
        process.rlimits.push(Rlimit { kind: "RLIMIT_NOFILE".into(), soft, hard });
    }
}

fn rlimit(limit: &Ulimit) -> Rlimit {
    // -1 is RLIM_INFINITY, which is all ones (getrlimit(2)).
    Rlimit {
        kind: format!("RLIMIT_{}", limit.name.to_ascii_uppercase()),
        soft: limit.soft as u64,
        hard: limit.hard as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(add: &[&str], drop: &[&str]) -> CreateOptions {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        CreateOptions { cap_add: owned(add), cap_drop: owned(drop), ..CreateOptions::default() }
    }

    #[test]
    fn capabilities_are_added_and_dropped_as_docker_does() {
        assert_eq!(granted(&options(&[], &[]), false).unwrap().len(), 14);
        assert_eq!(granted(&options(&["net_admin"], &["ALL"]), false).unwrap(), ["CAP_NET_ADMIN"]);
        assert!(!granted(&options(&[], &["CAP_CHOWN"]), false).unwrap().contains(&"CAP_CHOWN".into()));
        assert!(!granted(&options(&["ALL"], &["mknod"]), false).unwrap().contains(&"CAP_MKNOD".into()));
        assert!(granted(&options(&["fly"], &[]), false).is_err());
    }

    #[test]
    fn a_variable_is_replaced_where_it_stands() {
        let mut env = vec!["A=1".to_owned(), "B=2".into()];
        let entries = ["A=3", "C=", "C=4"].map(str::to_owned);
        set_variables(&mut env, entries.iter());
        assert_eq!(env, ["A=3", "B=2", "C=4"]);
    }
}
