//! Connections that a process asks for before the container runs.
//!
//! docker's clients attach to a container, and wait for its end, before they start it, each on a connection of its own.
//! The process that serves such a client listens on a socket in the container's directory below the run root:
//!
//! ```text
//! output-<random>.sock   it gets the output of the next run, from the first byte on
//! end-<random>.sock      it gets the exit code of the next run
//! ```
//!
//! The monitor of the next run connects to each of them before the program starts, and removes the socket. What a killed
//! process leaves behind refuses the connection, and goes in the same way. A socket is made under the container's lock, so no
//! start overlooks it. A command that removes the container connects too, and tells that.
//!
//! The number of inotify instances of a user is limited (inotify(7)), and a server may have many clients that wait, so
//! nothing is watched.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Connection, Listener, Message};
use crate::error::{Error, IoContext, Report, Result};
use crate::records::ids;

/// What the monitor of the next run is to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The output, and then the exit code.
    Output,
    /// The exit code.
    End,
}

impl Wanted {
    const ALL: [Self; 2] = [Self::Output, Self::End];

    fn prefix(self) -> &'static str {
        match self {
            Self::Output => "output-",
            Self::End => "end-",
        }
    }

    fn of(name: &str) -> Option<Self> {
        let random = |one: &Self| name.strip_prefix(one.prefix()).is_some_and(|rest| rest.ends_with(".sock"));
        Self::ALL.into_iter().find(random)
    }
}

/// A socket to which the next monitor connects. Its descriptor is readable when one has.
#[derive(Debug)]
pub(crate) struct Registration {
    listener: Listener,
    path: PathBuf,
    /// The process that made it. A child of it has the descriptor too, and must not remove the socket.
    owner: u32,
}

impl AsFd for Registration {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Registration {
    /// Called under the lock of a container that does not run.
    pub(crate) fn make(run_dir: &Path, wanted: Wanted) -> Result<Self> {
        let path = run_dir.join(format!("{}{}.sock", wanted.prefix(), &ids::random_id()?[..16]));
        let listener = Listener::bind_to(&path).context(|| format!("listen on {}", path.display()))?;
        Ok(Self { listener, path, owner: std::process::id() })
    }

    /// The monitor's connection, if it has come.
    pub(crate) fn connection(&self) -> Result<Option<Connection>> {
        let context = || "wait for the container's start".to_owned();
        match hull_sys::wait::until_readable(&self.listener, Some(Duration::ZERO)).context(context)? {
            true => Connection::accept(&self.listener).map(Some).context(context),
            false => Ok(None),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.owner == std::process::id() {
            // The monitor has removed it, if it has connected.
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

/// Connects to all who have registered, and removes their sockets. Called by the monitor, under the container's lock and before
/// the program starts. Nobody can make the start fail: a process that cannot be reached is left out.
pub(crate) fn connect_all(run_dir: &Path) -> Vec<(Wanted, Connection)> {
    let mut connections = Vec::new();
    for entry in std::fs::read_dir(run_dir).into_iter().flatten().flatten() {
        let Some(wanted) = entry.file_name().to_str().and_then(Wanted::of) else { continue };
        let path = entry.path();
        // connect(2) follows a link, which nobody has registered.
        let is_socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
        // It does not wait: nobody else connects there, so the queue has room.
        if is_socket && let Ok(connection) = Connection::connect_to(&path, Duration::ZERO) {
            connections.push((wanted, connection));
        }
        let _ = rustix::fs::unlink(&path);
    }
    connections
}

/// Tells all who have registered that the container is removed.
pub(crate) fn dismiss_all(run_dir: &Path, container: &str) {
    for (_, connection) in connect_all(run_dir) {
        let report = Report::encode(&Error::NoSuchContainer(container.to_owned()));
        // It may have gone meanwhile.
        let _ = connection.try_send(&Message::Failed(&report));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("hull-registration-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn is_readable(one: &Registration) -> bool {
        hull_sys::wait::until_readable(one, Some(Duration::ZERO)).unwrap()
    }

    #[test]
    fn the_monitor_connects_to_each_and_its_first_message_arrives() {
        let directory = Directory::new("connect");
        let output = Registration::make(&directory.0, Wanted::Output).unwrap();
        let end = Registration::make(&directory.0, Wanted::End).unwrap();
        assert!(!is_readable(&output) && output.connection().unwrap().is_none());
        let connections = connect_all(&directory.0);
        assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 0);
        for (wanted, connection) in &connections {
            let first: &[u8] = if *wanted == Wanted::Output { b"first" } else { b"" };
            connection.send(&Message::Stdout(first)).unwrap();
        }
        for (one, expected) in [(&output, &b"first"[..]), (&end, b"")] {
            assert!(is_readable(one));
            let connection = one.connection().unwrap().unwrap();
            assert_eq!(connection.receive(&mut Vec::new()).unwrap(), Some(Message::Stdout(expected)));
        }
        assert_eq!(connections.len(), 2);
    }

    #[test]
    fn a_dead_process_is_left_out_and_its_socket_goes() {
        let directory = Directory::new("dead");
        // As a killed process leaves it: the file without the listener.
        drop(Listener::bind_to(&directory.0.join("output-0123.sock")).unwrap());
        std::fs::write(directory.0.join("end-x.sock"), "no socket").unwrap();
        std::fs::write(directory.0.join("state.json"), "").unwrap();
        assert!(connect_all(&directory.0).is_empty());
        assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 1);
    }

    #[test]
    fn a_link_leads_to_no_other_socket() {
        let directory = Directory::new("link");
        let other = directory.0.join("other");
        let listener = Listener::bind_to(&other).unwrap();
        std::os::unix::fs::symlink(&other, directory.0.join("output-0123.sock")).unwrap();
        assert!(connect_all(&directory.0).is_empty());
        assert!(!hull_sys::wait::until_readable(&listener, Some(Duration::ZERO)).unwrap());
        assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 1, "the link goes");
    }

    #[test]
    fn a_removal_is_told_and_a_dropped_registration_leaves_nothing() {
        let directory = Directory::new("removed");
        drop(Registration::make(&directory.0, Wanted::End).unwrap());
        assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 0);
        let told = Registration::make(&directory.0, Wanted::End).unwrap();
        dismiss_all(&directory.0, "box");
        let connection = told.connection().unwrap().unwrap();
        let mut buffer = Vec::new();
        let message = connection.receive(&mut buffer).unwrap();
        assert!(
            matches!(message, Some(Message::Failed(report)) if report.contains("No such container: box"))
        );
        assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 0);
    }
}
