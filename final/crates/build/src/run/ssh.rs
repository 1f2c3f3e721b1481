//! `--mount=type=ssh`: the user's agent, or one with the keys that the user named.

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use hull_engine::Engine;
use rustix::fs::{FileType, Mode, OFlags};

use crate::error::IoContext;
use crate::{Error, Result};

/// What the shell beside the agent does: it adds the keys, waits until its input ends, and ends the agent, which would
/// notice that some seconds later. SIGTERM may be blocked, because a process inherits its builder's signal mask.
const SCRIPT: &str = "ssh-add -q -- \"$@\" 2>&1 && echo added && cat >/dev/null; \
                      kill -9 \"$SSH_AGENT_PID\"; rm -f -- \"$SSH_AUTH_SOCK\"";

/// An ssh-agent of the build's own. It ends with this process at the latest, because then its input ends.
#[derive(Debug)]
pub(super) struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // The shell ends the agent, and removes its socket.
        let _ = self.child.wait();
    }
}

/// The socket of an agent, held by descriptor, and the agent if it is one of the build's own.
pub(super) fn open(engine: &Engine, id: &str, paths: &[PathBuf]) -> Result<(OwnedFd, Option<Agent>)> {
    let open = |path: &Path| {
        let opened = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        opened.context(|| format!("open {} for --ssh {id}", path.display()))
    };
    if let [path] = paths {
        let opened = open(path)?;
        if is_socket(&opened) {
            return Ok((opened, None));
        }
    }
    for path in paths {
        if is_socket(&open(path)?) {
            return Err(Error::Invalid {
                what: format!("--ssh {id}"),
                why: "it is one agent, or key files".into(),
            });
        }
    }
    if paths.is_empty() {
        let why = "there is no agent: SSH_AUTH_SOCK is not set".into();
        return Err(Error::Invalid { what: format!("--ssh {id}"), why });
    }
    let agent = start(engine, id, paths)?;
    Ok((open(&agent.socket)?, Some(agent)))
}

fn start(engine: &Engine, id: &str, keys: &[PathBuf]) -> Result<Agent> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let missing = |_| {
        Error::Unsupported(format!(
            "--ssh {id} names key files, which takes ssh-agent and ssh-add: apt install openssh-client"
        ))
    };
    let directory = engine.root().run().join("build");
    hull_storage::directory::make_dirs(&directory, 0o700)?;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let socket = directory.join(format!("agent-{}-{count}", std::process::id()));
    let mut command = engine.program("ssh-agent").map_err(missing)?;
    let mut child = command
        .arg("-a")
        .arg(&socket)
        .args(["sh", "-c", SCRIPT, "sh"])
        .args(keys)
        .env_remove("SSH_ASKPASS")
        .env_remove("DISPLAY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context(|| "run ssh-agent".into())?;
    let mut said = String::new();
    let mut lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
    let agent = Agent { child, socket };
    for line in lines.by_ref().map_while(std::io::Result::ok).take(16) {
        if line == "added" {
            return Ok(agent);
        }
        said = line;
    }
    Err(Error::Invalid { what: format!("key of --ssh {id}"), why: said })
}

/// Whether a path is a socket.
fn is_socket(opened: &OwnedFd) -> bool {
    rustix::fs::fstat(opened).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket)
}
