//! Dropping the runtime's privileges: security labels, working directory, user, capabilities and, last, the seccomp
//! filter. The kernel's rules force this order.

use std::os::fd::{AsFd, BorrowedFd};

use hull_sys::process;
use nix::errno::Errno;
use nix::libc;
use nix::unistd::{Gid, Uid};

use crate::error::{Error, Result, Step};
use crate::hook_state::HookState;
use crate::procfs::Procfs;
use crate::security::capabilities;
use crate::security::labels::Labels;
use crate::security::seccomp::{Call, Listener, Program};
use crate::spec::{Process, Spec};
use crate::working_directory;

/// The privileges that the program gets, with the files and sockets of the host that are needed to set them.
pub(crate) struct Privileges<'a> {
    process: &'a Process,
    filter: Option<&'a Program>,
    listener: Option<Listener>,
    labels: Labels,
}

impl<'a> Privileges<'a> {
    /// Opens the files while the host's mounts can still be reached.
    pub(crate) fn prepare(
        process: &'a Process,
        filter: Option<&'a Program>,
        container: HookState<'_>,
    ) -> Result<Self> {
        Ok(Self { process, filter, listener: Listener::connect(container)?, labels: Labels::open(process)? })
    }

    /// The descriptors that must stay open until [`Self::apply`].
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.labels.descriptors().chain(self.listener.as_ref().map(AsFd::as_fd))
    }

    /// Drops the runtime's privileges and keeps those of the container. The seccomp filter is returned and not loaded yet:
    /// it comes last, because a policy only has to allow the system calls of the program itself.
    pub(crate) fn apply(self) -> Result<PendingFilter<'a>> {
        let process = self.process;
        let sets = capabilities::parse(process.capabilities.as_ref())?;
        self.labels.set()?;
        if process.no_new_privileges {
            process::set_no_new_privileges().step(|| "set no_new_privs".into())?;
        }
        // Without no_new_privs, loading a filter takes CAP_SYS_ADMIN (seccomp(2)).
        let needs_admin = self.filter.is_some() && !process.no_new_privileges;
        // Root may enter directories that the user may not. Where root may not (NFS with root_squash), the user tries below.
        let is_there = working_directory::enter(&process.cwd)?;
        // Before the user changes, because it takes CAP_SETPCAP.
        capabilities::limit_bounding(&sets)?;
        set_user(process)?;
        if !is_there {
            working_directory::enter_as_user(&process.cwd)?;
        }
        working_directory::check()?;
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(process.user.umask.unwrap_or(0o022)));
        match needs_admin {
            true => capabilities::apply_keeping_admin(&sets)?,
            false => capabilities::apply(&sets)?,
        }
        Ok(PendingFilter { program: self.filter, listener: self.listener, sets, needs_admin })
    }
}

/// The container's seccomp filter before it is loaded.
pub(crate) struct PendingFilter<'a> {
    program: Option<&'a Program>,
    listener: Option<Listener>,
    sets: capabilities::Sets,
    needs_admin: bool,
}

impl PendingFilter<'_> {
    /// The descriptor that must stay open until the filter is loaded.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(AsFd::as_fd)
    }

    /// Loads a filter before other processes in the pid namespace can see this one, so that a process that takes control of
    /// it is confined too. If the filter allows `calls`, the calls that are made before the program is executed, it is
    /// loaded here. Otherwise a wider filter that also allows them is loaded here, and the filter itself last. The latter
    /// needs no_new_privs, because CAP_SYS_ADMIN must not be kept where other processes could use it.
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

/// This process's pid in the pid namespace of the mounted /proc. It is read only if a seccomp listener needs it; otherwise
/// the result is 0.
pub(crate) fn pid_on_the_host(spec: &Spec) -> Result<i32> {
    if !Listener::is_asked(spec) {
        return Ok(0);
    }
    Procfs::open()?.own_pid().step(|| "read /proc/self".into())
}

fn set_user(process: &Process) -> Result<()> {
    let user = &process.user;
    // For setresuid(2) -1 means "unchanged", so the process would stay root.
    if [user.uid, user.gid].contains(&u32::MAX) || user.additional_gids.contains(&u32::MAX) {
        return Err(Error::Invalid(format!("there is no user or group {}", u32::MAX)));
    }
    // Otherwise a change from uid 0 to another clears the permitted set (capabilities(7)).
    process::set_keep_capabilities(true).step(|| "keep capabilities over the change of user".into())?;
    let groups: Vec<Gid> = user.additional_gids.iter().copied().map(Gid::from_raw).collect();
    match nix::unistd::setgroups(&groups) {
        // A user namespace with a single id denies setgroups(2) even with CAP_SETGID (user_namespaces(7)), and the only
        // group there is the process's own.
        Err(Errno::EPERM)
            if groups.iter().all(|group| group.as_raw() == user.gid) && capabilities::may_set_groups() => {}
        result => result.step(|| format!("set the groups {:?}", user.additional_gids))?,
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    nix::unistd::setresgid(gid, gid, gid).step(|| format!("become group {gid}"))?;
    nix::unistd::setresuid(uid, uid, uid).step(|| format!("become user {uid}"))?;
    process::set_keep_capabilities(false).step(|| "stop keeping capabilities".into())
}

/// Gives the process a new session keyring (keyrings(7)). A kernel built without keyrings has nothing to separate.
pub(crate) fn start_session_keyring() -> Result<()> {
    match process::join_new_session_keyring() {
        Err(Errno::ENOSYS) => Ok(()),
        joined => joined.step(|| "start a session keyring".into()),
    }
}
