//! What the program may do: limits, user, capabilities, filter. In the order the kernel's rules force.

use std::os::fd::{AsFd, BorrowedFd};

use hull_sys::process;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::{Gid, Uid};
use rustix::process::Rlimit;

use super::program;
use crate::error::{Error, Result, Step};
use crate::hooks::Subject;
use crate::procfs::Procfs;
use crate::security::capabilities;
use crate::security::labels::Labels;
use crate::security::seccomp::{Call, Listener, Program};
use crate::spec::{Process, Rlimit as PosixRlimit, Spec};

/// A kernel built without a feature has nothing to isolate there.
pub(crate) fn absent(errno: Errno) -> nix::Result<()> {
    if errno == Errno::ENOSYS { Ok(()) } else { Err(errno) }
}

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

/// Sets all limits except the number of the user's processes, which is at most raised here: the process that clones the
/// program counts too, and ends afterwards. [`set_process_limit`] sets that one.
pub(crate) fn set_limits_of_parent(process: &Process) -> Result<()> {
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
    rustix::process::setrlimit(resource, new)
        .step(|| format!("set the limit {} to {}:{}", limit.kind, limit.soft, limit.hard))
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

/// What the program may do, with all that has to be opened while the host is still in sight.
pub(crate) struct Rights<'a> {
    process: &'a Process,
    filter: Option<&'a Program>,
    listener: Option<Listener>,
    labels: Labels,
}

impl<'a> Rights<'a> {
    pub(crate) fn prepare(
        process: &'a Process,
        filter: Option<&'a Program>,
        subject: Subject<'_>,
    ) -> Result<Self> {
        Ok(Self { process, filter, listener: Listener::connect(subject)?, labels: Labels::open(process)? })
    }

    /// The descriptors that must stay open until [`Self::take`].
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.labels.descriptors().chain(self.listener.as_ref().map(AsFd::as_fd))
    }

    /// Gives up the runtime's rights for the container's. The seccomp filter is not loaded yet: it comes last, because
    /// a policy only has to allow what the program itself does.
    pub(crate) fn take(self) -> Result<Filter<'a>> {
        let process = self.process;
        let sets = capabilities::parse(process.capabilities.as_ref())?;
        self.labels.set()?;
        if process.no_new_privileges {
            process::set_no_new_privileges().step(|| "set no_new_privs".into())?;
        }
        // Without no_new_privs a filter needs CAP_SYS_ADMIN (seccomp(2)).
        let needs_admin = self.filter.is_some() && !process.no_new_privileges;
        // First as root, who may enter what the user may not; if that fails, below as the user.
        let is_there = program::enter(&process.cwd)?;
        // The bounding set needs CAP_SETPCAP: before the user changes.
        capabilities::limit_bounding(&sets)?;
        set_user(process)?;
        if !is_there {
            program::enter_at_last(&process.cwd)?;
        }
        program::check_directory()?;
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(process.user.umask.unwrap_or(0o022)));
        match needs_admin {
            true => capabilities::apply_keeping_admin(&sets)?,
            false => capabilities::apply(&sets)?,
        }
        Ok(Filter { program: self.filter, listener: self.listener, sets, needs_admin })
    }
}

/// The seccomp filter that is yet to be loaded.
pub(crate) struct Filter<'a> {
    program: Option<&'a Program>,
    listener: Option<Listener>,
    sets: capabilities::Sets,
    needs_admin: bool,
}

impl Filter<'_> {
    /// The descriptor that must stay open until the filter is loaded.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(AsFd::as_fd)
    }

    /// Loads a filter before other processes in the pid namespace can see this one, so that nobody who takes control of
    /// it is less confined. If the filter allows `calls`, the calls made before the program is executed, it is loaded
    /// here. Otherwise a wider filter that also allows them is loaded here, and the filter itself last. Loading that
    /// needs no_new_privs, because CAP_SYS_ADMIN must not be kept where others may get hold of it.
    pub(crate) fn load_before_others_see(&mut self, calls: &[Call]) -> Result<()> {
        let Some(program) = self.program else { return Ok(()) };
        let changes_rights = self.needs_admin.then_some(Call::any(libc::SYS_capset));
        if calls.iter().copied().chain(changes_rights).all(|call| program.allows(call)) {
            self.load_now()?;
            return if self.needs_admin { capabilities::apply(&self.sets) } else { Ok(()) };
        }
        process::set_no_new_privileges().step(|| "set no_new_privs".into())?;
        if self.needs_admin {
            capabilities::apply(&self.sets)?;
            self.needs_admin = false;
        }
        let last = Call::any(libc::SYS_seccomp);
        let wider = program.with_calls(&[calls, &[last]].concat());
        let wider = wider.ok_or_else(|| Error::Invalid("the seccomp policy is too long for exec".into()))?;
        wider.load().step(|| "load the seccomp filter".into())
    }

    /// Loads the filter early, for hooks that run before the program and are as confined as it.
    pub(crate) fn load_now(&mut self) -> Result<()> {
        self.load()?;
        self.program = None;
        Ok(())
    }

    /// Loads the filter: the last call before execve(2), which the filter has to allow.
    pub(crate) fn load(&self) -> Result<()> {
        let Some(program) = self.program else { return Ok(()) };
        if self.needs_admin {
            capabilities::raise_admin(&self.sets)?;
        }
        match &self.listener {
            Some(listener) => listener.load(program),
            None => program.load().step(|| "load the seccomp filter".into()),
        }
    }
}

/// Our pid in the namespace of the /proc that is mounted, where it is wanted; it costs a look there.
pub(crate) fn pid_on_the_host(spec: &Spec) -> Result<i32> {
    if !Listener::is_asked(spec) {
        return Ok(0);
    }
    Procfs::open()?.own_pid().step(|| "read /proc/self".into())
}

fn set_user(process: &Process) -> Result<()> {
    let user = &process.user;
    // -1 leaves the id as it is (setresuid(2)): root.
    if [user.uid, user.gid].contains(&u32::MAX) || user.additional_gids.contains(&u32::MAX) {
        return Err(Error::Invalid(format!("there is no user or group {}", u32::MAX)));
    }
    // A change from 0 to another uid empties the permitted set, unless told to keep it (capabilities(7)).
    process::set_keep_capabilities(true).step(|| "keep capabilities over the change of user".into())?;
    let groups: Vec<Gid> = user.additional_gids.iter().copied().map(Gid::from_raw).collect();
    match nix::unistd::setgroups(&groups) {
        // A user namespace with a single id denies setgroups(2) even with CAP_SETGID (user_namespaces(7)). The process
        // has its one group anyway.
        Err(Errno::EPERM)
            if groups.iter().all(|group| group.as_raw() == user.gid) && capabilities::may_set_groups() => {}
        result => result.step(|| format!("set the groups {:?}", user.additional_gids))?,
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    nix::unistd::setresgid(gid, gid, gid).step(|| format!("become group {gid}"))?;
    nix::unistd::setresuid(uid, uid, uid).step(|| format!("become user {uid}"))?;
    process::set_keep_capabilities(false).step(|| "stop keeping capabilities".into())
}
