//! `launch`: creates a system container and starts it.

use anyhow::Result;
use hull_docker::wire::container::CreateRequest;
use hull_engine::options::{CreateOptions, StorageOptions};
use hull_engine::{DEFAULT_PROFILE, Detail, Engine, Instance, Pull, Record, StartAttach};
use hull_lxd::Devices;
use hull_sys::Kind;

use super::{create, daemon, instance_flags, registry, remotes, run};
use crate::cli::launch::Launch;
use crate::ui::errors::{self, Exit, Hint};
use crate::ui::hints;
use crate::ui::output;
use crate::ui::progress::{Layers, PULL};

pub fn launch(engine: &Engine, args: &Launch) -> Result<u8> {
    let record = create(engine, args)?;
    start(engine, &record)?;
    output::line(&record.name)?;
    Ok(0)
}

/// Creates the container, fetching its image where it is missing.
pub fn create(engine: &Engine, args: &Launch) -> Result<Record> {
    create_from(engine, args).map_err(|error| match hints::classify(&error).1 {
        // The name may be a mistyped REMOTE:IMAGE, so a hint to log in to a registry would be wrong.
        Some(Detail::NotInRegistry | Detail::RegistryDenied { .. }) => {
            let hint = "check the name: hull images lists the images of this machine, and hull remote list the servers of \
                        images (REMOTE:IMAGE)";
            error.context(Hint(hint.into()))
        }
        _ => error,
    })
}

fn create_from(engine: &Engine, args: &Launch) -> Result<Record> {
    let daemon = daemon::read()?;
    let options = options(engine, args, daemon)?;
    let pull = Pull {
        policy: hull_engine::PullPolicy::Missing,
        access: &|| registry::default_options(daemon),
        progress: &|| Box::new(Layers::new(PULL)),
    };
    engine.create_pulling(options, &pull).map_err(create::with_context)
}

/// Starts the container, and says what it shares with others and which requests of its image are ignored.
pub fn start(engine: &Engine, record: &Record) -> Result<()> {
    engine.start_created(record, StartAttach::Detached, None).map_err(without_init)?;
    say_what_is_shared(engine);
    run::say_what_is_dropped(engine, &record.id);
    Ok(())
}

/// Adds a hint if the image has no init. Most images in docker's registries are made for one program and have none.
fn without_init(error: hull_engine::Error) -> anyhow::Error {
    let hint = "the image has no init: hull run starts a program; images of whole distributions are those of hull remote list, as in images:debian/12";
    match error.kind() {
        Kind::ProgramNotFound => anyhow::Error::new(error).context(Hint(hint.into())),
        _ => error.into(),
    }
}

fn options(engine: &Engine, args: &Launch, daemon: &daemon::Daemon) -> Result<CreateOptions> {
    let mut request = CreateRequest::default();
    request.config.image = remotes::fetched(engine, &args.image)?.unwrap_or_else(|| args.image.clone());
    request.host_config.auto_remove = args.ephemeral;
    if let Some(network) = &args.network {
        request.host_config.network_mode = network.clone();
    }
    daemon.apply(&mut request)?;
    let profiles = match (args.no_profiles, args.profile.is_empty()) {
        (true, _) => vec![],
        (false, true) => vec![DEFAULT_PROFILE.into()],
        (false, false) => args.profile.clone(),
    };
    let mut instance = Instance::default();
    instance.config = args.config.iter().map(|text| key(text)).collect::<Result<_>>()?;
    instance.devices = devices(engine, &profiles, &args.device)?;
    instance.profiles = profiles;
    Ok(CreateOptions {
        instance,
        storage: StorageOptions { pool: args.storage.clone(), size: None },
        name: args.name.clone(),
        system: true,
        create_command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        ..request
            .try_into()
            .map_err(|error: hull_engine::Error| anyhow::Error::new(error).context(Exit(125)))?
    })
}

/// The container's own devices: devices of its profiles with changed keys, and new devices.
fn devices(engine: &Engine, profiles: &[String], changes: &[String]) -> Result<Devices> {
    let mut devices = Devices::new();
    if changes.is_empty() {
        return Ok(devices);
    }
    let settings = profiles.iter().map(|name| Ok(engine.profile(name)?.settings));
    let settings = settings.collect::<Result<Vec<_>>>()?;
    let inherited = hull_lxd::expand::expand(&settings).devices;
    for text in changes {
        let (name, (key, value)) = instance_flags::device(text).map_err(|error| error.context(Exit(125)))?;
        let device =
            devices.entry(name.clone()).or_insert_with(|| inherited.get(&name).cloned().unwrap_or_default());
        match value.is_empty() {
            true => drop(device.remove(&key)),
            false => drop(device.insert(key, value)),
        }
    }
    if let Some((name, _)) = devices.iter().find(|(_, device)| !device.contains_key("type")) {
        let why = format!("no profile has a device {name}: a new one needs --device {name},type=TYPE");
        return Err(anyhow::anyhow!(why).context(Exit(125)));
    }
    Ok(devices)
}

fn key(text: &str) -> Result<(String, String)> {
    let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
        let why = format!("--config {text:?} is not KEY=VALUE, as in limits.memory=1GiB");
        return Err(anyhow::anyhow!(why).context(Exit(125)));
    };
    Ok((key.to_owned(), value.to_owned()))
}

/// Says what the container shares with others, which its user may not expect.
fn say_what_is_shared(engine: &Engine) {
    if hull_sys::id_map::in_user_namespace() {
        errors::warn_only(
            "your containers share your one range of ids: only root's containers have ids of their own",
        );
    }
    if !engine.has_own_views() {
        errors::note(
            "/proc shows the container the machine's memory and processors, and not its limits",
            "install lxcfs and start its service: free, top and uptime in the container then show its share",
        );
    }
}
