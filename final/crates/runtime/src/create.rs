//! `create`: the parent's side of a start.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use hull_sys::process::{self, Clone3, Cloned};
use nix::libc;

use crate::cgroups::Cgroup;
use crate::error::{Error, Result, Step};
use crate::init;
use crate::namespaces;
use crate::protocol::{Channel, Message};
use crate::rootfs::Graft;
use crate::spec::{NamespaceKind, Spec, validate};
use crate::stdio::Stdio;

/// What a container is made of. The caller has one thread.
#[derive(Debug)]
pub struct CreateOptions<'a> {
    pub id: &'a str,
    /// Relative paths of the spec begin here.
    pub bundle: &'a Path,
    pub spec: &'a Spec,
    pub stdio: Stdio,
    /// Attached after the spec's own mounts.
    pub grafts: Vec<Graft>,
    /// None: the container stays in the caller's cgroup.
    pub cgroup: Option<Cgroup>,
    /// A PID 1 of ours that reaps and forwards signals, and the program as its child.
    pub init: bool,
    /// The container is killed when the caller dies.
    pub parent_death_signal: bool,
    /// Where compiled seccomp filters are kept.
    pub seccomp_cache: Option<&'a Path>,
    /// Where the container waits for [`crate::start`] by another process, once it is [`Created::detach`]ed; from
    /// [`crate::rendezvous::bind`]. None: it waits for [`Created::start`].
    pub rendezvous: Option<OwnedFd>,
    /// So many descriptors from 3 on go to the program.
    pub preserved_fds: u32,
}

/// A container that is ready and waits for [`Created::start`]. Dropped, it is killed and leaves nothing.
#[derive(Debug)]
pub struct Created {
    pid: i32,
    pidfd: Option<OwnedFd>,
    channel: Channel,
    cgroup: Option<Cgroup>,
    console: Option<OwnedFd>,
}

/// A container, or an exec'ed process, that runs.
#[derive(Debug)]
pub struct Running {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub cgroup: Option<Cgroup>,
}

/// Makes everything up to the program itself.
pub fn create(options: CreateOptions<'_>) -> Result<Created> {
    let mut created = spawn(options)?;
    created.ready()?;
    Ok(created)
}

/// The beginning of [`create`]: the container's namespaces are there, and its first process makes the rest by itself.
/// [`Created::ready`] waits for it; what the caller does in between, on the network for instance, costs no time.
pub fn spawn(options: CreateOptions<'_>) -> Result<Created> {
    validate::check_sysctls(options.spec)?;
    let program = init::compile(options.spec, options.seccomp_cache)?;
    let resources = options.spec.linux.as_ref().and_then(|linux| linux.resources.clone()).unwrap_or_default();
    if let Some(cgroup) = &options.cgroup {
        cgroup.create(&resources)?;
    }
    // From here on whatever fails removes the cgroup again.
    let created = clone_init(&options, program.as_ref());
    let (pid, pidfd, channel) = match created {
        Ok(created) => created,
        Err(error) => {
            remove(options.cgroup.as_ref());
            return Err(error);
        }
    };
    Ok(Created { pid, pidfd: Some(pidfd), channel, cgroup: options.cgroup, console: None })
}

fn clone_init(
    options: &CreateOptions<'_>,
    filter: Option<&crate::security::seccomp::Program>,
) -> Result<(i32, OwnedFd, Channel)> {
    let (ours, theirs) = Channel::pair()?;
    let directory = options.cgroup.as_ref().and_then(Cgroup::open_dir);
    let request =
        Clone3 { flags: namespaces::clone_flags(options.spec), cgroup: directory.as_ref().map(AsFd::as_fd) };
    let pid_namespace = PidNamespace::enter(options.spec)?;
    if pid_namespace.is_joined() {
        // Who is in there already sees the child from its first instruction, and must not look through /proc/PID/fd.
        process::set_dumpable(false).step(|| "hide from the container".into())?;
    }
    let cloned = process::clone3(&request);
    match cloned.step(|| "clone the container's first process".into())? {
        Cloned::Child => {
            drop(ours);
            drop(directory);
            init::run(options, filter, theirs)
        }
        Cloned::Parent { pid, pidfd } => {
            if pid_namespace.is_joined() {
                process::set_dumpable(true).step(|| "be seen again".into())?;
            }
            drop(pid_namespace);
            Ok((pid, pidfd, ours))
        }
    }
}

impl Created {
    /// Waits until all is made and the container waits for [`Created::start`].
    pub fn ready(&mut self) -> Result<()> {
        match self.await_ready() {
            Err(Error::InitDied) if self.is_out_of_memory() => Err(Error::InitOutOfMemory),
            ready => ready,
        }
    }

    fn await_ready(&mut self) -> Result<()> {
        loop {
            match self.channel.expect()? {
                Message::Console(master) => self.console = Some(master),
                Message::Ready => return Ok(()),
                _ => return Err(Error::InitDied),
            }
        }
    }

    fn is_out_of_memory(&self) -> bool {
        self.cgroup.as_ref().and_then(Cgroup::oom_kills).is_some_and(|kills| kills > 0)
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// The other end of the container's terminal.
    pub fn take_console(&mut self) -> Option<OwnedFd> {
        self.console.take()
    }

    /// Leaves the container to whoever starts it at its rendezvous, where it waits.
    pub fn detach(mut self) {
        // What the drop would end is known by it.
        self.pidfd = None;
    }

    /// Lets the program run; an execve(2) that fails comes back from here.
    pub fn start(mut self) -> Result<Running> {
        self.channel.send(&Message::Go)?;
        match self.channel.receive()? {
            None => {}
            Some(Message::Failed(error)) => return Err(error),
            Some(_) => return Err(Error::InitDied),
        }
        match self.pidfd.take() {
            Some(pidfd) => Ok(Running { pid: self.pid, pidfd, cgroup: self.cgroup.take() }),
            None => Err(Error::InitDied),
        }
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        let Some(pidfd) = &self.pidfd else { return };
        end(pidfd);
        remove(self.cgroup.as_ref());
    }
}

/// Kills a child and collects it. The error that brought us here is the one to tell.
pub(crate) fn end(child: &OwnedFd) {
    let _ = process::pidfd_send_signal(child.as_fd(), libc::SIGKILL);
    let _ = process::reap(child.as_fd());
}

fn remove(cgroup: Option<&Cgroup>) {
    // The error that brought us here is the one to tell.
    if let Some(cgroup) = cgroup {
        let _ = cgroup.remove();
    }
}

/// A pid namespace is entered by children only (setns(2)): the parent changes where its next child is born, and
/// changes it back.
struct PidNamespace(Option<std::fs::File>);

impl PidNamespace {
    fn enter(spec: &Spec) -> Result<Self> {
        let joined = namespaces::of(spec)
            .iter()
            .find(|namespace| namespace.kind == NamespaceKind::Pid && namespace.path.is_some());
        let Some(namespace) = joined else { return Ok(Self(None)) };
        let own = std::fs::File::open("/proc/self/ns/pid").step(|| "open our pid namespace".into())?;
        namespaces::join(namespace)?;
        Ok(Self(Some(own)))
    }
}

impl PidNamespace {
    fn is_joined(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for PidNamespace {
    fn drop(&mut self) {
        if let Some(own) = &self.0 {
            let _ = process::setns(own.as_fd(), libc::CLONE_NEWPID);
        }
    }
}
