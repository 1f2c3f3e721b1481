//! `lxc-create`, `lxc-copy` and `lxc-snapshot`.

use anyhow::{Context, Result, bail};
use clap::Parser;
use hull_engine::{Engine, Expiry, InstanceCopy, SnapshotName, SnapshotOptions, StartAttach};
use hull_image::archive::ImportOptions;

use crate::cli::launch::Launch;
use crate::cli::lxc::made::{Copy, Create, Download, Local, Snapshot};
use crate::commands::instances::moment;
use crate::commands::launch;
use crate::ui::output;

pub fn create(engine: &Engine, args: &Create, quiet: bool) -> Result<u8> {
    if let Some(file) = &args.config {
        bail!(
            "hull does not read LXC's configuration files: without --config {file}, lxc config set and hull container config set change the container"
        );
    }
    let image = image(engine, args)?;
    let storage = args.bdev.clone().filter(|kind| !matches!(kind.as_str(), "dir" | "best"));
    let mut words = vec!["lxc-create".to_owned()];
    words.extend(storage.iter().flat_map(|pool| ["--storage".to_owned(), pool.clone()]));
    words.extend(["--".to_owned(), image, args.name.clone()]);
    launch::create(
        engine,
        &LaunchLine::try_parse_from(words).context("cannot create the container")?.launch,
    )?;
    if !quiet {
        output::line(format!("{} is there: lxc-start -n {0} starts it", args.name))?;
    }
    Ok(0)
}

/// The flags of `hull launch` with their usual values.
#[derive(Debug, Parser)]
#[command(disable_help_flag = true)]
struct LaunchLine {
    #[command(flatten)]
    launch: Launch,
}

/// The name of the image for a template. The archives of the template `local` are imported.
fn image(engine: &Engine, args: &Create) -> Result<String> {
    let name = format!("lxc-create -t {} --", args.template);
    let options = || std::iter::once(&name).chain(&args.options);
    match args.template.as_str() {
        "download" => downloaded(&Download::try_parse_from(options()).map_err(plain)?),
        "local" => local(engine, &Local::try_parse_from(options()).map_err(plain)?),
        other if engine.images().identity(other).is_ok() => match &args.options[..] {
            [] => Ok(other.to_owned()),
            _ => bail!("{other} is an image of hull, and takes no options of a template"),
        },
        other => bail!(
            "hull does not run LXC's template scripts: --template is download, local, or an image of hull, and there is none called {other:?}"
        ),
    }
}

/// A usage error of a template's options, without the lines that clap adds.
fn plain(error: clap::Error) -> anyhow::Error {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let missing = text.lines().filter_map(|line| line.strip_prefix("  ")).next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    anyhow::anyhow!("invalid options of the template: {first} {missing}").context(crate::ui::errors::Exit(1))
}

fn downloaded(options: &Download) -> Result<String> {
    let own = match std::env::consts::ARCH {
        "x86_64" => ["x86_64", "amd64"],
        _ => ["aarch64", "arm64"],
    };
    if let Some(arch) = options.arch.as_deref().filter(|arch| !own.contains(arch)) {
        bail!("this machine runs no containers of the architecture {arch:?}: its own is {}", own[1]);
    }
    if options.server.contains(['/', ':', '.']) {
        bail!(
            "--server names a remote, and not an address: lxc remote add NAME https://{} --protocol=simplestreams makes one",
            options.server.trim_start_matches("https://")
        );
    }
    let variant = match options.variant.as_str() {
        "default" => String::new(),
        variant => format!("/{variant}"),
    };
    Ok(format!("{}:{}/{}{variant}", options.server, options.dist, options.release))
}

fn local(engine: &Engine, options: &Local) -> Result<String> {
    let open = |path: &str| std::fs::File::open(path).with_context(|| format!("cannot open {path}"));
    let mut described = engine.receive_image(open(&options.metadata)?)?;
    let received = match described.wants_root() {
        true => {
            described.add_root(open(&options.fstree)?, None)?;
            described
        }
        // LXC's own description is a part of a configuration file, and has nothing about the files, so it is not used.
        false => engine.receive_image(open(&options.fstree)?)?,
    };
    Ok(engine.finish_image(received, &[], ImportOptions::default())?.to_string())
}

pub fn copy(engine: &Engine, args: &Copy) -> Result<u8> {
    if args.rename {
        engine.rename(&args.name, &args.newname)?;
        return Ok(0);
    }
    // LXC keeps snapshots beside the container, and copies none of them.
    let options = InstanceCopy { instance_only: true, ephemeral: args.ephemeral, ..InstanceCopy::default() };
    let copied = engine.copy_container(&args.name, &args.newname, &options)?;
    if args.ephemeral {
        engine.start(&copied.name, StartAttach::Detached, None)?;
        output::line(format!("Created {} as clone of {}", args.newname, args.name))?;
    }
    Ok(0)
}

pub fn snapshot(engine: &Engine, args: &Snapshot) -> Result<u8> {
    let container = &args.name;
    let of = |name: &str| SnapshotName { container: container.clone(), snapshot: name.to_owned() };
    if args.list {
        let taken = engine.snapshots(container)?;
        if taken.is_empty() {
            output::line("No snapshots")?;
        }
        for one in taken {
            // LXC prints the snapshot's directory in the parentheses.
            let time = moment(one.created.0).replace('/', ":").replace(" UTC", "");
            output::line(format!("{} ({container}) {time}", one.name))?;
        }
    } else if let Some(name) = &args.restore {
        match &args.newname {
            None => engine.restore(container, name)?,
            Some(new) => {
                let options = InstanceCopy { instance_only: true, ..InstanceCopy::default() };
                engine.copy_container(&of(name).to_string(), new, &options)?;
            }
        }
    } else if args.destroy.as_deref() == Some("ALL") {
        for one in engine.snapshots(container)? {
            engine.remove_snapshot(&of(&one.name))?;
        }
    } else if let Some(name) = &args.destroy {
        engine.remove_snapshot(&of(name))?;
    } else {
        let options =
            SnapshotOptions { name: None, reuse: false, expiry: Expiry::Configured, scheduled: false };
        engine.snapshot(container, &options)?;
    }
    Ok(0)
}
