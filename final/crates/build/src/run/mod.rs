//! RUN: a container on the layers below it, and its mounts.
//!
//! ```text
//! options   the options of every RUN, --network and --security      output   the step's output, up to a limit
//! mounts    --mount: from where, to where                           cache_mounts  directories that outlive builds
//! network   the network namespace that the steps of a stage share
//! hidden    what .dockerignore leaves out of a bind mount           ssh      agents, and keys in an agent
//! ```
//!
//! Sources of mounts are resolved once, beneath their root, and held by descriptor. Nothing of a mount is in the step's
//! layer: not even the directory at which it was mounted, if that was missing.

mod cache_mounts;
mod hidden;
mod mounts;
mod network;
mod options;
mod output;
mod ssh;

use std::path::PathBuf;

use hull_engine::Engine;
use hull_engine::steps::{FinishedStep, StepOptions};
use hull_storage::process_id::ProcessId;

use crate::Result;
use crate::context::Tree;
use crate::dockerfile::mount::Mount;
use crate::request::Request;

pub use cache_mounts::{CacheMount, CacheMounts};
pub use network::SharedNetwork;
pub(crate) use options::check;
pub use output::Limited;

/// A RUN, with everything expanded.
#[derive(Debug)]
pub struct Step<'a> {
    pub request: &'a Request,
    /// Directories of the layers below, lowest first.
    pub layers: Vec<PathBuf>,
    /// The program and its arguments, with the shell if it is a line for one.
    pub args: Vec<String>,
    /// A script that the program is, by the name of its heredoc; it is mounted as `/dev/pipes/NAME`.
    pub script: Option<(String, Vec<u8>)>,
    /// `KEY=VALUE`
    pub env: Vec<String>,
    pub user: String,
    pub working_dir: String,
    /// Each with where its files come from.
    pub mounts: Vec<(&'a Mount, Source<'a>)>,
    /// `--network` of the RUN.
    pub network: Option<&'a str>,
    /// `--security` of the RUN.
    pub security: Option<&'a str>,
    /// The process of the whole build, at whose end a kept step is removed. `None`: the caller.
    pub builder: Option<ProcessId>,
}

/// Where the files of a bind mount, or the first files of a cache mount, come from.
#[derive(Debug)]
pub enum Source<'a> {
    /// A mount of another type, or a cache that is empty at first.
    Nothing,
    /// The build context, or another tree that is a directory.
    Tree(&'a Tree),
    /// A stage or an image: directories of its layers, lowest first.
    Layers(Vec<PathBuf>),
}

/// Everything that a step needs, ready to be started. Agents of keys end when it is dropped.
#[derive(Debug)]
pub struct Prepared {
    options: StepOptions,
    _agents: Vec<ssh::Agent>,
}

impl Step<'_> {
    /// Checks and opens everything that the step needs. Waits for cache mounts with `sharing=locked`.
    /// `network` is that of the stage.
    pub fn prepare(self, engine: &Engine, network: &mut SharedNetwork) -> Result<Prepared> {
        let mut options = StepOptions {
            options: options::of(self.request, self.network, self.security)?,
            layers: self.layers,
            args: self.args,
            env: self.env,
            working_dir: self.working_dir,
            user: self.user,
            builder: self.builder,
            ..StepOptions::default()
        };
        options.network = network.join(engine, &options.options)?;
        let mut mounts = mounts::Mounts::new(engine, self.request, &mut options);
        for (mount, source) in self.mounts {
            mounts.add(mount, source)?;
        }
        if let Some((name, content)) = self.script {
            mounts.add_script(&name, content)?;
        }
        let agents = mounts.finish()?;
        Ok(Prepared { options, _agents: agents })
    }
}

impl Prepared {
    /// Runs the step to its end. Its output goes to `output`, which is told whether it is of stderr.
    pub fn run(self, engine: &Engine, output: &mut dyn FnMut(bool, &[u8])) -> Result<FinishedStep> {
        let Self { options, _agents: agents } = self;
        let mut limited = Limited::new(output);
        let finished = engine.run_step(options, &mut |stream, bytes| {
            limited.write(stream == hull_engine::Stream::Stderr, bytes)
        })?;
        limited.finish(finished.code() != 0);
        drop(agents);
        Ok(finished)
    }
}
