//! RUN: a container on the layers so far, whose changes become a layer.

use std::ffi::OsStr;

use hull_image::Digest;
use hull_storage::process_id::ProcessId;

use super::super::history;
use super::super::worker::{Recipe, Worker};
use super::config::words_of;
use crate::cache::Inputs;
use crate::context::Listing;
use crate::dockerfile::device::Device;
use crate::dockerfile::mount::{Mount, MountKind};
use crate::dockerfile::{Command, Instruction, Run, Script};
use crate::patterns::{Glob, Patterns};
use crate::plan::arguments;
use crate::plan::stages::Origin;
use crate::progress::Event;
use crate::run::{Source, Step};
use crate::{Error, Result};

/// A mount, and where its files come from. `None` is the build context, or nothing for a mount that has no files.
type Mounted = (Mount, Option<Origin>);

/// The devices that a step is to run without, because hull gives none to builds.
///
/// # Errors
///
/// If a device is required.
fn missing_devices(run: &Run) -> Result<Vec<String>> {
    let missing = run.devices.iter().map(|text| match Device::parse(text).map_err(Error::Syntax)? {
        Device { name, required: true } => {
            let what = format!("RUN --device={name},required: hull gives no devices to the steps of a build");
            Err(Error::Unsupported(what))
        }
        Device { name, required: false } => Ok(name),
    });
    missing.collect()
}

impl Worker<'_> {
    pub(super) fn run(&mut self, instruction: &Instruction, run: &Run) -> Result<()> {
        let (args, script) = match run.script() {
            Script::Command(command) => (words_of(&self.state, &command), None),
            Script::File { name, content } => {
                let path = Command::Shell(format!("/dev/pipes/{name}"));
                (words_of(&self.state, &path), Some((name, content)))
            }
        };
        let missing = missing_devices(run)?;
        let mounts = self.mounts_of(run)?;
        let mut inputs = self.inputs_of_run(&args, run, &mounts);
        if let Some((name, content)) = &script {
            inputs.files.insert(format!("<<{name}"), Digest::of(content.as_bytes()));
        }
        let listing = self.measure_mounts(&mounts, &mut inputs)?;
        let created_by = history::run(&self.state.arguments(), &args);
        let recipe = Recipe { instruction, inputs, created_by, listing };
        self.step(recipe, |worker, id| {
            for device in missing {
                let bytes = format!("device {device} is not available, and not required\n").into_bytes();
                worker.send(Event::Output { step: id, stderr: true, bytes })?;
            }
            let engine = worker.engine;
            let epoch = worker.job.request.source_date_epoch;
            let mut network = std::mem::take(&mut worker.network);
            let step = worker.prepare(&args, script, run, &mounts)?;
            let prepared = step.prepare(engine, &mut network);
            worker.network = network;
            let prepared = prepared?;
            let mut lost = Ok(());
            let finished = prepared.run(engine, &mut |stderr, bytes| {
                let event = Event::Output { step: id, stderr, bytes: bytes.to_vec() };
                if lost.is_ok() {
                    lost = worker.send(event);
                }
            })?;
            lost?;
            if finished.code() != 0 {
                let code = i32::from(finished.code());
                let kept = worker.job.request.keep_failed.then(|| finished.keep());
                return Err(Error::Failed { command: args.join(" "), code, kept });
            }
            Ok(finished.pack(epoch)?)
        })
    }

    fn mounts_of(&self, run: &Run) -> Result<Vec<Mounted>> {
        let variable = |name: &str| self.state.variable(name);
        let mounted = |text: &String| {
            let mount = Mount::parse(text, self.state.escape, &variable)?;
            let origin = match &mount.kind {
                MountKind::Bind { from, .. } | MountKind::Cache { from, .. } => {
                    from.as_deref().map(|from| self.origin(from)).transpose()?
                }
                _ => None,
            };
            Ok((mount, origin))
        };
        run.mounts.iter().map(mounted).collect()
    }

    fn inputs_of_run(&self, args: &[String], run: &Run, mounts: &[Mounted]) -> Inputs {
        let mut inputs = Inputs::new(Some(&self.state.key), [vec!["RUN".to_owned()], args.to_vec()].concat());
        for line in self.state.environment() {
            let (name, value) = line.split_once('=').unwrap_or((&line, ""));
            inputs.set(format!("env {name}"), value);
        }
        let config = self.state.run_config();
        inputs.set("user", config.user.unwrap_or_default());
        inputs.set("working directory", self.state.working_dir());
        for (at, (mount, _)) in mounts.iter().enumerate() {
            inputs.set(format!("mount {at}"), serde_json::to_string(mount).unwrap_or_default());
        }
        let options = &self.job.request.run;
        let network = run.network.clone().or(options.network.clone()).unwrap_or_default();
        inputs.set("network", network);
        inputs.set("security", run.security.clone().unwrap_or_default());
        inputs.set("hosts", options.add_hosts.join(" "));
        inputs
    }

    /// Adds what bind mounts show, and what caches begin with, to the inputs of a step.
    fn measure_mounts(&mut self, mounts: &[Mounted], inputs: &mut Inputs) -> Result<Listing> {
        let mut listing = Listing::default();
        for (mount, origin) in mounts {
            let (source, is_bind) = match &mount.kind {
                MountKind::Bind { source, .. } => (source.as_deref().unwrap_or("/"), true),
                MountKind::Cache { .. } if origin.is_some() => ("/", false),
                _ => continue,
            };
            let glob = Glob::literal(source);
            let is_whole = !is_bind || glob.base().as_os_str().is_empty();
            let layers = match origin {
                Some(origin) if is_whole => self.layers_of(origin)?,
                _ => None,
            };
            match layers {
                // Reading all files of a stage takes longer than most steps, and the layers tell as much.
                Some((directories, name)) => {
                    let chains = directories.iter().filter_map(|path| path.parent()?.file_name());
                    let chains: Vec<_> = chains.map(OsStr::to_string_lossy).collect();
                    let digest = Digest::of(chains.join("\n").as_bytes());
                    inputs.files.insert(format!("/ of {name}"), digest);
                }
                None => {
                    self.open_tree(origin.as_ref())?;
                    let sources = [(source.to_owned(), glob)];
                    let found = self.measure(origin.as_ref(), &sources, &Patterns::default(), inputs)?;
                    listing.0.push_str(&found.0);
                }
            }
        }
        Ok(listing)
    }

    fn prepare<'s>(
        &'s mut self,
        args: &[String],
        script: Option<(String, String)>,
        run: &'s Run,
        mounts: &'s [Mounted],
    ) -> Result<Step<'s>> {
        let config = self.state.run_config();
        let mut env = self.state.environment();
        let given = self.job.request.proxies.iter().chain(self.globals.proxies());
        env.extend(arguments::in_both_cases(given).iter().map(|(name, value)| format!("{name}={value}")));
        let mut layers = Vec::new();
        for (_, origin) in mounts {
            layers.push(match origin {
                Some(origin) => self.layers_of(origin)?,
                None => None,
            });
        }
        let worker = &*self;
        let source = |((mount, origin), layers): (&'s Mounted, Option<(Vec<_>, String)>)| {
            let source = match (&mount.kind, layers) {
                (_, Some((directories, _))) => Source::Layers(directories),
                (MountKind::Bind { .. }, None) => Source::Tree(worker.tree(origin.as_ref())?),
                (MountKind::Cache { .. }, None) if origin.is_some() => {
                    Source::Tree(worker.tree(origin.as_ref())?)
                }
                _ => Source::Nothing,
            };
            Ok((mount, source))
        };
        let mounts = mounts.iter().zip(layers).map(source).collect::<Result<_>>()?;
        Ok(Step {
            request: worker.job.request,
            layers: worker.state.directories(&worker.store),
            args: args.to_vec(),
            script: script.map(|(name, content)| (name, content.into_bytes())),
            env,
            user: config.user.unwrap_or_default(),
            working_dir: worker.state.working_dir(),
            mounts,
            network: run.network.as_deref(),
            security: run.security.as_deref(),
            // A kept step outlives the worker.
            builder: Some(ProcessId::of(std::os::unix::process::parent_id() as i32)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::{Kind, parse};

    #[test]
    fn a_device_that_is_required_is_refused() {
        let missing = |flags: &str| {
            let file = parse("Dockerfile", format!("FROM a\nRUN {flags} true").as_bytes()).unwrap();
            let Kind::Run(run) = &file.instructions[1].kind else { panic!("{file:?}") };
            missing_devices(run).map_err(|error| error.to_string())
        };
        assert_eq!(missing("").unwrap(), [""; 0]);
        assert_eq!(missing("--device=v.com/d=a --device=name=b").unwrap(), ["v.com/d=a", "b"]);
        let error = missing("--device=v.com/d=a,required").unwrap_err();
        assert!(error.contains("--device=v.com/d=a,required"), "{error}");
    }
}
