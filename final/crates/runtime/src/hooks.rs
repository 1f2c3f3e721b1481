//! Programs of the bundle's that run at points of a container's life (runtime-spec, config.md, "POSIX-platform Hooks").
//!
//! ```text
//! create   prestart, createRuntime    by the parent, between the mounts and pivot_root
//!          createContainer            by the container's first process, in its namespaces, before pivot_root
//! start    startContainer             by the same, inside, with the container's rights
//!          poststart                  by the caller of start, once the program runs
//! delete   poststop                   by the caller, when nothing of the container is left
//! ```

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use hull_sys::process::{self, Fork};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde::Serialize;

use crate::error::{Error, Result, Step};
use crate::init;
use crate::spec::{Hook, Hooks, Process, Spec};

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
    /// The environment of its program, which a startContainer hook gets too.
    pub env: &'a [String],
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
    let Subject { id, bundle, spec, pid, .. } = subject;
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
    let indexed = hooks.iter().enumerate();
    indexed.into_iter().try_for_each(|(index, hook)| judge(one((index, hook), point, subject, &state)))
}

fn one((index, hook): (usize, &Hook), point: Point, subject: Subject<'_>, state: &[u8]) -> Result<()> {
    let step = || format!("run the {} hook {}", point.name(), hook.path.display());
    // Files and no pipes: whatever the hook reads or writes, nobody has to keep up with it.
    let (mut input, output) = (memory(step)?, memory(step)?);
    input.write_all(state).and_then(|()| input.rewind()).step(step)?;
    // Not clone3(2): at the start a hook is confined by the container's filter, and docker's refuses that call.
    match process::fork().step(step)? {
        Fork::Child => {
            let Err(error) = become_hook(hook, point, subject, &input, &output);
            let _ = writeln!(&output, "{error}");
            process::exit_now(127)
        }
        Fork::Parent { pid } => {
            let pidfd = process::pidfd_open(pid).step(step)?;
            match wait(pid, &pidfd, hook.timeout).step(step)? {
                Some(0) => Ok(()),
                code => Err(failure((index, hook), point, code, output)),
            }
        }
    }
}

fn memory(step: impl Fn() -> String + Copy) -> Result<File> {
    rustix::fs::memfd_create(c"hook", rustix::fs::MemfdFlags::CLOEXEC).map(File::from).step(step)
}

/// In the child. It leads a process group, by which it can be ended with its children.
fn become_hook(
    hook: &Hook,
    point: Point,
    subject: Subject<'_>,
    input: &File,
    output: &File,
) -> Result<Infallible> {
    nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0)).step(|| "start a process group".into())?;
    rustix::stdio::dup2_stdin(input)
        .and_then(|()| rustix::stdio::dup2_stdout(output))
        .and_then(|()| rustix::stdio::dup2_stderr(output))
        .step(|| "set up stdin, stdout and stderr".into())?;
    match point {
        // Where the container's program will be, and only for it to say where that is.
        Point::StartContainer => {}
        // A createContainer hook mostly works on the root file system, and no state tells its path inside the
        // namespaces.
        Point::CreateContainer => {
            let root =
                subject.spec.root.as_ref().map(|root| subject.bundle.join(&root.path)).unwrap_or_default();
            nix::unistd::chdir(&root).step(|| "enter the container's root".into())?;
        }
        _ => nix::unistd::chdir(subject.bundle).step(|| "enter the bundle".into())?,
    }
    let path = CString::new(hook.path.as_os_str().as_bytes())
        .map_err(|_| Error::Invalid(format!("{:?} has a zero byte", hook.path)))?;
    let own = hook.path.to_string_lossy().into_owned();
    let args = if hook.args.is_empty() { vec![own] } else { hook.args.clone() };
    let env = match &hook.env {
        Some(env) => env.clone(),
        // A startContainer hook without an environment gets the program's, as with runc.
        None if point == Point::StartContainer => subject.env.to_vec(),
        // Ours is nobody's business inside.
        None if point.is_inside() => Vec::new(),
        None => std::env::vars_os()
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
            .collect(),
    };
    let process = Process { args, env, ..Process::default() };
    init::Executable::prepare(path, &process, 0)?.execute()
}

/// Its exit code. `None` when its time is over: it is dead then, and all of its process group.
fn wait(pid: i32, pidfd: &OwnedFd, timeout: Option<u64>) -> nix::Result<Option<u8>> {
    let in_time = |seconds| hull_sys::wait::until_readable(pidfd, Some(Duration::from_secs(seconds)));
    // Where nobody can tell any more whether its time is over, it is.
    let has_ended = timeout.is_none_or(|seconds| in_time(seconds).unwrap_or(false));
    if !has_ended {
        let _ = nix::sys::signal::killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    process::reap(pidfd.as_fd()).map(|code| has_ended.then_some(code))
}

/// With the end of what it said.
fn failure((index, hook): (usize, &Hook), point: Point, code: Option<u8>, mut output: File) -> Error {
    const MOST: u64 = 1024;
    let mut said = Vec::new();
    let length = output.seek(SeekFrom::End(0)).unwrap_or(0);
    let _ = output.seek(SeekFrom::Start(length.saturating_sub(MOST)));
    let _ = output.read_to_end(&mut said);
    let how = match code {
        Some(code @ 129..) if Signal::try_from(i32::from(code) - 128) == Ok(Signal::SIGSYS) => {
            "ended by SIGSYS: bad system call".to_owned()
        }
        Some(code) => format!("ended with exit code {code}"),
        None => format!("has not ended after {} s", hook.timeout.unwrap_or_default()),
    };
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    let said = if said.is_empty() { said } else { format!(": {said}") };
    Error::Said(format!("error running {} hook #{index}: {} {how}{said}", point.name(), hook.path.display()))
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
