//! When a registry is asked for an image, and the process that pulls it.

use std::io::{PipeWriter, Read, Write};
use std::str::FromStr;

use hull_image::platform::Platform;
use hull_image::progress::Progress;
use hull_image::pull::PullOptions;
use hull_image::reference::Reference;
use hull_image::registry::{Access, AccessOptions};
use hull_sys::process::{Fork, exit_now, fork, set_parent_death_signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::engine::Engine;
use crate::error::{Error, IoContext, Report, Result};
use crate::records::options::CreateOptions;
use crate::records::record::Record;

/// docker's `--pull`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Ask the registry even if the image is in the store.
    Always,
    #[default]
    Missing,
    Never,
}

impl FromStr for PullPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "always" => Ok(Self::Always),
            "missing" => Ok(Self::Missing),
            "never" => Ok(Self::Never),
            _ => Err(Error::Invalid {
                what: format!("pull policy {text:?}"),
                why: "expected always, missing or never".into(),
            }),
        }
    }
}

/// How a missing image is pulled. The functions are called only if a registry may have to be asked, because most
/// containers are created from images that are in the store.
pub struct Pull<'a> {
    pub policy: PullPolicy,
    /// The settings and credentials of the caller.
    pub access: &'a dyn Fn() -> AccessOptions,
    /// The receiver of the progress. It is called in the process that pulls.
    pub progress: &'a dyn Fn() -> Box<dyn Progress>,
}

/// The host's own root file system, which no registry has.
const HOST: &str = "host";

impl Engine {
    /// Creates a container like [`Engine::create`], after its image was pulled if the policy says so.
    pub fn create_pulling(&self, mut options: CreateOptions, pull: &Pull<'_>) -> Result<Record> {
        let ensure =
            |options: &CreateOptions| self.ensure_image(&options.image, options.platform.as_deref(), pull);
        if pull.policy == PullPolicy::Always && options.image != HOST {
            options.image = ensure(&options)?;
            return self.create(&options);
        }
        match self.create(&options) {
            Err(error) if error.is_no_such_image() => {
                options.image = ensure(&options)?;
                self.create(&options)
            }
            created => created,
        }
    }

    /// Pulls an image if the policy says so. Returns the name that it has in the store.
    pub fn ensure_image(&self, name: &str, platform: Option<&str>, pull: &Pull<'_>) -> Result<String> {
        let access = Access::new((pull.access)())?;
        // The registry settings may complete a short name to one that is in the store.
        let candidates = access.settings().candidates(name)?;
        let present = candidates.iter().find(|candidate| self.images().has(candidate));
        match (pull.policy, present) {
            (PullPolicy::Missing | PullPolicy::Never, Some(present)) => Ok(present.canonical()),
            (PullPolicy::Never, None) => Err(self.images().missing(name).into()),
            (_, present) => in_child(name, || {
                let platform = platform.map(Platform::parse).transpose()?;
                let progress = (pull.progress)();
                let options = PullOptions { platform, progress: &*progress };
                let is_present = present.is_some();
                self.pull_for_container(name, &access, &candidates, is_present, &options)
            }),
        }
    }

    fn pull_for_container(
        &self,
        name: &str,
        access: &Access,
        candidates: &[Reference],
        is_present: bool,
        options: &PullOptions<'_>,
    ) -> Result<Reference> {
        if !is_present && let Some(first) = candidates.first() {
            options.progress.remark(&format!("Unable to find image '{}' locally", first.familiar()));
        }
        let pulled = hull_image::pull::pull(self.images(), access, candidates, options);
        let pulled = pulled.map_err(|error| match self.images().missing(name) {
            // No registry has it, and its name is similar to that of an image in the store.
            missing @ hull_image::Error::NoSuchImage { nearest: Some(_), .. } if !is_present => {
                Error::NotPulled { missing: Box::new(missing), source: Box::new(error) }
            }
            _ => error.into(),
        })?;
        self.emit_pulled(&pulled);
        options.progress.remark(&format!("Digest: {}", pulled.digest));
        Ok(pulled.reference)
    }
}

/// Pulls in a child process, because pulling uses threads: the calling process is going to clone a container, and a
/// process that clones must have a single thread. The monitor, a fork of the caller, is also spared what a pull leaves in
/// its memory.
fn in_child(name: &str, pull: impl FnOnce() -> Result<Reference>) -> Result<String> {
    let (mut reader, mut writer) = std::io::pipe().context(|| "create a pipe".into())?;
    let child = match fork().context(|| "fork the process that pulls".into())? {
        Fork::Parent { pid } => Pid::from_raw(pid),
        Fork::Child => {
            drop(reader);
            // A caller that was killed does not wait for the image. Without the signal the pull would continue.
            let _ = set_parent_death_signal(libc::SIGKILL);
            let outcome = answer(&mut writer, pull());
            exit_now(i32::from(outcome.is_err()))
        }
    };
    drop(writer);
    let mut text = String::new();
    let read = reader.read_to_string(&mut text);
    match waitpid(child, None).context(|| "wait for the process that pulls".into())? {
        WaitStatus::Exited(_, 0) => read.map(|_| text).context(|| "read the pulled image's name".into()),
        WaitStatus::Exited(..) => Err(Error::Pull(Report::decode(&text))),
        status => Err(Error::Io {
            action: format!("pull {name}"),
            source: std::io::Error::other(format!("the process that pulls ended early: {status:?}")),
        }),
    }
}

/// Writes the image's name, or the report of the error.
fn answer(writer: &mut PipeWriter, pulled: Result<Reference>) -> Result<(), ()> {
    let text = pulled.as_ref().map_or_else(Report::encode, Reference::canonical);
    let written = writer.write_all(text.as_bytes());
    if pulled.is_ok() && written.is_ok() { Ok(()) } else { Err(()) }
}
