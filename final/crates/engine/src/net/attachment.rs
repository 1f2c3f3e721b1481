//! The monitor's part in its container's networks.
//!
//! In the order of a container's life: [`Attachment::plan`], [`Attachment::prepare`], [`Attachment::connect`],
//! [`Attachment::namespace_entered`], [`Attachment::close_setup_sockets`]; while it runs [`Attachment::descriptors`],
//! [`Attachment::timeout`], [`Attachment::serve`] and [`Attachment::reload`]; at the end of each run
//! [`Attachment::disconnect`], and after the last one [`Attachment::release`].

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use hull_network::namespace;
use hull_network::netlink::Socket;
use hull_network::ports::{self, EVERYWHERE, ReservedPort};
use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;
use rustix::event::PollFlags;
use rustix::process::Rlimit;

use super::context::{Context, Sockets};
use super::drivers::user_mode::{self, UserModeProcess};
use super::endpoint::{self, Endpoint, NetworkState, PublishedPort};
use super::interfaces as links;
use super::nics::{self, Borrowed};
use super::proxy::Proxies;
use super::publish;
use super::resolver::{ContainerResolver, has_resolver};
use super::succession::Succession;
use super::{allocate, events, expose, stale};
use crate::error::{Errors, Result};
use crate::events::Event;
use crate::records::options::{CreateOptions, NetworkMode, NetworkOption, RestartPolicy};
use crate::records::record::Record;

/// The resources that a monitor holds for its container's networks. The endpoints themselves are in `network.json`,
/// because another command may change them while the container runs.
#[derive(Default)]
pub(crate) struct Attachment {
    /// Sockets bound to the published ports, so that no other process gets them while the monitor lives.
    reserved: Vec<ReservedPort>,
    /// The limits of open files for the container, if the monitor has raised its own to reserve the ports.
    descriptors_before: Option<Rlimit>,
    /// Open during a start and an end.
    sockets: Option<Sockets>,
    /// A socket in the container's namespace, open during a start.
    inside: Option<Socket>,
    /// No restart policy: the run that has ended was the last one.
    runs_once: bool,
    /// Endpoints that are detached but for their rules, which are removed later ([`super::stale`]).
    stale: Vec<Endpoint>,
    /// The links of the endpoints that are detached. Another command may have added endpoints since.
    detached: Vec<String>,
    resolver: Option<ContainerResolver>,
    proxies: Proxies,
    /// The container has not yet taken over from the one that it succeeds.
    succession: Option<Succession>,
    user_mode: Option<UserModeProcess>,
    borrowed: Borrowed,
    running: Option<Running>,
    /// The container's endpoints as last read, because somebody may empty the run root while it runs.
    known: Vec<Endpoint>,
}

/// A running container that has a network of its own.
struct Running {
    root: Root,
    id: String,
    /// Its first process.
    pid: i32,
}

/// The names of the interfaces: those that were asked for, and `eth0` and so on for the others.
fn interfaces(options: &CreateOptions) -> Vec<String> {
    let networks = &options.networks;
    let mut free = (0..).map(|number| format!("eth{number}"));
    let is_free = |name: &String| {
        !networks.iter().any(|other| other.interface() == Some(name)) && !options.plugged.has_link(name)
    };
    let name = |option: &NetworkOption| match option.interface() {
        Some(name) => name.to_owned(),
        None => free.by_ref().find(is_free).unwrap_or_default(),
    };
    networks.iter().map(name).collect()
}

impl Attachment {
    /// Allocates addresses, reserves ports, and records what will be made. Nothing stays allocated when it fails.
    pub(crate) fn plan(
        context: Context<'_>,
        record: &Record,
        monitor: &ProcessId,
        succession: Option<Succession>,
    ) -> Result<Self> {
        match record.options.network {
            // The step's builder has attached the namespace of the stage.
            _ if record.shares_stage_network() => return Ok(Self::default()),
            NetworkMode::Networks => {}
            NetworkMode::UserMode(_) => return Self::plan_user_mode(context.root, record),
            _ => return Ok(Self::default()),
        }
        let mut state = NetworkState::default();
        let planned = Self::allocate(context, record, monitor, succession, &mut state);
        let planned = planned.and_then(|planned| {
            state.store(context.root, &record.id)?;
            Ok(planned)
        });
        planned
            .map_err(|error| error.with_undo(allocate::release(context.root, &record.id, &state.endpoints)))
    }

    /// Chooses the ports on which the program will listen, and reserves them until it does.
    fn plan_user_mode(root: &Root, record: &Record) -> Result<Self> {
        let reserved = ports::reserve(&record.mappings(), EVERYWHERE)?;
        let user_mode = reserved.iter().map(PublishedPort::from).collect();
        NetworkState { user_mode, ..NetworkState::default() }.store(root, &record.id)?;
        Ok(Self { reserved, ..Self::default() })
    }

    fn allocate(
        context: Context<'_>,
        record: &Record,
        monitor: &ProcessId,
        succession: Option<Succession>,
        state: &mut NetworkState,
    ) -> Result<Self> {
        let mut sockets = Sockets::open()?;
        for (option, interface) in record.options.networks.iter().zip(interfaces(&record.options)) {
            let nameless = succession.as_ref().map(|_| NetworkOption { aliases: vec![], ..option.clone() });
            let option = nameless.as_ref().unwrap_or(option);
            let endpoint = allocate::allocate(context, record, option, interface, monitor, &mut sockets)?;
            state.endpoints.push(endpoint);
        }
        let mut attachment = Self { sockets: Some(sockets), ..Self::default() };
        let mappings = record.mappings();
        attachment.descriptors_before = publish::raise_descriptor_limit(2 * mappings.len());
        match succession {
            None => attachment.reserved = publish::reserve(state, &mappings)?,
            Some(mut succession) => {
                state.succeeds = Some(succession.id.clone());
                attachment.reserved = std::mem::take(&mut succession.reserved);
                publish::hold(state, &attachment.reserved);
                attachment.succession = Some(succession);
            }
        }
        Ok(attachment)
    }

    /// Makes what has to exist before the container's first process: the network namespace that it enters, if it does not
    /// make one itself.
    pub(crate) fn prepare(&mut self, context: Context<'_>, record: &Record) -> Result<()> {
        if let NetworkMode::UserMode(program) = record.options.network
            && !record.shares_stage_network()
        {
            let root = context.root;
            // The program binds these ports itself.
            self.reserved.clear();
            let ports = NetworkState::load(root, &record.id)?.user_mode;
            let directory = root.container_run_dir(&record.id);
            self.user_mode = Some(user_mode::setup(program, context.programs, &directory, &ports)?);
        }
        Ok(())
    }

    /// The container's first process is in its namespaces, and keeps them.
    pub(crate) fn namespace_entered(&mut self) {
        self.user_mode.iter_mut().for_each(UserModeProcess::unmount_namespace);
    }

    /// Attaches the container to its networks. `pid` is any process in its network namespace.
    pub(crate) fn connect(&mut self, context: Context<'_>, record: &Record, pid: i32) -> Result<()> {
        let root = context.root;
        if let Some(user_mode) = &self.user_mode {
            return user_mode.await_ready(&NetworkState::load(root, &record.id)?.user_mode);
        }
        self.runs_once = record.options.restart == RestartPolicy::No;
        let endpoints = endpoint::endpoints(root, &record.id)?;
        self.known.clone_from(&endpoints);
        self.running = Some(Running { root: root.clone(), id: record.id.clone(), pid });
        // The container can start even if its name in /run/netns cannot be moved.
        let _ = expose::relink(root, &record.id, pid);
        let nics = &record.options.plugged.nics;
        if endpoints.is_empty() && nics.is_empty() {
            return Ok(());
        }
        let inside = namespace::of_process(pid)?;
        self.detached.clear();
        if !endpoints.is_empty() {
            links::attach(context, &endpoints, &inside, self.sockets()?)?;
        }
        self.borrowed = Borrowed::of(nics, &inside)?;
        for nic in nics {
            nics::add(root, &record.id, nic, &inside, &mut self.sockets()?.route)?;
        }
        if has_resolver(&endpoints) {
            let (resolver, socket) = ContainerResolver::open(root, record, &endpoints, &inside)?;
            self.resolver = Some(resolver);
            self.inside = Some(socket);
        }
        Ok(())
    }

    /// Attaches a namespace that no process is in to the record's networks: that of a stage, for its steps.
    pub(crate) fn connect_namespace(
        &mut self,
        context: Context<'_>,
        record: &Record,
        inside: &OwnedFd,
    ) -> Result<()> {
        self.runs_once = true;
        self.known = endpoint::endpoints(context.root, &record.id)?;
        let endpoints = self.known.clone();
        match &self.user_mode {
            Some(user_mode) => user_mode.await_ready(&[]),
            None => links::attach(context, &endpoints, inside, self.sockets()?),
        }
    }

    /// `connect` or `disconnect` of the container and its networks.
    pub(crate) fn events(&self, record: &Record, action: &str) -> Vec<Event> {
        events::of_container(record, &self.known, action)
    }

    /// The limits of open files for the container, if the monitor's own differ.
    pub(crate) fn descriptor_limit(&self) -> Option<&Rlimit> {
        self.descriptors_before.as_ref()
    }

    /// The descriptors for the monitor to poll.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let accepts = self.running.is_some() && self.succession.is_none();
        let reserved = if accepts { self.reserved.as_slice() } else { &[] };
        let resolver = self.resolver.iter().flat_map(|resolver| resolver.dns.descriptors());
        let predecessor = self.succession.iter().map(|one| (one.monitor(), PollFlags::IN));
        resolver.chain(self.proxies.descriptors(reserved)).chain(predecessor)
    }

    /// When [`Self::serve`] is due even if no descriptor is ready.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.resolver.as_ref().and_then(|resolver| resolver.dns.timeout())
    }

    /// Answers DNS queries and accepts connections to proxied ports.
    pub(crate) fn serve(&mut self) {
        self.resolver.iter_mut().for_each(ContainerResolver::serve);
        if self.succession.as_ref().is_some_and(Succession::has_ended) {
            self.succeed();
        }
        if let (Some(Running { root, id, .. }), None) = (&self.running, &self.succession) {
            // Without a known endpoint there is no target, and the connection is closed.
            self.proxies.serve(&self.reserved, || endpoint::endpoints(root, id).unwrap_or_default());
        }
    }

    /// The container that this one succeeds has ended before the command that started this one could hand over.
    fn succeed(&mut self) {
        self.succession = None;
        if let Some(Running { root, id, .. }) = &self.running
            && let Ok(record) = Record::load(root, id)
        {
            // There is nobody to report an error to. The next start of the container publishes the ports.
            let _ = super::succession::take_over(root, &record);
            let _ = self.reload();
        }
    }

    /// Reads the container's endpoints again, after another command has changed them. True if the container has just got
    /// a resolver of its own, which its resolv.conf has to name.
    pub(crate) fn reload(&mut self) -> Result<bool> {
        self.reload_nics()?;
        let Some(Running { root, id, pid }) = &self.running else { return Ok(false) };
        let state = NetworkState::load(root, id)?;
        if state.is_succeeded {
            self.reserved.clear();
        }
        if state.succeeds.is_none() {
            self.succession = None;
        }
        let endpoints = state.endpoints;
        self.known.clone_from(&endpoints);
        if let Some(resolver) = &mut self.resolver {
            resolver.reload();
            return Ok(false);
        }
        let needs_resolver = has_resolver(&endpoints);
        if needs_resolver {
            let record = Record::load(root, id)?;
            let inside = namespace::of_process(*pid)?;
            let (resolver, socket) = ContainerResolver::open(root, &record, &endpoints, &inside)?;
            self.resolver = Some(resolver);
            self.inside = Some(socket);
        }
        Ok(needs_resolver)
    }

    /// Reads again which links of the host the container has, after another command has changed them.
    fn reload_nics(&mut self) -> Result<()> {
        if let Some(Running { root, id, pid }) = &self.running {
            let inside = namespace::of_process(*pid)?;
            self.borrowed = Borrowed::of(&Record::load(root, id)?.options.plugged.nics, &inside)?;
        }
        Ok(())
    }

    /// The sockets of this start or end. They are opened once, and stay open until [`Self::close_setup_sockets`], because
    /// closing them makes the kernel wait.
    fn sockets(&mut self) -> Result<&mut Sockets> {
        match &mut self.sockets {
            Some(sockets) => Ok(sockets),
            none => Ok(none.insert(Sockets::open()?)),
        }
    }

    /// Closes the sockets that only the start needed. The monitor calls this when no command waits for it.
    pub(crate) fn close_setup_sockets(&mut self) {
        self.sockets = None;
        self.inside = None;
    }

    /// Detaches a container that has ended. Its addresses and ports stay allocated for another run.
    pub(crate) fn disconnect(&mut self, root: &Root, id: &str) -> Result<()> {
        let mut errors = Errors::default();
        errors.note(expose::unlink(root, id));
        errors.note(self.detach(root, id));
        errors.into_result()
    }

    fn detach(&mut self, root: &Root, id: &str) -> Result<()> {
        self.proxies.end();
        let returned = self.borrowed.give_back(root, id);
        // The resolver's sockets would keep the network namespace.
        (self.resolver, self.inside, self.running, self.user_mode) = (None, None, None, None);
        let detached = self.detach_endpoints(root, id);
        returned.and(detached)
    }

    fn detach_endpoints(&mut self, root: &Root, id: &str) -> Result<()> {
        let mut endpoints = self.endpoints(root, id)?;
        // Another command may have disconnected some of them.
        self.known.clone_from(&endpoints);
        endpoints.retain(|endpoint| !self.detached.contains(&endpoint.link));
        if endpoints.is_empty() {
            return Ok(());
        }
        // Rules can be removed later if they forward no port, and if the run root exists, which has the list of them.
        let defer_rules = self.runs_once
            && endpoint::modified(root, id).is_some()
            && endpoints.iter().all(|endpoint| endpoint.published.is_empty());
        links::detach(root, id, &endpoints, !defer_rules, self.sockets()?)?;
        if defer_rules {
            self.stale.extend(endpoints.iter().cloned());
        }
        self.detached.extend(endpoints.into_iter().map(|endpoint| endpoint.link));
        Ok(())
    }

    /// The container's endpoints from disk, or the last known ones if the file is gone or damaged.
    fn endpoints(&self, root: &Root, id: &str) -> Result<Vec<Endpoint>> {
        match endpoint::endpoints(root, id) {
            Ok(found) if !found.is_empty() || endpoint::modified(root, id).is_some() => Ok(found),
            Err(error) if !error.is_damage() => Err(error),
            _ => Ok(self.known.clone()),
        }
    }

    /// Detaches the container and releases its ports and addresses. Goes on past errors and reports them all.
    pub(crate) fn release(&mut self, root: &Root, id: &str) -> Result<()> {
        let mut errors = Errors::default();
        errors.note(self.detach(root, id));
        let endpoints = self.endpoints(root, id).unwrap_or_else(|error| {
            // `detach` has read them too, and reports the same.
            if errors.is_empty() {
                errors.note(Err(error));
            }
            Vec::new()
        });
        // The rules that forwarded these ports are gone.
        self.reserved.clear();
        errors.note(allocate::release(root, id, &endpoints));
        // After the release: addresses that are leased keep their rules.
        let stale = std::mem::take(&mut self.stale);
        if !stale.is_empty() {
            let sockets = self.sockets();
            errors.note(sockets.and_then(|sockets| stale::defer_removal(root, &stale, &mut sockets.filter)));
        }
        errors.note(expose::remove(root, id));
        // The file stays if anything could not be released. The monitor removes its directory all the same, because a state
        // that names an ended monitor would pass for a kill. The leases then end with the monitor, and the next user of the
        // network removes the rules.
        errors.into_result()?;
        endpoint::remove_state(root, id)?;
        match endpoints.is_empty() {
            true => Ok(()),
            false => stale::remove_if_due(root, &endpoints, &mut self.sockets()?.filter),
        }
    }
}
