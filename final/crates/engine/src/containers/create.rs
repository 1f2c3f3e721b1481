//! `create`: checks everything, claims the name, then makes the container's directory. Undone when a step fails.

use std::path::{Path, PathBuf};

use hull_image::config::RunConfig;
use hull_image::platform::Platform;
use hull_image::store::Image;
use hull_network::ports::{Port, parse_exposed};
use hull_storage::names;
use hull_storage::staging::Staging;

use crate::containers::names::generate;
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::gc::remains::Remains;
use crate::records::ids::{random, random_id};
use crate::records::options::{CreateOptions, MountOption, NamespaceMode, NetworkMode, NetworkOption};
use crate::records::record::{MountKind, MountRecord, ProcessRecord, Record};
use crate::records::signal;
use crate::records::time::Timestamp;
use crate::rootfs::etc_files;

impl Engine {
    /// Makes a container that has not started yet.
    pub fn create(&self, options: &CreateOptions) -> Result<Record> {
        let lock = self.lock_in_use()?;
        let image = self.image(&options.image)?;
        if let Some(wanted) = &options.platform {
            check_platform(&image, &options.image, wanted)?;
        }
        let mut record = self.plan(options, &image)?;
        self.claim_name(&mut record, options.name.as_deref())?;
        let made = self.make(&record);
        // From here on the container itself tells what it uses, or what was made for it may go.
        drop(lock);
        if made.is_err() {
            // The first error is the one to tell.
            let _ = crate::gc::remains::remove_files(self, &Remains::of(&record, true));
        }
        made.map(|()| record)
    }

    fn image(&self, name: &str) -> Result<Image> {
        match name {
            "host" => Ok(hull_image::host::ensure_host_image(&self.images().clone())?),
            _ => Ok(self.images().resolve(name)?),
        }
    }

    /// Everything that can be refused is refused here, before anything exists.
    fn plan(&self, options: &CreateOptions, image: &Image) -> Result<Record> {
        let config = image.config.config.clone().unwrap_or_default();
        check(options)?;
        let id = random_id()?;
        let process = merge(&config, options)?;
        let stop_signal = match options.stop_signal.as_ref().or(config.stop_signal.as_ref()) {
            Some(name) => signal::parse(name)?,
            None => nix::libc::SIGTERM,
        };
        let mut labels = config.labels.clone().unwrap_or_default();
        labels.extend(options.labels.clone());
        let mut record = Record {
            format: Record::FORMAT,
            name: String::new(),
            created: Timestamp::now(),
            image_id: image.id.to_string(),
            layers: self.layer_paths(image)?,
            host_image: hull_image::host::is_host_image(image)?,
            process,
            mounts: vec![],
            labels,
            hostname: self.hostname(options, &id)?,
            stop_signal,
            exposed: exposed(&config, options)?,
            options: self.resolve_peers(options)?,
            id,
        };
        record.mounts = self.plan_mounts(options, &config)?;
        Ok(record)
    }

    fn layer_paths(&self, image: &Image) -> Result<Vec<PathBuf>> {
        let data = self.root().data();
        Ok(image.layer_dirs.iter().map(|dir| dir.strip_prefix(data).unwrap_or(dir).to_owned()).collect())
    }

    /// Another container is remembered by its id: its name may change hands.
    fn resolve_peers(&self, options: &CreateOptions) -> Result<CreateOptions> {
        let mut resolved = options.clone();
        for mode in [&mut resolved.pid, &mut resolved.ipc, &mut resolved.uts, &mut resolved.cgroupns] {
            if let NamespaceMode::Container(name) = mode {
                *name = self.resolve(name)?;
            }
        }
        if resolved.network == NetworkMode::Default {
            resolved.network = crate::net::default_mode();
        }
        crate::net::check_mode(&resolved)?;
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
                option.network = self.find_network(&option.network)?.name;
            }
        }
        // On a user-defined network the name itself is stored, and resolved each time it is asked for.
        if crate::net::links_are_in_hosts(&resolved) {
            for (container, _) in &mut resolved.links {
                *container = self.resolve(container)?;
            }
        }
        Ok(resolved)
    }

    fn hostname(&self, options: &CreateOptions, id: &str) -> Result<String> {
        if let Some(name) = &options.hostname {
            return Ok(name.clone());
        }
        if let NetworkMode::Container(other) = &options.network {
            return Ok(self.find(other)?.hostname);
        }
        if options.uts == NamespaceMode::Host || options.network == NetworkMode::Host {
            let name = nix::unistd::gethostname().context(|| "read the host's name".into())?;
            return Ok(name.to_string_lossy().into_owned());
        }
        Ok(id[..12].to_owned())
    }

    fn claim_name(&self, record: &mut Record, asked: Option<&str>) -> Result<()> {
        if let Some(name) = asked {
            names::claim(self.root(), name, &record.id)?;
            record.name = name.into();
            return Ok(());
        }
        for attempt in 0.. {
            record.name = generate(random()?, attempt);
            match names::claim(self.root(), &record.name, &record.id) {
                Err(hull_storage::Error::NameTaken { .. }) => {}
                other => return Ok(other?),
            }
        }
        Ok(())
    }

    /// The directory is made out of sight and appears whole: what a kill leaves is never taken for a container.
    fn make(&self, record: &Record) -> Result<()> {
        let staged = Staging::new(&self.root().containers_dir())?;
        let directory = staged.path();
        for (name, mode) in [("upper", 0o755), ("work", 0o700)] {
            hull_storage::root::make_dirs(&directory.join(name), mode)?;
        }
        let volumes = self.volumes();
        for mount in &record.mounts {
            match (mount.kind, &mount.name) {
                (MountKind::Volume, Some(name)) => {
                    drop(volumes.create(name, &Default::default(), mount.anonymous)?)
                }
                (MountKind::Bind, _) if mount.copy_up => std::fs::create_dir_all(&mount.source)
                    .context(|| format!("create {} for a bind mount", mount.source.display()))?,
                _ => {}
            }
        }
        record.store(directory)?;
        match staged.publish(&self.root().container_dir(&record.id))? {
            true => Ok(()),
            false => Err(Error::Unsupported(format!("container {} exists", record.id))),
        }
    }

    fn plan_mounts(&self, options: &CreateOptions, config: &RunConfig) -> Result<Vec<MountRecord>> {
        let mut mounts: Vec<MountRecord> = Vec::new();
        for mount in &options.mounts {
            let planned = self.plan_mount(mount)?;
            if mounts.iter().any(|other| other.destination == planned.destination) {
                return Err(Error::Invalid {
                    what: format!("mount at {}", planned.destination.display()),
                    why: "another mount has the same destination".into(),
                });
            }
            mounts.push(planned);
        }
        for other in &options.volumes_from {
            let (name, read_only) = match other.rsplit_once(':') {
                Some((name, "ro")) => (name, true),
                Some((name, "rw")) => (name, false),
                _ => (other.as_str(), false),
            };
            for mut mount in self.find(name)?.mounts {
                mount.read_only |= read_only;
                if !mounts.iter().any(|own| own.destination == mount.destination) {
                    mounts.push(mount);
                }
            }
        }
        for target in config.volumes.iter().flat_map(|volumes| volumes.keys()) {
            if !mounts.iter().any(|mount| mount.destination == Path::new(target)) {
                let volume = MountOption::Volume {
                    name: None,
                    target: target.into(),
                    read_only: false,
                    copy_up: true,
                };
                mounts.push(self.plan_mount(&volume)?);
            }
        }
        Ok(mounts)
    }

    fn plan_mount(&self, mount: &MountOption) -> Result<MountRecord> {
        let destination = mount.target().to_owned();
        let invalid = |why: String| Error::Invalid { what: format!("mount {}", destination.display()), why };
        if !destination.is_absolute() || destination == Path::new("/") {
            return Err(invalid("the destination must be an absolute path other than /".into()));
        }
        let mut record = MountRecord {
            kind: MountKind::Tmpfs,
            name: None,
            source: PathBuf::new(),
            destination: destination.clone(),
            read_only: false,
            copy_up: false,
            anonymous: false,
            options: vec![],
        };
        match mount {
            MountOption::Tmpfs { options, .. } => record.options = options.clone(),
            MountOption::Bind { source, read_only, propagation, create_source, .. } => {
                if !source.exists() && !create_source {
                    return Err(invalid(format!("bind source path does not exist: {}", source.display())));
                }
                record.kind = MountKind::Bind;
                record.source = source.clone();
                record.read_only = *read_only;
                record.copy_up = !source.exists();
                record.options = propagation.iter().cloned().collect();
            }
            MountOption::Volume { name, read_only, copy_up, .. } => {
                let (name, anonymous) = match name {
                    Some(name) => (name.clone(), false),
                    None => (random_id()?, true),
                };
                record.kind = MountKind::Volume;
                record.source = self.volumes().data_dir(&name)?;
                record.name = Some(name);
                record.read_only = *read_only;
                record.copy_up = *copy_up;
                record.anonymous = anonymous;
            }
        }
        Ok(record)
    }
}

/// Options that contradict each other.
fn check(options: &CreateOptions) -> Result<()> {
    let conflict = |why: &str| Err(Error::Invalid { what: "combination of options".into(), why: why.into() });
    if options.auto_remove && options.restart != crate::records::options::RestartPolicy::No {
        return conflict("--rm and --restart: a container that is removed cannot be restarted");
    }
    if options.hostname.is_some() && options.uts == NamespaceMode::Host {
        return conflict("--hostname and --uts host: the name would be the host's");
    }
    if matches!(options.network, NetworkMode::Container(_))
        && (!options.publish.is_empty() || options.publish_all)
    {
        return conflict("-p and --network container: the ports are the other container's");
    }
    if matches!(options.network, NetworkMode::Container(_)) && options.hostname.is_some() {
        return conflict("--hostname and --network container: the name is the other container's");
    }
    if let Some(asked) = options.resources.nano_cpus {
        check_cpus(asked)?;
    }
    if !options.device_cgroup_rules.is_empty() && hull_sys::process::in_user_namespace() {
        return conflict(
            "--device-cgroup-rule and an ordinary user: device rules are root's; --device binds a device",
        );
    }
    let resources = &options.resources;
    check_cpuset("--cpuset-cpus", resources.cpuset_cpus.as_deref(), "cpu")?;
    check_cpuset("--cpuset-mems", resources.cpuset_mems.as_deref(), "node")?;
    etc_files::check(options)?;
    for sysctl in options.sysctls.keys() {
        let shared = match sysctl.split('.').next() {
            Some("net") => options.network == NetworkMode::Host,
            Some("kernel" | "fs") => options.ipc == NamespaceMode::Host,
            _ => false,
        };
        if shared {
            return conflict(&format!(
                "--sysctl {sysctl} would change the host: its namespace is the host's"
            ));
        }
    }
    Ok(())
}

fn check_platform(image: &Image, name: &str, wanted: &str) -> Result<()> {
    let (wanted, found) = (Platform::parse(wanted)?, image.config.platform());
    if wanted.suits(&found).is_some() {
        return Ok(());
    }
    Err(Error::Unsupported(format!("image {name} is for {found}, and --platform asks for {wanted}")))
}

/// Checked here because the kernel's error for a CPU that does not exist is ERANGE, which explains nothing.
fn check_cpuset(flag: &str, wanted: Option<&str>, kind: &str) -> Result<()> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { return Ok(()) };
    let invalid = |why: String| Error::Invalid { what: format!("{flag} {wanted:?}"), why };
    let list = cpuset(wanted).ok_or_else(|| invalid("expected a list such as 0-2,4".into()))?;
    // A kernel without NUMA has no directory of nodes, and one node.
    let path = format!("/sys/devices/system/{kind}/online");
    let text = std::fs::read_to_string(path).unwrap_or_else(|_| "0".into());
    let online = cpuset(text.trim()).unwrap_or_default();
    let is_online = |number: u16| online.iter().any(|(first, last)| (*first..=*last).contains(&number));
    match list.into_iter().flat_map(|(first, last)| first..=last).all(is_online) {
        true => Ok(()),
        false => Err(invalid(format!("this machine has {}", text.trim()))),
    }
}

/// The ranges of cpuset(7)'s list format.
fn cpuset(text: &str) -> Option<Vec<(u16, u16)>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then_some((first, last))
    };
    text.split(',').map(range).collect()
}

/// More than there are would be no limit, and most likely a slip.
fn check_cpus(nano_cpus: u64) -> Result<()> {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if nano_cpus <= cpus as u64 * 1_000_000_000 {
        return Ok(());
    }
    Err(Error::Invalid {
        what: format!("--cpus {}", nano_cpus as f64 / 1e9),
        why: format!("there are only {cpus} CPUs here"),
    })
}

/// What the image and the command line speak of; a port that is published is exposed too.
fn exposed(config: &RunConfig, options: &CreateOptions) -> Result<Vec<Port>> {
    let mut ports = options.expose.clone();
    for text in config.exposed_ports.iter().flat_map(|ports| ports.keys()) {
        ports.extend(parse_exposed(text)?);
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
    crate::spec::set_variables(&mut env, options.env.iter());
    let working_dir = options.working_dir.clone().or(config.working_dir.clone()).unwrap_or_default();
    let working_dir = if working_dir.is_empty() { "/".into() } else { working_dir };
    if !working_dir.starts_with('/') {
        return Err(Error::Invalid {
            what: format!("working directory {working_dir:?}"),
            why: "it must be an absolute path".into(),
        });
    }
    let user = options.user.clone().or(config.user.clone()).unwrap_or_default();
    Ok(ProcessRecord { entrypoint, command, env, working_dir, user })
}
