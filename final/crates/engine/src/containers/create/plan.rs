//! The record of a new container, from its options and its image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hull_image::config::RunConfig;
use hull_image::store::Image;
use hull_network::ports::Port;

use super::Base;
use super::check;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::health;
use crate::records::ids::random_id;
use crate::records::instance::Instance;
use crate::records::options::{CreateOptions, IpcSharing, NamespaceMode, NetworkMode, NetworkOption};
use crate::records::record::{Kind, ProcessRecord, Record};
use crate::records::signal;
use crate::records::time::Timestamp;
use crate::requests::exposed_ports;

impl Engine {
    /// Refuses everything that can be refused before anything is made.
    pub(super) fn plan(&self, options: &CreateOptions, image: &Image) -> Result<Record> {
        let base = Base {
            image_id: image.id.to_string(),
            layers: self.layer_paths(&image.layer_dirs),
            is_host_image: hull_image::host_image::is_host_image(image)?,
            config: image.config.config.clone().unwrap_or_default(),
            templates: match options.system {
                true => crate::init::templates::of_image(&image.manifest.annotations)?,
                false => BTreeMap::new(),
            },
        };
        self.plan_on(options, base, random_id()?)
    }

    /// The same on a stack of layers.
    pub(crate) fn plan_on(&self, options: &CreateOptions, base: Base, id: String) -> Result<Record> {
        let Base { image_id, layers, is_host_image, config, templates } = base;
        check::options(options)?;
        let process = merge(&config, options)?;
        let stop_signal_name = options.stop_signal.as_ref().or(config.stop_signal.as_ref());
        let stop_signal = stop_signal_name.map_or(Ok(nix::libc::SIGTERM), |name| signal::parse(name))?;
        let mut labels = config.labels.clone().unwrap_or_default();
        labels.extend(options.labels.clone());
        let writable = crate::pools::place::plan(self, &id, options)?;
        let mut record = Record {
            format: Record::FORMAT,
            kind: Kind::Container,
            name: String::new(),
            created: Timestamp::now(),
            image_id,
            layers,
            host_image: is_host_image,
            process,
            mounts: vec![],
            labels,
            hostname: self.hostname(options, &id)?,
            stop_signal,
            healthcheck: health::merge(config.healthcheck.as_ref(), options)?,
            exposed: exposed(&config, options)?,
            id_maps: None,
            instance: options.instance.clone(),
            templates,
            writable,
            file: None,
            handed: None,
            options: CreateOptions {
                stop_signal: stop_signal_name.cloned(),
                instance: Instance::default(),
                ..self.resolve_peers(options)?
            },
            id,
        };
        record.mounts = self.plan_mounts(options, &config)?;
        self.plan_devices(&mut record)?;
        Ok(record)
    }

    /// Directories of layers as paths below the data root.
    pub(crate) fn layer_paths(&self, directories: &[PathBuf]) -> Vec<PathBuf> {
        let data = self.root().data();
        directories.iter().map(|dir| dir.strip_prefix(data).unwrap_or(dir).to_owned()).collect()
    }

    /// Replaces the names of other containers by their ids, because a name may later belong to another container.
    fn resolve_peers(&self, options: &CreateOptions) -> Result<CreateOptions> {
        let mut resolved = options.clone();
        self.check_shareable(&resolved.ipc)?;
        if !options.device_requests.is_empty() {
            self.cdi_edits(&options.device_requests)?;
        }
        if let Some(asked) = &options.runtime {
            resolved.runtime = self.find_runtime(&asked.name)?;
        }
        for mode in [&mut resolved.pid, &mut resolved.ipc, &mut resolved.uts, &mut resolved.cgroupns] {
            if let NamespaceMode::Container(name) = mode {
                *name = self.resolve(name)?;
            }
        }
        if let Some(name) = resolved.userns.container() {
            resolved.userns.mode = format!("container:{}", self.resolve(name)?);
        }
        for name in &mut resolved.requires {
            *name = self.resolve(name)?;
        }
        let is_nic = |device: &hull_lxd::Device| device.get("type").is_some_and(|kind| kind == "nic");
        let has_nic = options.instance.expanded.active_devices().any(|(_, device)| is_nic(device));
        if resolved.network == NetworkMode::Default && has_nic && !hull_sys::id_map::in_user_namespace() {
            // The container is only on the networks of its nic devices.
            resolved.network = NetworkMode::None;
        }
        if resolved.network == NetworkMode::Default {
            resolved.network = crate::net::default_mode(self.programs());
        }
        crate::net::check_mode(&resolved, self.programs())?;
        match &mut resolved.network {
            NetworkMode::Container(name) => *name = self.resolve(name)?,
            NetworkMode::Networks if resolved.networks.is_empty() => {
                let network = crate::net::DEFAULT.to_owned();
                resolved.networks.push(NetworkOption { network, ..NetworkOption::default() });
            }
            _ => {}
        }
        for option in &mut resolved.networks {
            if option.network != crate::net::DEFAULT {
                option.network = crate::net::find(self.root(), &option.network)?.name;
            }
        }
        // On a user-defined network the name itself is stored, and looked up at each DNS query.
        if crate::net::links_are_in_hosts(&resolved) {
            for (container, _) in &mut resolved.links {
                *container = self.resolve(container)?;
            }
        }
        Ok(resolved)
    }

    /// docker's rule: a container's IPC namespace is shared only if it was created for that. One that has joined a
    /// shareable one may be joined too.
    fn check_shareable(&self, ipc: &NamespaceMode) -> Result<()> {
        let NamespaceMode::Container(name) = ipc else { return Ok(()) };
        let other = self.find(name)?.options;
        let is_shared = matches!(other.ipc, NamespaceMode::Container(_));
        match is_shared || other.ipc == NamespaceMode::Private && other.ipc_sharing == IpcSharing::Shareable {
            true => Ok(()),
            false => Err(Error::Invalid {
                what: format!("--ipc container:{name}"),
                why: "non-shareable IPC: that container has to be created with --ipc shareable".into(),
            }),
        }
    }

    fn hostname(&self, options: &CreateOptions, id: &str) -> Result<String> {
        if let Some(name) = &options.hostname {
            return Ok(name.clone());
        }
        if let NetworkMode::Container(other) = &options.network {
            return Ok(self.find(other)?.hostname);
        }
        if options.uts == NamespaceMode::Host || options.network == NetworkMode::Host {
            return Ok(rustix::system::uname().nodename().to_string_lossy().into_owned());
        }
        Ok(id[..12].to_owned())
    }
}

/// The ports that the image or the command line exposes. A published port is exposed too.
fn exposed(config: &RunConfig, options: &CreateOptions) -> Result<Vec<Port>> {
    let mut ports = options.expose.clone();
    for text in config.exposed_ports.iter().flat_map(|ports| ports.keys()) {
        ports.extend(exposed_ports(text)?);
    }
    ports.extend(options.publish.iter().map(|mapping| mapping.container));
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

/// docker's rule: an entrypoint on the command line also clears the image's command.
fn merge(config: &RunConfig, options: &CreateOptions) -> Result<ProcessRecord> {
    let image_command = config.cmd.clone().unwrap_or_default();
    let (entrypoint, default_command) = match &options.entrypoint {
        Some(entrypoint) if entrypoint.is_empty() => (vec![], image_command),
        Some(entrypoint) if *entrypoint == [""] => (vec![], vec![]),
        Some(entrypoint) => (entrypoint.clone(), vec![]),
        None => (config.entrypoint.clone().unwrap_or_default(), image_command),
    };
    let command = if options.command.is_empty() { default_command } else { options.command.clone() };
    if entrypoint.is_empty() && command.is_empty() {
        return Err(Error::Invalid {
            what: "command".into(),
            why: "neither the image nor the command line says what to run".into(),
        });
    }
    let mut env = config.env.clone().unwrap_or_default();
    options.process_extras.unset(&mut env);
    crate::spec::set_variables(&mut env, options.env.iter());
    let working_dir = options.working_dir.clone().or(config.working_dir.clone()).unwrap_or_default();
    if !working_dir.is_empty() && !working_dir.starts_with('/') {
        return Err(Error::Invalid {
            what: format!("working directory {working_dir:?}"),
            why: "it must be an absolute path".into(),
        });
    }
    let user = options.user.clone().or(config.user.clone()).unwrap_or_default();
    Ok(ProcessRecord { entrypoint, command, env, working_dir, user })
}
