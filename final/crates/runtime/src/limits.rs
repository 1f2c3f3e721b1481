//! Resource limits (getrlimit(2)) and the OOM score of the program.

use nix::errno::Errno;
use rustix::process::Rlimit;

use crate::error::{Error, Result, Step};
use crate::procfs::Procfs;
use crate::spec::{Process, Rlimit as PosixRlimit};

pub(crate) fn set_oom_score(process: &Process) -> Result<()> {
    match process.oom_score_adj {
        Some(score) => Procfs::open()?
            .write("self/oom_score_adj", &score.to_string())
            .step(|| format!("set the OOM score adjustment to {score}")),
        None => Ok(()),
    }
}

pub(crate) fn set_limits(process: &Process) -> Result<()> {
    process.rlimits.iter().try_for_each(set_limit)
}

/// Sets the limits of a process that will clone the program and end. The limit of the user's processes is only raised,
/// because both processes count for a moment; [`set_process_limit`] sets it in the program's own process.
pub(crate) fn set_limits_before_clone(process: &Process) -> Result<()> {
    for limit in &process.rlimits {
        if limit.kind != PROCESSES {
            set_limit(limit)?;
        } else if let Some(most) = rustix::process::getrlimit(rustix::process::Resource::Nproc).maximum {
            let most = most.max(limit.hard);
            set_limit(&PosixRlimit { soft: most, hard: most, ..limit.clone() })?;
        }
    }
    Ok(())
}

pub(crate) fn set_process_limit(process: &Process) -> Result<()> {
    process.rlimits.iter().filter(|limit| limit.kind == PROCESSES).try_for_each(set_limit)
}

/// Whether [`set_process_limit`] makes a call.
pub(crate) fn has_process_limit(process: &Process) -> bool {
    process.rlimits.iter().any(|limit| limit.kind == PROCESSES)
}

const PROCESSES: &str = "RLIMIT_NPROC";

fn set_limit(limit: &PosixRlimit) -> Result<()> {
    let resource = resource(&limit.kind)
        .ok_or_else(|| Error::Invalid(format!("unknown resource limit {:?}", limit.kind)))?;
    let bound = |value: u64| (value != u64::MAX).then_some(value);
    let new = Rlimit { current: bound(limit.soft), maximum: bound(limit.hard) };
    rustix::process::setrlimit(resource, new).map_err(|errno| Error::ResourceLimit {
        limit: format!("{} to {}:{}", limit.kind, limit.soft, limit.hard),
        errno: Errno::from_raw(errno.raw_os_error()),
    })
}

fn resource(kind: &str) -> Option<rustix::process::Resource> {
    use rustix::process::Resource;
    Some(match kind.strip_prefix("RLIMIT_")? {
        "AS" => Resource::As,
        "CORE" => Resource::Core,
        "CPU" => Resource::Cpu,
        "DATA" => Resource::Data,
        "FSIZE" => Resource::Fsize,
        "LOCKS" => Resource::Locks,
        "MEMLOCK" => Resource::Memlock,
        "MSGQUEUE" => Resource::Msgqueue,
        "NICE" => Resource::Nice,
        "NOFILE" => Resource::Nofile,
        "NPROC" => Resource::Nproc,
        "RSS" => Resource::Rss,
        "RTPRIO" => Resource::Rtprio,
        "RTTIME" => Resource::Rttime,
        "SIGPENDING" => Resource::Sigpending,
        "STACK" => Resource::Stack,
        _ => return None,
    })
}
