//! When a registry is asked for an image, and the process that pulls it.

use std::str::FromStr;

use hull_image::platform::Platform;
use hull_image::progress::Progress;
use hull_image::pull::PullOptions;
use hull_image::reference::Reference;
use hull_image::registry::{Access, AccessOptions};

use crate::child::in_child;
use crate::engine::Engine;
use crate::error::{Error, Result};
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
            (_, present) => in_child(&format!("pull {name}"), || {
                let platform = platform.map(Platform::parse).transpose()?;
                let progress = (pull.progress)();
                let options = PullOptions { platform, progress: &*progress };
                let is_present = present.is_some();
                self.pull_for_container(name, &access, &candidates, is_present, &options)
                    .map(|reference| reference.canonical())
            })?
            .map_err(Error::Pull),
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
