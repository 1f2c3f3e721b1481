//! Finds an image by its candidates: a short name may stand for several images, and each may have mirrors.

use super::{Access, Client};
use crate::error::{Error, RegistryProblem, Result};
use crate::progress::Progress;
use crate::reference::Reference;

impl Access {
    /// Asks for the candidates in their order until a registry has one.
    pub(crate) fn first<T>(
        &self,
        candidates: &[Reference],
        progress: &dyn Progress,
        ask: impl Fn(&Client<'_>, &Reference) -> Result<T>,
    ) -> Result<T> {
        self.check_given(candidates)?;
        let mut failures: Vec<(&Reference, Error)> = Vec::new();
        for reference in candidates {
            match self.ask_mirrors(reference, progress, &ask) {
                Ok(found) => return Ok(found),
                // The error is not the registry's, so the other candidates would fail with it too.
                Err(error) if !matches!(error, Error::Registry { .. }) => return Err(error),
                Err(error) => failures.push((reference, error)),
            }
        }
        match failures.len() {
            1 => Err(failures.remove(0).1),
            _ => Err(none_has_it(&failures)),
        }
    }

    /// Asks the mirrors of a registry in their order, and then the registry itself.
    fn ask_mirrors<T>(
        &self,
        reference: &Reference,
        progress: &dyn Progress,
        ask: impl Fn(&Client<'_>, &Reference) -> Result<T>,
    ) -> Result<T> {
        let mut endpoints = self.settings.endpoints(reference)?.into_iter().peekable();
        while let Some(endpoint) = endpoints.next() {
            match ask(&Client::new(self, endpoint), reference) {
                Err(error @ Error::Registry { .. }) if endpoints.peek().is_some() => {
                    progress.remark(&format!("the mirror fails: {error}"));
                }
                outcome => return outcome,
            }
        }
        Err(Error::Invalid {
            what: format!("image name {}", reference.canonical()),
            why: "it has no registry".into(),
        })
    }

    /// Refuses to send a password that was given for one registry to several: all candidates and mirrors are asked with
    /// it.
    fn check_given(&self, candidates: &[Reference]) -> Result<()> {
        if self.credentials.given.is_none() {
            return Ok(());
        }
        let mut asked = Vec::new();
        for reference in candidates {
            asked.extend(self.settings.endpoints(reference)?.into_iter().map(|endpoint| endpoint.registry));
        }
        asked.dedup();
        match asked.len() {
            0 | 1 => Ok(()),
            _ => Err(Error::Invalid {
                what: "credentials".into(),
                why: format!(
                    "{} would all be asked with them, and they are for one: name it, or log in",
                    asked.join(", ")
                ),
            }),
        }
    }
}

fn none_has_it(failures: &[(&Reference, Error)]) -> Error {
    let told = failures.iter().map(|(reference, error)| format!("{}: {error}", reference.canonical()));
    let registries: Vec<&str> = failures.iter().map(|(reference, _)| reference.registry()).collect();
    Error::Registry {
        registry: registries.join(", "),
        why: told.collect::<Vec<_>>().join("; "),
        problem: RegistryProblem::NotFound,
    }
}
