pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    File(#[from] hull_composefile::Error),
    /// What the engine was asked to do for a service, a network or a volume.
    #[error("{what}: {source}")]
    Engine { what: String, source: Box<hull_engine::Error> },
    #[error("{0}")]
    Invalid(String),
    #[error("{}", lines(.0))]
    Several(Vec<Error>),
}

/// Says what the engine was asked to do.
pub(crate) trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for hull_engine::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Engine { what: what(), source: Box::new(source) })
    }
}

impl Error {
    /// Several errors as one. Its text has a line for each.
    pub(crate) fn all(mut errors: Vec<Self>) -> Self {
        match errors.len() {
            1 => errors.remove(0),
            _ => Self::Several(errors),
        }
    }
}

fn lines(errors: &[Error]) -> String {
    errors.iter().map(Error::to_string).collect::<Vec<_>>().join("\n")
}
