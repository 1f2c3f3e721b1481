//! Programs of the bundle's that run at points of a container's life (runtime-spec, config.md, "POSIX-platform Hooks").
//!
//! ```text
//! create   prestart, createRuntime    by the parent, between the mounts and pivot_root
//!          createContainer            by the container's first process, in its namespaces, before pivot_root
//! start    startContainer             by the same, inside, with the container's rights
//!          poststart                  by the caller of start, once the program runs
//! delete   poststop                   by the caller, when nothing of the container is left
//! ```

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use crate::error::{Error, Result, Step};
use crate::spec::{Hook, Hooks, Spec};

/// Which of the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    Prestart,
    CreateRuntime,
    CreateContainer,
    StartContainer,
    Poststart,
    Poststop,
}

impl Point {
    pub const ALL: [Self; 6] = [
        Self::Prestart,
        Self::CreateRuntime,
        Self::CreateContainer,
        Self::StartContainer,
        Self::Poststart,
        Self::Poststop,
    ];

    /// As the specification writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }

    fn of(self, hooks: &Hooks) -> &[Hook] {
        match self {
            Self::Prestart => &hooks.prestart,
            Self::CreateRuntime => &hooks.create_runtime,
            Self::CreateContainer => &hooks.create_container,
            Self::StartContainer => &hooks.start_container,
            Self::Poststart => &hooks.poststart,
            Self::Poststop => &hooks.poststop,
        }
    }

    /// runtime.md, "State", at this point.
    fn status(self) -> &'static str {
        match self {
            Self::Prestart | Self::CreateRuntime | Self::CreateContainer => "creating",
            Self::StartContainer => "created",
            Self::Poststart => "running",
            Self::Poststop => "stopped",
        }
    }

    fn is_inside(self) -> bool {
        matches!(self, Self::CreateContainer | Self::StartContainer)
    }
}

/// Which container it is about: what a hook reads from its stdin.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub id: &'a str,
    pub bundle: &'a Path,
    pub spec: &'a Spec,
    /// Of the first process, as the hook sees it.
    pub pid: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    oci_version: &'a str,
    id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    pid: i32,
    bundle: &'a Path,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    annotations: &'a std::collections::BTreeMap<String, String>,
}

fn is_zero(pid: &i32) -> bool {
    *pid == 0
}

/// The container's state as the specification has it, as JSON.
pub(crate) fn state(subject: Subject<'_>, status: &'static str) -> Result<Vec<u8>> {
    let Subject { id, bundle, spec, pid } = subject;
    let (oci_version, annotations) = (&spec.oci_version, &spec.annotations);
    serde_json::to_vec(&State { oci_version, id, status, pid, bundle, annotations })
        .map_err(|error| Error::Invalid(format!("the container's state: {error}")))
}

/// True when there is anything to run at this point.
pub(crate) fn has(spec: &Spec, point: Point) -> bool {
    spec.hooks.as_ref().is_some_and(|hooks| !point.of(hooks).is_empty())
}

/// Runs those of this point in their order, up to the first that fails.
pub fn run(point: Point, subject: Subject<'_>) -> Result<()> {
    each(point, subject, |outcome| outcome)
}

/// Runs all of this point; what failed is for the caller to tell.
pub fn run_all(point: Point, subject: Subject<'_>) -> Vec<Error> {
    let mut failures = Vec::new();
    let done = each(point, subject, |outcome| {
        failures.extend(outcome.err());
        Ok(())
    });
    failures.extend(done.err());
    failures
}

fn each(point: Point, subject: Subject<'_>, mut judge: impl FnMut(Result<()>) -> Result<()>) -> Result<()> {
    if !has(subject.spec, point) {
        return Ok(());
    }
    let state = state(subject, point.status())?;
    let hooks = subject.spec.hooks.as_ref().map(|hooks| point.of(hooks)).unwrap_or_default();
    hooks.iter().try_for_each(|hook| judge(one(hook, point, subject, &state)))
}

fn one(hook: &Hook, point: Point, subject: Subject<'_>, state: &[u8]) -> Result<()> {
    let step = || format!("run the {} hook {}", point.name(), hook.path.display());
    // Files and no pipes: whatever the hook reads or writes, nobody has to keep up with it.
    let (mut input, output) = (memory(step)?, memory(step)?);
    input.write_all(state).and_then(|()| input.rewind()).step(step)?;
    let mut command = Command::new(&hook.path);
    if let Some((name, rest)) = hook.args.split_first() {
        command.arg0(name).args(rest);
    }
    match &hook.env {
        Some(env) => {
            command.env_clear();
            command.envs(env.iter().map(|one| one.split_once('=').unwrap_or((one, ""))));
        }
        // Ours is nobody's business inside.
        None if point.is_inside() => drop(command.env_clear()),
        None => {}
    }
    if point != Point::StartContainer {
        command.current_dir(subject.bundle);
    }
    let copy = |file: &File| file.try_clone().map(Stdio::from).step(step);
    command.stdin(Stdio::from(input)).stdout(copy(&output)?).stderr(copy(&output)?).process_group(0);
    let mut child = command.spawn().step(step)?;
    let status = wait(&mut child, hook.timeout).step(step)?;
    match status {
        Some(status) if status.success() => Ok(()),
        status => Err(failure(hook, point, status, output)),
    }
}

fn memory(step: impl Fn() -> String + Copy) -> Result<File> {
    rustix::fs::memfd_create(c"hook", rustix::fs::MemfdFlags::CLOEXEC).map(File::from).step(step)
}

/// `None` when its time is over: it is dead then, and all of its process group.
fn wait(child: &mut Child, timeout: Option<u64>) -> std::io::Result<Option<ExitStatus>> {
    let pid = child.id() as i32;
    if let Some(seconds) = timeout.filter(|seconds| *seconds > 0) {
        let pidfd = hull_sys::process::pidfd_open(pid)?;
        let deadline =
            std::time::Instant::now() + std::time::Duration::from_secs(seconds.min(u32::MAX.into()));
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)], Some(&left)) {
                Ok(0) => {
                    let _ = nix::sys::signal::killpg(
                        nix::unistd::Pid::from_raw(pid),
                        nix::sys::signal::Signal::SIGKILL,
                    );
                    child.wait()?;
                    return Ok(None);
                }
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
    child.wait().map(Some)
}

/// With the end of what it said.
fn failure(hook: &Hook, point: Point, status: Option<ExitStatus>, mut output: File) -> Error {
    const MOST: u64 = 1024;
    let mut said = Vec::new();
    let length = output.seek(SeekFrom::End(0)).unwrap_or(0);
    let _ = output.seek(SeekFrom::Start(length.saturating_sub(MOST)));
    let _ = output.read_to_end(&mut said);
    let how = match status {
        Some(status) => format!("ended with {status}"),
        None => format!("has not ended after {} s", hook.timeout.unwrap_or_default()),
    };
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    let said = if said.is_empty() { said } else { format!(": {said}") };
    Error::Said(format!("the {} hook {} {how}{said}", point.name(), hook.path.display()))
}

/// What a list of hooks must be like to be run at all.
pub(crate) fn check(hooks: &Hooks) -> Result<()> {
    for point in Point::ALL {
        for hook in point.of(hooks) {
            let shown = hook.path.display();
            if !hook.path.is_absolute() {
                return Err(Error::Invalid(format!(
                    "hooks.{}: path {shown:?} is not absolute",
                    point.name()
                )));
            }
            if hook.timeout == Some(0) {
                return Err(Error::Invalid(format!(
                    "hooks.{}: the timeout of {shown} must be more than 0",
                    point.name()
                )));
            }
        }
    }
    Ok(())
}
