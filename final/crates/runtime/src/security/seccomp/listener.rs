//! Who answers for `SCMP_ACT_NOTIFY`: the descriptor of the questions goes to a socket of the host's (config-linux.md,
//! "The Container Process State").

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketType};
use serde_json::json;

use super::compile::notifies;
use crate::error::{Error, Result, Step};
use crate::hooks::{self, Subject};
use crate::rendezvous;
use crate::spec::{Seccomp, Spec};

/// Connected while the host's files are in sight.
pub(crate) struct Listener {
    socket: OwnedFd,
    /// The JSON that goes along.
    state: Vec<u8>,
}

impl Listener {
    pub(crate) fn is_asked(spec: &Spec) -> bool {
        policy(spec).is_some()
    }

    /// `subject.pid` is that of the process which loads the filter.
    pub(crate) fn connect(subject: Subject<'_>) -> Result<Option<Self>> {
        let Some(policy) = policy(subject.spec) else { return Ok(None) };
        let path = policy.listener_path.clone().unwrap_or_default();
        let container: serde_json::Value = serde_json::from_slice(&hooks::state(subject, "creating")?)
            .map_err(|error| Error::Said(error.to_string()))?;
        let state = json!({
            "ociVersion": subject.spec.oci_version,
            "fds": ["seccompFd"],
            "pid": subject.pid,
            "metadata": policy.listener_metadata.clone().unwrap_or_default(),
            "state": container,
        });
        let socket = rendezvous::connect(&path, SocketType::STREAM)?;
        Ok(Some(Self { socket, state: state.to_string().into_bytes() }))
    }

    pub(crate) fn hand_over(&self, questions: &OwnedFd) -> Result<()> {
        let fds = [questions.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        rustix::net::sendmsg(&self.socket, &[IoSlice::new(&self.state)], &mut ancillary, SendFlags::NOSIGNAL)
            .map(drop)
            .step(|| "hand the seccomp listener over".into())
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn policy(spec: &Spec) -> Option<&Seccomp> {
    spec.linux.as_ref()?.seccomp.as_ref().filter(|policy| notifies(policy))
}
