//! `create`: the parent's side of a start.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use hull_sys::process;

use crate::cgroups::Cgroup;
use crate::clone;
use crate::config;
use crate::container::{CreateOptions, Prepared, Running};
use crate::error::{Error, Result, Step};
use crate::hooks::{self, HookState, Point};
use crate::idmap;
use crate::init;
use crate::namespaces;
use crate::network_devices;
use crate::protocol::{Channel, Message};
use crate::rootfs::{self, Sources};
use crate::scheduling;
use crate::spec::{IdMapping, Mount, NamespaceKind, Spec};
use crate::systemd::Placeholder;

/// A container that is set up and waits for [`Created::start`]. If it is dropped instead, it is killed and its cgroup is
/// removed.
#[derive(Debug)]
pub struct Created {
    pid: i32,
    pidfd: Option<OwnedFd>,
    channel: Channel,
    cgroup: Option<Cgroup>,
    /// Keeps a systemd scope alive until the child is in its cgroup.
    placeholder: Option<Placeholder>,
    console: Option<OwnedFd>,
    requests: Option<Box<Requests>>,
    moved_devices: Option<Box<network_devices::Moved>>,
    /// True while the child works outside the pid namespace that it joins; see [`crate::pid_namespace`].
    is_outside: bool,
}

/// The parts of the spec that the parent needs later, to run hooks, bind sources of mounts and set the scheduling
/// policy. Few containers need any of it, so for the others the spec is not copied.
#[derive(Debug)]
struct Requests {
    id: String,
    bundle: PathBuf,
    spec: Spec,
}

impl Requests {
    fn of(options: &CreateOptions<'_>, sources: &Sources) -> Option<Box<Self>> {
        let CreateOptions { id, bundle, spec, .. } = *options;
        let sets_policy =
            spec.process.as_ref().is_some_and(|process| !scheduling::is_policy_inherited(process));
        let requests = || Self { id: id.to_owned(), bundle: bundle.to_owned(), spec: spec.clone() };
        (spec.hooks.is_some() || sources.has_requested() || sets_policy).then(|| Box::new(requests()))
    }

    /// Sets the scheduling policy of the container's first process if it could not inherit it.
    fn set_policy(&self, pid: i32) -> Result<()> {
        match &self.spec.process {
            Some(process) if !scheduling::is_policy_inherited(process) => {
                scheduling::set_policy(process, &self.spec, Some(pid))
            }
            _ => Ok(()),
        }
    }

    fn hook_state(&self, pid: i32) -> HookState<'_> {
        HookState { id: &self.id, bundle: &self.bundle, spec: &self.spec, pid, env: &[] }
    }
}

/// Creates a container, up to the point where only the user's program is missing.
pub fn create(options: CreateOptions<'_>) -> Result<Created> {
    let mut created = spawn(options)?;
    created.ready()?;
    Ok(created)
}

/// The first half of [`create`]: makes the container's namespaces and first process, which sets up the rest by itself.
/// [`Created::ready`] waits for it. The caller can do other work in between, such as setting up the network.
pub fn spawn(options: CreateOptions<'_>) -> Result<Created> {
    config::check_sysctls(options.spec)?;
    let prepared = prepare(&options)?;
    let resources = options.spec.linux.as_ref().and_then(|linux| linux.resources.clone()).unwrap_or_default();
    let placeholder = options.cgroup.as_ref().map(|cgroup| cgroup.create(&resources)).transpose()?.flatten();
    // From here on every failure removes the cgroup again.
    let cloned = delegate(&options).and_then(|()| clone::clone_init(&options, &prepared, init::run));
    let (pid, pidfd, channel) = match cloned {
        Ok(cloned) => cloned,
        Err(error) => {
            drop(placeholder);
            return Err(error.with_cleanup(remove(options.cgroup.as_ref())));
        }
    };
    let requests = Requests::of(&options, &prepared.sources);
    let mut created = Created {
        pid,
        pidfd: Some(pidfd),
        channel,
        cgroup: options.cgroup,
        placeholder,
        console: None,
        requests,
        moved_devices: None,
        is_outside: prepared.pid_namespace.is_some(),
    };
    match created.set_up_child(options.spec, &prepared.devices) {
        Ok(()) => Ok(created),
        Err(error) => Err(created.abandon(error)),
    }
}

/// Gives the cgroup to the container's root, if the container has a user namespace and a cgroup namespace of its own,
/// and its cgroup file system is mounted writable (runtime-spec, "Cgroup ownership").
fn delegate(options: &CreateOptions<'_>) -> Result<()> {
    let (Some(cgroup), Some(linux)) = (&options.cgroup, &options.spec.linux) else { return Ok(()) };
    let is_cgroup = |mount: &&Mount| matches!(mount.kind.as_deref(), Some("cgroup" | "cgroup2"));
    let may_write = |mount: Mount| !mount.options.iter().any(|option| option == "ro" || option == "rro");
    let is_writable = options.spec.mounts.iter().find(is_cgroup).cloned().is_some_and(may_write);
    let is_own = [NamespaceKind::User, NamespaceKind::Cgroup]
        .into_iter()
        .all(|kind| namespaces::is_new(options.spec, kind));
    let root = |maps: &[IdMapping]| maps.iter().find(|map| map.container_id == 0).map(|map| map.host_id);
    match (root(&linux.uid_mappings), root(&linux.gid_mappings)) {
        (Some(uid), Some(gid)) if is_writable && is_own => Ok(cgroup.delegate(uid, gid)?),
        _ => Ok(()),
    }
}

/// Does what is possible before the clone, because it needs the host's files or the caller's privileges.
fn prepare(options: &CreateOptions<'_>) -> Result<Prepared> {
    Ok(Prepared {
        filter: options.filter.compile(options.spec)?,
        sources: Sources::prepare(options.spec, options.bundle)?,
        devices: network_devices::find_all(options.spec)?,
        pid_namespace: namespaces::joined_pid_namespace(options.spec)?,
    })
}

impl Created {
    /// Maps the child's ids and gives it its network devices, while it waits for that.
    fn set_up_child(&mut self, spec: &Spec, devices: &[network_devices::Device]) -> Result<()> {
        if !init::waits_for_parent(spec) {
            return Ok(());
        }
        if let Some(linux) = spec.linux.as_ref().filter(|_| namespaces::is_new(spec, NamespaceKind::User)) {
            idmap::write(self.pid, linux)?;
        }
        if !devices.is_empty() {
            let namespace = namespaces::network_of(spec, self.pid)?;
            self.moved_devices = Some(Box::new(network_devices::Moved::to(namespace, devices)?));
        }
        self.channel.send(&Message::Go)
    }

    /// Waits until the container is set up. If that fails, nothing is left of it, and the error also tells what could not
    /// be removed.
    pub fn ready(&mut self) -> Result<()> {
        match self.await_ready() {
            Ok(()) => Ok(()),
            Err(Error::InitDied) if self.is_out_of_memory() => Err(self.abandon(Error::InitOutOfMemory)),
            Err(error) => Err(self.abandon(error)),
        }
    }

    fn await_ready(&mut self) -> Result<()> {
        let is_joining = self.is_outside;
        let (mut may_clone_inside, mut is_ready) = (is_joining, false);
        // The process inside can be controlled by those that see it, and may send `Ready` before the process outside has
        // announced its pid.
        while self.is_outside || !is_ready {
            match self.channel.expect()? {
                Message::Mounted => {
                    if let Some(requests) = &self.requests {
                        hooks::run(Point::Prestart, requests.hook_state(self.pid))?;
                        hooks::run(Point::CreateRuntime, requests.hook_state(self.pid))?;
                    }
                    self.channel.send(&Message::Go)?;
                }
                Message::BindRequest(index) if self.is_outside == is_joining => {
                    self.answer_bind_request(index)?;
                }
                Message::Console(master) if self.console.is_none() => self.console = Some(master),
                Message::BeforeClone if may_clone_inside => {
                    may_clone_inside = false;
                    self.channel.send(&Message::Go)?;
                }
                Message::Cloned(pid) if self.is_outside && pid != self.pid && process::is_child(pid) => {
                    self.follow(pid)?;
                }
                Message::Ready => is_ready = true,
                _ => return Err(Error::InitDied),
            }
        }
        self.placeholder = None;
        Ok(())
    }

    fn answer_bind_request(&self, index: u32) -> Result<()> {
        match (&self.requests, &self.pidfd) {
            (Some(requests), Some(pidfd)) => {
                rootfs::answer(&requests.spec, &requests.bundle, index, pidfd.as_fd(), &self.channel)
            }
            _ => Err(Error::InitDied),
        }
    }

    /// The process outside the pid namespace has ended. Its sibling `pid` is the container's first process from here on.
    fn follow(&mut self, pid: i32) -> Result<()> {
        // Its pid cannot be reused before this process reaps it.
        let pidfd = process::pidfd_open(pid).step(|| "watch the container's first process".into())?;
        if let Some(outside) = self.pidfd.replace(pidfd) {
            process::reap(outside.as_fd()).step(|| "collect a child".into())?;
        }
        (self.pid, self.is_outside) = (pid, false);
        match &self.requests {
            Some(requests) => requests.set_policy(pid),
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

    /// The master of the container's terminal.
    pub fn take_console(&mut self) -> Option<OwnedFd> {
        self.console.take()
    }

    /// Releases the container, which waits at its rendezvous for the process that starts it.
    pub fn detach(mut self) {
        // Without the pidfd the drop does not kill it.
        self.pidfd = None;
    }

    /// Lets the container execute the user's program. Returns the error of an execve(2) that fails.
    pub fn start(mut self) -> Result<Running> {
        let started = self.channel.send(&Message::Go).and_then(|()| self.channel.await_execution());
        if let Err(error) = started {
            return Err(self.abandon(error));
        }
        match self.pidfd.take() {
            Some(pidfd) => Ok(Running { pid: self.pid, pidfd, cgroup: self.cgroup.take() }),
            None => Err(Error::InitDied),
        }
    }

    /// Removes what exists of the container, and adds the failures of that to `error`.
    fn abandon(&mut self, error: Error) -> Error {
        error.with_cleanup(self.clean_up())
    }

    /// Undoes the creation in reverse order, continues after errors, and returns all of them. A drop does the same, but
    /// cannot return them.
    pub fn clean_up(&mut self) -> Vec<Error> {
        let Some(pidfd) = self.pidfd.take() else { return Vec::new() };
        let mut errors = self.moved_devices.take().map(|moved| moved.undo()).unwrap_or_default();
        let killed = process::kill_and_reap(pidfd.as_fd());
        errors.extend(killed.step(|| "kill the container's first process".into()).err());
        self.placeholder = None;
        errors.extend(remove(self.cgroup.as_ref()));
        errors
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        // The caller drops a container that has not failed, and a drop cannot return an error.
        self.clean_up();
    }
}

fn remove(cgroup: Option<&Cgroup>) -> Vec<Error> {
    cgroup.and_then(|cgroup| cgroup.remove().err()).into_iter().map(Error::from).collect()
}
