//! The agent for `SCMP_ACT_NOTIFY`: it gets the descriptor of the filter's notifications over a socket (config-linux.md,
//! "The Container Process State").

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use hull_sys::Kind;
use hull_sys::security::Instruction;
use nix::errno::Errno;
use rustix::net::SocketType;
use serde_json::json;

use super::Program;
use super::compile::{
    ALLOW, ARCH, ARGUMENTS, JUMP_EQUAL, LOAD, NUMBER, RETURN, branch, instruction, notifies,
};
use super::syscalls::NATIVE;
use crate::error::{Error, Result, Step};
use crate::hook_state::HookState;
use crate::spec::{Seccomp, Spec};

/// The connection to the agent, which is made while the host's files can still be reached.
pub(crate) struct Listener {
    socket: OwnedFd,
    /// The container process state, as JSON, that is sent along with the descriptor.
    state: Vec<u8>,
}

/// Lets the filter recognize one call of the runtime: random numbers as the arguments that sendmsg(2) does not have and
/// the kernel ignores. A program in the container cannot guess them.
struct Key([u64; 3]);

impl Key {
    fn new() -> nix::Result<Self> {
        let mut bytes = [0; 24];
        let flags = rustix::rand::GetRandomFlags::empty();
        match rustix::rand::getrandom(&mut bytes[..], flags) {
            Ok(24) => {
                let (numbers, _) = bytes.as_chunks::<8>();
                Ok(Self([0, 1, 2].map(|index| u64::from_ne_bytes(numbers[index]))))
            }
            Ok(_) => Err(Errno::EAGAIN),
            Err(errno) => Err(Errno::from_raw(errno.raw_os_error())),
        }
    }

    /// The instructions that allow this one call, and leave all others to the program that follows.
    fn prologue(&self) -> Vec<Instruction> {
        let sendmsg = nix::libc::SYS_sendmsg as u32;
        let mut checks = vec![(ARCH, NATIVE.audit), (NUMBER, sendmsg)];
        for (index, number) in (3..).zip(self.0) {
            let at = ARGUMENTS + 8 * index;
            checks.extend([(at, number as u32), (at + 4, (number >> 32) as u32)]);
        }
        let last = checks.len() - 1;
        let mut code = Vec::new();
        for (index, (field, expected)) in checks.into_iter().enumerate() {
            // The jump on a mismatch: past the remaining checks, two instructions each, and the RETURN.
            let past = 2 * (last - index) as u8 + 1;
            code.extend([instruction(LOAD, field), branch(JUMP_EQUAL, expected, 0, past)]);
        }
        code.push(instruction(RETURN, ALLOW));
        code
    }
}

impl Listener {
    pub(crate) fn is_asked(spec: &Spec) -> bool {
        policy(spec).is_some()
    }

    /// Connects to the agent. `container.pid` is the pid of the process that loads the filter.
    pub(crate) fn connect(container: HookState<'_>) -> Result<Option<Self>> {
        let Some(policy) = policy(container.spec) else { return Ok(None) };
        let path = policy.listener_path.clone().unwrap_or_default();
        let container_state: serde_json::Value = serde_json::from_slice(&container.to_json("creating")?)
            .map_err(|error| Error::Invalid(format!("the container's state: {error}")))?;
        let state = json!({
            "ociVersion": container.spec.oci_version,
            "fds": ["seccompFd"],
            "pid": container.pid,
            "metadata": policy.listener_metadata.clone().unwrap_or_default(),
            "state": container_state,
        });
        let socket = hull_sys::net::connect(&path, SocketType::STREAM).map_err(|errno| {
            let why = Errno::from_raw(errno.raw_os_error()).desc();
            let text =
                format!("failed to connect with seccomp agent: cannot connect to {}: {why}", path.display());
            Error::failed(Kind::Unavailable, text)
        })?;
        Ok(Some(Self { socket, state: state.to_string().into_bytes() }))
    }

    /// Loads a filter with a listener, and sends the listener's descriptor to the agent. The filter may notify about,
    /// or refuse, the sendmsg(2) that this takes before anybody can answer, so a key lets that one call pass.
    pub(crate) fn load(&self, program: &Program) -> Result<()> {
        let key = Key::new().step(|| "get random numbers".into())?;
        let instructions = [key.prologue(), program.instructions.clone()].concat();
        let questions = hull_sys::security::load_filter_with_listener(&instructions, program.flags)
            .step(|| "load the seccomp filter".into())?;
        let sent =
            hull_sys::net::send_fd_with_key(self.socket.as_fd(), &self.state, questions.as_fd(), key.0);
        // Left to execve(2) to close, because the filter may notify about close(2).
        std::mem::forget(questions);
        sent.step(|| "hand the seccomp listener over".into())
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
