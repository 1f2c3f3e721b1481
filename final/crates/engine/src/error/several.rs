//! The errors of a cleanup, which continues after each of them.

use super::{Error, Result};

/// Collects errors, so that none is lost when a later step fails too.
#[derive(Debug, Default)]
pub struct Errors(Vec<Error>);

impl Errors {
    /// Keeps the error of a step that failed.
    pub fn note<E: Into<Error>>(&mut self, step: Result<(), E>) {
        match step.map_err(Into::into) {
            Ok(()) => {}
            Err(Error::Several(errors)) => self.0.extend(errors),
            Err(error) => self.0.push(error),
        }
    }

    /// Success if every step succeeded.
    pub fn into_result(mut self) -> Result<()> {
        match self.0.len() {
            0 => Ok(()),
            1 => Err(self.0.remove(0)),
            _ => Err(Error::Several(self.0)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Error> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_vec(self) -> Vec<Error> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use hull_sys::Kind;

    use super::super::Detail;
    use super::*;

    #[test]
    fn every_error_is_reported_and_the_worst_gives_the_kind() {
        let mut inner = Errors::default();
        inner.note(Err(Error::NoSuchNetwork("net".into())));
        inner.note(Err(Error::DamagedRecord { name: "box".into(), why: "it ends early".into() }));
        let mut errors = Errors::default();
        errors.note(inner.into_result());
        errors.note::<Error>(Ok(()));
        errors.note(Err(Error::MonitorDied));
        let error = errors.into_result().unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
        assert_eq!(error.to_string().lines().count(), 3, "{error}");
    }

    #[test]
    fn a_failed_undo_does_not_hide_what_failed_first() {
        let error = Error::MonitorDied.with_undo(Ok(()));
        assert!(matches!(error, Error::MonitorDied));
        let program = hull_runtime::Error::NoInterpreter { program: "/bin/sh".into() };
        let damaged = || Error::DamagedRecord { name: "box".into(), why: "it ends early".into() };
        let error = Error::from(program).with_undo(Err(damaged().with_undo(Err(Error::MonitorDied))));
        assert_eq!((error.kind(), error.to_string().lines().count()), (Kind::ProgramNotFound, 3));
        assert!(error.to_string().starts_with("exec /bin/sh"), "{error}");
    }

    #[test]
    fn a_failed_undo_changes_neither_kind_nor_details() {
        let undone = || {
            Error::Image(hull_image::Error::Io {
                action: "remove a file".into(),
                source: std::io::Error::from_raw_os_error(libc::ENOSPC),
            })
        };
        let port = hull_network::Error::PortTaken { address: "0.0.0.0:80".into(), protocol: "tcp" };
        let error = Error::from(port).with_undo(Err(undone())).with_undo(Err(Error::MonitorDied));
        assert_eq!((error.kind(), error.detail()), (Kind::InUse, Some(Detail::PortTaken)));
        assert_eq!((error.parts().len(), error.to_string().lines().count()), (3, 3), "{error}");
        // A first error without details does not get those of the undo.
        assert_eq!(Error::MonitorDied.with_undo(Err(undone())).detail(), None);
        let error = Error::NoSuchContainer("0123".into()).with_undo(Err(undone())).for_container("box");
        assert!(error.is_no_such_container() && error.to_string().starts_with("No such container: box\n"));
    }

    #[test]
    fn a_single_error_stays_what_it_is() {
        let mut errors = Errors::default();
        errors.note(Err(Error::MonitorDied));
        assert!(matches!(errors.into_result(), Err(Error::MonitorDied)));
        assert!(Errors::default().into_result().is_ok());
    }
}
