//! `create`: the parent's side of a start.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use hull_sys::process;
use nix::libc;

use crate::birth;
use crate::cgroups::Cgroup;
use crate::error::{Error, Result, Step};
use crate::hooks::{self, Point};
use crate::idmap;
use crate::init;
use crate::namespaces;
use crate::network_devices;
use crate::protocol::{Channel, Message};
use crate::rootfs::{self, Graft, Sources};
use crate::security::seccomp::Program;
use crate::spec::{NamespaceKind, Spec, validate};
use crate::stdio::Stdio;
use crate::systemd::Placeholder;

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
    /// A session keyring of its own; else the caller's.
    pub new_keyring: bool,
    /// If pivot_root(2) is impossible, as on an initial ramdisk, the root is moved over the old one instead.
    pub may_move_root: bool,
}

/// What is made before the clone, for the child to use.
pub(crate) struct Prepared {
    pub filter: Option<Program>,
    pub sources: Sources,
    pub devices: Vec<network_devices::Device>,
    /// A pid namespace that is joined, in which other processes run.
    pub pid_namespace: Option<OwnedFd>,
}

/// A container that is ready and waits for [`Created::start`]. Dropped, it is killed and leaves nothing.
#[derive(Debug)]
pub struct Created {
    pid: i32,
    pidfd: Option<OwnedFd>,
    channel: Channel,
    cgroup: Option<Cgroup>,
    /// Until the child is in the cgroup.
    placeholder: Option<Placeholder>,
    console: Option<OwnedFd>,
    told: Option<Box<Told>>,
    moved: Option<Box<network_devices::Moved>>,
    /// True until the process inside takes over from the one outside the pid namespace; see [`crate::arrival`].
    is_outside: bool,
}

/// What hooks, late bind mounts and a late scheduling policy need; `None` for a container without them.
#[derive(Debug)]
struct Told {
    id: String,
    bundle: PathBuf,
    spec: Spec,
}

impl Told {
    fn of(options: &CreateOptions<'_>, sources: &Sources) -> Option<Box<Self>> {
        let CreateOptions { id, bundle, spec, .. } = *options;
        let told = || Self { id: id.to_owned(), bundle: bundle.to_owned(), spec: spec.clone() };
        let gives_policy = spec.process.as_ref().is_some_and(|process| !init::is_policy_inherited(process));
        (spec.hooks.is_some() || sources.has_asked() || gives_policy).then(|| Box::new(told()))
    }

    /// To the first process, where its parent outside could not leave it its scheduling policy.
    fn give_policy(&self, pid: i32) -> Result<()> {
        match &self.spec.process {
            Some(process) if !init::is_policy_inherited(process) => {
                init::set_policy(process, &self.spec, Some(pid))
            }
            _ => Ok(()),
        }
    }

    fn subject(&self, pid: i32) -> hooks::Subject<'_> {
        hooks::Subject { id: &self.id, bundle: &self.bundle, spec: &self.spec, pid, env: &[] }
    }
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
    let filter = init::compile(options.spec, options.seccomp_cache)?;
    let sources = Sources::prepare(options.spec, options.bundle)?;
    let pid_namespace = birth::joined_pid_namespace(options.spec)?;
    let prepared =
        Prepared { filter, sources, devices: network_devices::find_all(options.spec)?, pid_namespace };
    let resources = options.spec.linux.as_ref().and_then(|linux| linux.resources.clone()).unwrap_or_default();
    let created = options.cgroup.as_ref().map(|cgroup| cgroup.create(&resources));
    let placeholder = created.transpose()?.flatten();
    // From here on whatever fails removes the cgroup again.
    let (pid, pidfd, channel) = match birth::clone_init(&options, &prepared) {
        Ok(created) => created,
        Err(error) => {
            drop(placeholder);
            remove(options.cgroup.as_ref());
            return Err(error);
        }
    };
    let told = Told::of(&options, &prepared.sources);
    let mut created = Created {
        pid,
        pidfd: Some(pidfd),
        channel,
        cgroup: options.cgroup,
        placeholder,
        console: None,
        told,
        moved: None,
        is_outside: prepared.pid_namespace.is_some(),
    };
    created.settle(options.spec, &prepared.devices)?;
    Ok(created)
}

impl Created {
    /// What only the parent can do for a child that waits for it.
    fn settle(&mut self, spec: &Spec, devices: &[network_devices::Device]) -> Result<()> {
        if !init::waits_for_parent(spec) {
            return Ok(());
        }
        if let Some(linux) = spec.linux.as_ref().filter(|_| namespaces::is_new(spec, NamespaceKind::User)) {
            idmap::write(self.pid, linux)?;
        }
        if !devices.is_empty() {
            let namespace = namespaces::network_of(spec, self.pid)?;
            self.moved = Some(Box::new(network_devices::Moved::to(namespace, devices)?));
        }
        self.channel.send(&Message::Go)
    }

    /// Waits until all is made and the container waits for [`Created::start`].
    pub fn ready(&mut self) -> Result<()> {
        match self.await_ready() {
            Err(Error::InitDied) if self.is_out_of_memory() => Err(Error::InitOutOfMemory),
            ready => ready,
        }
    }

    fn await_ready(&mut self) -> Result<()> {
        let is_joining = self.is_outside;
        let (mut may_arrive, mut is_ready) = (is_joining, false);
        // The process inside can be controlled by those that see it, and may send before its birth is announced.
        while self.is_outside || !is_ready {
            match self.channel.expect()? {
                Message::Built => {
                    if let Some(told) = &self.told {
                        hooks::run(Point::Prestart, told.subject(self.pid))?;
                        hooks::run(Point::CreateRuntime, told.subject(self.pid))?;
                    }
                    self.channel.send(&Message::Go)?;
                }
                Message::Bind(index) if self.is_outside == is_joining => match (&self.told, &self.pidfd) {
                    (Some(told), Some(pidfd)) => {
                        rootfs::answer(&told.spec, &told.bundle, index, pidfd.as_fd(), &self.channel)?;
                    }
                    _ => return Err(Error::InitDied),
                },
                Message::Console(master) if self.console.is_none() => self.console = Some(master),
                Message::Arriving if may_arrive => {
                    may_arrive = false;
                    self.channel.send(&Message::Go)?;
                }
                Message::Born(pid) if self.is_outside && pid != self.pid && process::is_child(pid) => {
                    self.succeed(pid)?;
                }
                Message::Ready => is_ready = true,
                _ => return Err(Error::InitDied),
            }
        }
        self.placeholder = None;
        Ok(())
    }

    /// The process outside has ended, and its sibling is the container's first process.
    fn succeed(&mut self, pid: i32) -> Result<()> {
        // Its pid cannot be reused before we reap it.
        let pidfd = process::pidfd_open(pid).step(|| "watch the container's first process".into())?;
        if let Some(outside) = self.pidfd.replace(pidfd) {
            process::reap(outside.as_fd()).step(|| "collect a child".into())?;
        }
        (self.pid, self.is_outside) = (pid, false);
        match &self.told {
            Some(told) => told.give_policy(pid),
            None => Ok(()),
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
        if let Some(moved) = &self.moved {
            moved.undo();
        }
        end(pidfd);
        self.placeholder = None;
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
