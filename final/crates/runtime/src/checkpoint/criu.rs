//! Finding and checking the CRIU program, and its worker, which takes requests (criu.org, "RPC").

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::io::FdFlags;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, Shutdown, SocketFlags,
    SocketType,
};

use super::wire::{self, Message, Value};
use super::{Error, Result};
use crate::error::Step;

/// Field numbers of `criu_req` and `criu_resp` in CRIU's rpc.proto.
mod field {
    pub const TYPE: u32 = 1;
    pub const REQUEST_OPTIONS: u32 = 2;
    pub const NOTIFY_SUCCESS: u32 = 3;
    pub const SUCCESS: u32 = 2;
    pub const RESTORED: u32 = 4;
    pub const NOTIFIED: u32 = 5;
    pub const MESSAGE: u32 = 9;
    /// Field numbers of the message in [`RESTORED`].
    pub const RESTORED_PID: u32 = 1;
    /// Field numbers of the message in [`NOTIFIED`].
    pub const SCRIPT: u32 = 1;
    pub const NOTIFIED_PID: u32 = 2;
}

/// `criu_req_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Dump = 1,
    Restore = 2,
    PreDump = 4,
}

const NOTIFY: u64 = 6;

/// The installed CRIU program.
#[derive(Debug)]
pub struct Criu(PathBuf);

impl Criu {
    /// Runs `criu check`. If it fails on this machine, nothing else is started.
    pub fn find(program: Option<&Path>) -> Result<Self> {
        let program = program.unwrap_or(Path::new("criu")).to_owned();
        let checked = Command::new(&program).arg("check").stdin(Stdio::null()).output();
        let checked = checked.map_err(|why| {
            let why = match why.kind() {
                std::io::ErrorKind::NotFound => "it is not installed".to_owned(),
                _ => why.to_string(),
            };
            Error::NoCriu { program: program.clone(), why }
        })?;
        if !checked.status.success() {
            let said = [checked.stderr, checked.stdout].concat();
            return Err(Error::Unfit(first_errors(&String::from_utf8_lossy(&said))).into());
        }
        Ok(Self(program))
    }
}

/// The first three errors, without their positions in CRIU's source. Later errors are consequences of them.
fn first_errors(said: &str) -> String {
    let errors: Vec<&str> = said.lines().filter_map(error_in).take(3).collect();
    match errors[..] {
        [] => said.lines().next_back().unwrap_or("it says nothing").to_owned(),
        _ => errors.join("; "),
    }
}

/// The last error, because of which CRIU stopped.
pub(super) fn last_errors(log: &str) -> Option<String> {
    let mut errors: Vec<&str> = log.lines().filter_map(error_in).collect();
    // These lines report the failure without a reason.
    errors.retain(|error| !error.ends_with("FAILED."));
    let last = errors.split_off(errors.len().saturating_sub(2));
    (!last.is_empty()).then(|| last.join("; "))
}

/// `(00.024269) Error (criu/util.c:642): exited, status=1`
fn error_in(line: &str) -> Option<&str> {
    Some(line.split_once("Error (")?.1.split_once("): ")?.1.trim())
}

/// A notification from CRIU, which waits for an answer.
pub(super) struct Notice<'a> {
    /// The name of the event, such as `setup-namespaces`.
    pub what: &'a str,
    /// The pid of the first process, if one is being restored.
    pub pid: i32,
    pub fd: Option<OwnedFd>,
}

/// How a request ended.
#[derive(Debug)]
pub(super) struct Answer {
    pub success: bool,
    pub said: Option<String>,
    /// The pid of the restored process.
    pub pid: Option<i32>,
}

/// A `criu swrk` child, which serves requests over a socket. It ends when this is dropped.
pub(super) struct Worker {
    socket: OwnedFd,
    child: Child,
}

impl Worker {
    /// Starts a worker. One that restores inherits stdin, stdout and stderr and the given descriptors, under the same numbers,
    /// to pass them on. One that saves does not need them, and would print warnings to them even after success.
    pub(super) fn start(criu: &Criu, inherited: Option<&[OwnedFd]>) -> Result<Self> {
        let step = || "make a socket for criu".to_owned();
        let kind = SocketType::SEQPACKET;
        let (socket, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).step(step)?;
        for fd in inherited.unwrap_or_default().iter().chain([&theirs]) {
            rustix::io::fcntl_setfd(fd, FdFlags::empty()).step(step)?;
        }
        let mut command = Command::new(&criu.0);
        command.arg("swrk").arg(theirs.as_raw_fd().to_string());
        if inherited.is_none() {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        }
        let child = command.spawn().step(|| format!("run {}", criu.0.display()))?;
        Ok(Self { socket, child })
    }

    pub(super) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Sends a request and answers CRIU's notifications. An error of `notified` ends the request.
    pub(super) fn ask(
        &self,
        request: Request,
        options: &Message,
        notified: &mut dyn FnMut(Notice<'_>) -> Result<()>,
    ) -> Result<Answer> {
        let mut message = Message::default();
        message.number(field::TYPE, request as u64);
        message.message(field::REQUEST_OPTIONS, options);
        self.send(&message)?;
        loop {
            let mut buffer = [0; 64 * 1024];
            let (said, fd) = self.receive(&mut buffer)?;
            let number = |field| wire::field(said, field).and_then(Value::as_number);
            let success = number(field::SUCCESS) == Some(1);
            if number(field::TYPE) == Some(NOTIFY) && success {
                notified(notice(said, fd))?;
                let mut answer = Message::default();
                answer.number(field::TYPE, NOTIFY);
                answer.flag(field::NOTIFY_SUCCESS, true);
                self.send(&answer)?;
                continue;
            }
            let text = wire::field(said, field::MESSAGE).and_then(Value::as_bytes);
            let restored = wire::field(said, field::RESTORED).and_then(Value::as_bytes);
            let pid = restored.and_then(|restored| wire::field(restored, field::RESTORED_PID)?.as_number());
            return Ok(Answer {
                success,
                said: text.map(|text| String::from_utf8_lossy(text).into_owned()),
                pid: pid.and_then(|pid| i32::try_from(pid).ok()),
            });
        }
    }

    fn send(&self, message: &Message) -> Result<()> {
        rustix::net::send(&self.socket, message.as_bytes(), SendFlags::NOSIGNAL).map_err(|_| Error::Ended)?;
        Ok(())
    }

    fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<(&'a [u8], Option<OwnedFd>)> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(buffer)];
        let received = loop {
            let flags = RecvFlags::CMSG_CLOEXEC;
            match rustix::net::recvmsg(self.socket.as_fd(), &mut slices, &mut ancillary, flags) {
                Err(rustix::io::Errno::INTR) => {}
                received => break received.map_err(|_| Error::Ended)?.bytes,
            }
        };
        let fd = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        match received {
            0 => Err(Error::Ended.into()),
            length => Ok((&buffer[..length], fd)),
        }
    }
}

fn notice(said: &[u8], fd: Option<OwnedFd>) -> Notice<'_> {
    let notified = wire::field(said, field::NOTIFIED).and_then(Value::as_bytes).unwrap_or_default();
    let what = wire::field(notified, field::SCRIPT).and_then(Value::as_bytes).unwrap_or_default();
    let pid = wire::field(notified, field::NOTIFIED_PID).and_then(Value::as_number);
    Notice {
        what: std::str::from_utf8(what).unwrap_or_default(),
        pid: pid.and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0),
        fd,
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The worker ends when its socket is closed, and undoes what it has not finished.
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_told_without_its_place() {
        let said = "Warn  (criu/net.c:37): NSID\n(00.1) Error (criu/vdso.c:381): vdso: Unexpected bounds\nx";
        assert_eq!(first_errors(said), "vdso: Unexpected bounds");
        assert_eq!(first_errors("only\nwords"), "words");
        assert_eq!(first_errors(""), "it says nothing");
        let log = "(1) Error (a.c:1): one\n(2) Error (a.c:2): two\n(3) Error (a.c:3): three\n\
                   (4) Error (criu/cr-dump.c:2053): Dumping FAILED.\n";
        assert_eq!(last_errors(log).as_deref(), Some("two; three"));
        assert_eq!(last_errors("all is well"), None);
    }
}
