//! Containers as archives: `backup`, and `copy` and `move` to another root or, through ssh, to another machine. There,
//! `hull backup import --trusted -` reads the archive from its standard input.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use hull_engine::{BackupImport, BackupOptions, Engine, SnapshotName, Status};
use hull_image::PackedWith;

use super::image_export::packed;
use super::instance_flags;
use crate::cli::instance_flags::InstanceFlags;
use crate::cli::snapshot::{Backup, Export, Import, Move};
use crate::environment;
use crate::ui::errors::Hint;
use crate::ui::output;

/// Where a container goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Root { root: PathBuf, runroot: Option<PathBuf>, name: String },
    Machine { host: String, port: Option<String>, name: Option<String> },
}

impl Place {
    /// The place that a target and the flags name. `None` if the container stays in its root.
    pub fn of(target: &str, root: Option<&Path>, runroot: Option<&Path>) -> Result<Option<Self>> {
        match (target.strip_prefix("ssh://"), root) {
            (Some(_), Some(_)) => bail!("--target-root is for this machine, and {target} is another one"),
            (Some(address), None) => Self::machine(address).map(Some),
            (None, Some(root)) => Ok(Some(Self::Root {
                root: root.to_owned(),
                runroot: runroot.map(Path::to_owned),
                name: target.to_owned(),
            })),
            (None, None) => Ok(None),
        }
    }

    fn machine(address: &str) -> Result<Self> {
        let (host, name) = match address.split_once('/') {
            Some((host, name)) => (host, Some(name).filter(|name| !name.is_empty())),
            None => (address, None),
        };
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (host, None),
        };
        // ssh(1) hands the words to a shell there, and takes a host that begins with a dash for an option.
        let is_plain = |text: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-@%".contains(&byte);
            !text.is_empty() && !text.starts_with('-') && text.bytes().all(allowed)
        };
        if !is_plain(host) || port.is_some_and(|port| port.parse::<u16>().is_err()) {
            bail!("invalid address ssh://{address}: it is ssh://[USER@]HOST[:PORT][/NAME]");
        }
        Ok(Self::Machine {
            host: host.to_owned(),
            port: port.map(str::to_owned),
            name: name.map(str::to_owned),
        })
    }

    /// The command that makes the container there.
    fn receiver(&self, container: &str, flags: &InstanceFlags) -> Result<Command> {
        let name = match self {
            Self::Root { name, .. } | Self::Machine { name: Some(name), .. } => name,
            Self::Machine { name: None, .. } => container,
        };
        if !hull_storage::names::is_valid_short(name) {
            bail!("invalid container name {name:?}");
        }
        let mut command = match self {
            Self::Root { root, runroot, .. } => {
                let program = environment::own_files().into_iter().find(|path| path.is_file());
                let mut command = Command::new(program.context("cannot find hull's own program")?);
                command.arg("--root").arg(root);
                match runroot {
                    Some(runroot) => command.arg("--runroot").arg(runroot),
                    // This root's own, if the variable is set.
                    None => command.env_remove("HULL_RUNROOT"),
                };
                command
            }
            Self::Machine { host, port, .. } => {
                let mut command = Command::new("ssh");
                command.args(port.iter().flat_map(|port| ["-p", port])).args(["--", host, "hull"]);
                command
            }
        };
        // The container was this user's own before, so its archive is trusted.
        command.args(["backup", "import", "--trusted"]);
        let words = instance_flags::words(flags);
        match self {
            Self::Root { .. } => command.args(words),
            Self::Machine { .. } => command.args(words.iter().map(|word| quoted(word))),
        };
        command.args(["-", name]);
        Ok(command)
    }
}

/// A word for the shell that ssh(1) hands its command to.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

pub fn run(engine: &Engine, verb: &Backup) -> Result<u8> {
    match verb {
        Backup::Export(args) => export(engine, args),
        Backup::Import(args) => import(engine, args),
    }
}

fn export(engine: &Engine, args: &Export) -> Result<u8> {
    let options = BackupOptions { instance_only: args.instance_only, is_copy: false };
    let path = args.file.as_deref().filter(|file| *file != Path::new("-"));
    written(path, args.compression.as_deref(), |to| {
        Ok(engine.export_backup(&args.container, options, to)?)
    })?;
    Ok(0)
}

/// Writes an archive to a file, or without one to standard output, compressed as the flag or the file's name says.
pub fn written(
    path: Option<&Path>,
    compression: Option<&str>,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let by_name = path.map_or(PackedWith::Nothing, PackedWith::of_file);
    let packing = compression.map_or(by_name, PackedWith::named);
    match path {
        None => packed(output::binary("a file's name")?, packing, write),
        Some(path) => output::file(path, |file| packed(file, packing, write)),
    }
}

pub fn import(engine: &Engine, args: &Import) -> Result<u8> {
    let options = BackupImport {
        name: args.name.clone(),
        pool: args.flags.storage.clone(),
        changes: instance_flags::changes(&args.flags)?,
        trusted: args.trusted,
    };
    let record = match args.file.as_path() {
        file if file == Path::new("-") => engine.import_backup(std::io::stdin().lock(), &options)?,
        file => {
            let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
            engine.import_backup(opened, &options)?
        }
    };
    output::own(record.name)?;
    Ok(0)
}

/// Copies a container with its snapshots to another place.
pub fn send(
    engine: &Engine,
    source: &str,
    options: BackupOptions,
    (place, flags): (&Place, &InstanceFlags),
) -> Result<u8> {
    if SnapshotName::parse(source).is_some() {
        let error = anyhow!("a snapshot cannot be copied to another place");
        return Err(error.context(Hint("hull copy makes a container from it here, which can".into())));
    }
    let mut command = place.receiver(source, flags)?;
    let shown = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stdin(Stdio::piped()).spawn().with_context(|| format!("cannot run {shown}"))?;
    let Some(mut stdin) = child.stdin.take() else { bail!("{shown} has no standard input") };
    let sent = engine.export_backup(source, options, &mut stdin).map_err(anyhow::Error::from);
    let sent = sent.and_then(|()| stdin.flush().context("cannot send the archive"));
    if let Err(error) = sent {
        return Err(failed(child, error));
    }
    drop(stdin);
    let status = child.wait().with_context(|| format!("cannot wait for {shown}"))?;
    match status.success() {
        true => Ok(0),
        false => bail!("the other hull has not made the container: {shown} ended with {status}"),
    }
}

/// Ends the other side after the archive could not be sent. The other side may have printed an error of its own.
fn failed(mut child: Child, error: anyhow::Error) -> anyhow::Error {
    // The other side refuses an archive without an end, even if the process is not killed in time.
    let _ = child.kill();
    let _ = child.wait();
    error.context("the container was not copied")
}

/// Moves a container that does not run. The container is removed here when the other side has it.
pub fn relocate(engine: &Engine, args: &Move, place: &Place) -> Result<u8> {
    let source = &args.source;
    let id = engine.resolve(source)?;
    let found = engine.list()?.into_iter().find(|one| one.id == id);
    if let Some(one) = found.filter(|one| !matches!(one.status, Status::Created | Status::Exited)) {
        let error = anyhow!("cannot move {}: it is {}", one.name, one.status.as_str());
        return Err(error.context(Hint(format!("stop it first: hull stop {}", one.name))));
    }
    let options = BackupOptions { instance_only: args.instance_only, is_copy: false };
    let code = send(engine, source, options, (place, &args.flags))?;
    engine.remove(&id, false, true)?;
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_root_or_a_machine() {
        let machine = |target: &str| Place::of(target, None, None);
        let words = |place: &Place| {
            let command = place.receiver("web", &InstanceFlags::default()).unwrap();
            command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        let there = machine("ssh://me@there:2222/other").unwrap().unwrap();
        assert_eq!(words(&there), "-p 2222 -- me@there hull backup import --trusted - other");
        assert_eq!(
            words(&machine("ssh://there").unwrap().unwrap()),
            "-- there hull backup import --trusted - web"
        );
        assert_eq!(machine("other").unwrap(), None);
        for wrong in ["ssh://", "ssh://-oProxyCommand=x", "ssh://a b", "ssh://host:x", "ssh://a;b"] {
            assert!(machine(wrong).is_err(), "{wrong}");
        }
        let hostile = machine("ssh://there/a;b").unwrap().unwrap();
        assert!(hostile.receiver("web", &InstanceFlags::default()).is_err());
    }
}
