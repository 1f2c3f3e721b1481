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
//! start overlooks it. Whoever removes the container removes the directory, and the process notices that.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::epoll;
use rustix::fs::inotify::{self, WatchFlags};
use rustix::io::Errno;

use super::{Connection, Listener};
use crate::error::{Error, IoContext, Result};
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

/// How a registration stands.
#[derive(Debug)]
pub(crate) enum Standing {
    /// The container has not started.
    Waiting,
    Connected(Connection),
    /// The container was removed.
    Removed,
}

/// A socket to which the next monitor connects. Its descriptor is readable when [`Self::look`] may have another answer.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Reports what happens to the other two.
    epoll: OwnedFd,
    listener: Listener,
    watch: OwnedFd,
    path: PathBuf,
    /// The process that made it. A child of it has the descriptors too, and must not remove the socket.
    owner: u32,
}

impl AsFd for Registration {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Registration {
    /// Called under the lock of a container that does not run.
    pub(crate) fn make(run_dir: &Path, wanted: Wanted) -> Result<Self> {
        let path = run_dir.join(format!("{}{}.sock", wanted.prefix(), &ids::random_id()?[..16]));
        let context = || format!("listen on {}", path.display());
        let listener = Listener::bind_to(&path).context(context)?;
        Self::watched(listener, path.clone(), run_dir).context(context).inspect_err(|_| {
            // The error is what matters; the next start removes the socket.
            let _ = rustix::fs::unlink(&path);
        })
    }

    fn watched(listener: Listener, path: PathBuf, run_dir: &Path) -> Result<Self, Errno> {
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        inotify::add_watch(&watch, run_dir, WatchFlags::DELETE | WatchFlags::DELETE_SELF)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (fd, number) in [(listener.as_fd(), 0), (watch.as_fd(), 1)] {
            epoll::add(&epoll, fd, epoll::EventData::new_u64(number), epoll::EventFlags::IN)?;
        }
        Ok(Self { epoll, listener, watch, path, owner: std::process::id() })
    }

    /// Does not wait.
    pub(crate) fn look(&self) -> Result<Standing> {
        let mut buffer = [0; 4096];
        while rustix::io::read(&self.watch, &mut buffer).is_ok_and(|length| length > 0) {}
        // Before the socket is looked for: a monitor removes it after it has connected.
        let is_removed = !self.path.exists();
        let is_connected = hull_sys::wait::until_readable(&self.listener, Some(Duration::ZERO))
            .context(|| "wait for the container's start".into())?;
        match is_connected {
            true => {
                let accepted = Connection::accept(&self.listener);
                accepted.map(Standing::Connected).context(|| "accept the monitor's connection".into())
            }
            false if is_removed => Ok(Standing::Removed),
            false => Ok(Standing::Waiting),
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
        // It does not wait: nobody else connects there, so the queue has room.
        if let Ok(connection) = Connection::connect_to(&path, Duration::ZERO) {
            connections.push((wanted, connection));
        }
        let _ = rustix::fs::unlink(&path);
    }
    connections
}

/// The error of a client whose container was removed before it started.
pub(crate) fn removed() -> Error {
    Error::NoSuchContainer("it was removed before it started".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attach::Message;

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
        assert!(!is_readable(&output) && matches!(output.look(), Ok(Standing::Waiting)));
        let connections = connect_all(&directory.0);
        assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 0);
        for (wanted, connection) in &connections {
            let first: &[u8] = if *wanted == Wanted::Output { b"first" } else { b"" };
            connection.send(&Message::Stdout(first)).unwrap();
        }
        for (one, expected) in [(&output, &b"first"[..]), (&end, b"")] {
            assert!(is_readable(one));
            let Ok(Standing::Connected(connection)) = one.look() else { panic!("not connected") };
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
    fn a_removal_is_noticed_and_a_dropped_registration_leaves_nothing() {
        let directory = Directory::new("removed");
        let dropped = Registration::make(&directory.0, Wanted::End).unwrap();
        drop(dropped);
        assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 0);
        let removed = Registration::make(&directory.0, Wanted::End).unwrap();
        std::fs::remove_file(&removed.path).unwrap();
        assert!(is_readable(&removed) && matches!(removed.look(), Ok(Standing::Removed)));
    }
}
