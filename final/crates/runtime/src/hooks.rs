//! Programs that a bundle runs at certain points of a container's life (runtime-spec, config.md, "POSIX-platform Hooks").
//!
//! ```text
//! verb     hook                       run by
//! create   prestart, createRuntime    the parent, after the mounts and before pivot_root
//!          createContainer            the container's first process, in its namespaces, before pivot_root
//! start    startContainer             the container's first process, inside, with the container's privileges
//!          poststart                  the caller of start, once the program runs
//! delete   poststop                   the caller, when nothing is left of the container
//! ```

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use hull_sys::process::{self, Fork};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::error::{Error, Result, Step};
use crate::program::Executable;
use crate::spec::{Hook, Hooks, Process, Spec};

pub use crate::hook_state::HookState;

/// A point of the container's life, and so one of the lists of hooks.
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

    /// Its name in config.json.
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

    /// The container's status at this point (runtime.md, "State").
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

/// True if the bundle has hooks for this point.
pub(crate) fn has(spec: &Spec, point: Point) -> bool {
    spec.hooks.as_ref().is_some_and(|hooks| !point.of(hooks).is_empty())
}

/// Runs the hooks of this point in their order, up to the first one that fails.
pub fn run(point: Point, container: HookState<'_>) -> Result<()> {
    run_each(point, container, |outcome| outcome)
}

/// Runs all hooks of this point, even if some fail. Returns the errors, which the caller has to report.
pub fn run_all(point: Point, container: HookState<'_>) -> Vec<Error> {
    let mut failures = Vec::new();
    let done = run_each(point, container, |outcome| {
        failures.extend(outcome.err());
        Ok(())
    });
    failures.extend(done.err());
    failures
}

fn run_each(
    point: Point,
    container: HookState<'_>,
    mut judge: impl FnMut(Result<()>) -> Result<()>,
) -> Result<()> {
    let hooks = container.spec.hooks.as_ref().map(|hooks| point.of(hooks)).unwrap_or_default();
    if hooks.is_empty() {
        return Ok(());
    }
    let state = container.to_json(point.status())?;
    for (index, hook) in hooks.iter().enumerate() {
        judge(run_one(index, hook, point, container, &state))?;
    }
    Ok(())
}

fn run_one(index: usize, hook: &Hook, point: Point, container: HookState<'_>, state: &[u8]) -> Result<()> {
    let step = || format!("run the {} hook {}", point.name(), hook.path.display());
    // Files in memory instead of pipes: nobody has to read or write while the hook runs.
    let (mut input, output) = (memory_file(step)?, memory_file(step)?);
    input.write_all(state).and_then(|()| input.rewind()).step(step)?;
    // fork(2) and not clone3(2): a startContainer hook is confined by the container's seccomp filter, and docker's filter
    // refuses clone3.
    match process::fork().step(step)? {
        Fork::Child => {
            let Err(error) = become_hook(hook, point, container, &input, &output);
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

fn memory_file(step: impl Fn() -> String + Copy) -> Result<File> {
    rustix::fs::memfd_create(c"hook", rustix::fs::MemfdFlags::CLOEXEC).map(File::from).step(step)
}

/// Called in the child. It starts a process group, so that the hook can be killed together with its children.
fn become_hook(
    hook: &Hook,
    point: Point,
    container: HookState<'_>,
    input: &File,
    output: &File,
) -> Result<Infallible> {
    nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0)).step(|| "start a process group".into())?;
    rustix::stdio::dup2_stdin(input)
        .and_then(|()| rustix::stdio::dup2_stdout(output))
        .and_then(|()| rustix::stdio::dup2_stderr(output))
        .step(|| "set up stdin, stdout and stderr".into())?;
    match point {
        // It stays in the working directory of the container's program.
        Point::StartContainer => {}
        // A createContainer hook usually works on the root file system, whose path inside the namespaces is in no state.
        Point::CreateContainer => {
            let root = container
                .spec
                .root
                .as_ref()
                .map(|root| container.bundle.join(&root.path))
                .unwrap_or_default();
            nix::unistd::chdir(&root).step(|| "enter the container's root".into())?;
        }
        _ => nix::unistd::chdir(container.bundle).step(|| "enter the bundle".into())?,
    }
    let path = CString::new(hook.path.as_os_str().as_bytes())
        .map_err(|_| Error::Invalid(format!("{:?} has a zero byte", hook.path)))?;
    let own = hook.path.to_string_lossy().into_owned();
    let args = if hook.args.is_empty() { vec![own] } else { hook.args.clone() };
    let env = match &hook.env {
        Some(env) => env.clone(),
        // A startContainer hook without an environment gets the program's, as with runc.
        None if point == Point::StartContainer => container.env.to_vec(),
        // The caller's environment must not be seen inside.
        None if point.is_inside() => Vec::new(),
        None => std::env::vars_os()
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
            .collect(),
    };
    let process = Process { args, env, ..Process::default() };
    Executable::prepare(path, &process, 0)?.execute()
}

/// Waits for a hook and returns its exit code. After the timeout its whole process group is killed, and the result is
/// `None`.
fn wait(pid: i32, pidfd: &OwnedFd, timeout: Option<u64>) -> nix::Result<Option<u8>> {
    let in_time = |seconds| hull_sys::wait::until_readable(pidfd, Some(Duration::from_secs(seconds)));
    // If waiting fails, the hook counts as timed out.
    let has_ended = timeout.is_none_or(|seconds| in_time(seconds).unwrap_or(false));
    if !has_ended {
        let _ = nix::sys::signal::killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    process::reap(pidfd.as_fd()).map(|code| has_ended.then_some(code))
}

/// The error of a hook that failed, with the last part of its output.
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
    Error::Hook(format!("error running {} hook #{index}: {} {how}{said}", point.name(), hook.path.display()))
}

/// Checks the bundle's hooks before any of them is run.
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
