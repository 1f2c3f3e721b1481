//! A runtime that is a program of its own, used as conmon and containerd's shim use one.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hull_runtime::cgroups::{self, Layout};
use hull_runtime::spec::Process;
use hull_runtime::{Running, Stdio};
use hull_storage::root::Root;
use hull_sys::{Kind, process};
use nix::libc::SIGKILL;
use rustix::fs::OFlags;

use super::console::ConsoleSocket;
use super::invoke::{self, Drain, End};
use crate::error::{Error, IoContext, Result};
use crate::records::runtime::RuntimeOption;

/// The runtime's own state, in the container's run directory: so it goes with the container, and no two of hull's roots
/// share one.
const STATE: &str = "runtime";
const LOG: &str = "runtime.log";
const CONSOLE: &str = "console.sock";

/// How long making or entering a container may take. A runtime may have to boot a virtual machine.
const CREATE_LIMIT: Duration = Duration::from_secs(60);

/// How long any other request may take.
const LIMIT: Duration = Duration::from_secs(10);

/// How long a program may take to end that the runtime says it has killed.
const DEATH: Duration = Duration::from_secs(2);

/// How much of the log's end is searched for the last error.
const LOG_END: u64 = 64 << 10;

#[derive(Debug, Clone)]
pub(crate) struct External {
    option: RuntimeOption,
    id: String,
    /// The bundle, which is the container's run directory.
    bundle: PathBuf,
    create_limit: Duration,
}

/// A container that waits for [`External::start`], or a process that runs already.
#[derive(Debug)]
pub(crate) struct Made {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub console: Option<OwnedFd>,
}

impl External {
    pub(super) fn new(option: &RuntimeOption, root: &Root, id: &str) -> Self {
        let bundle = root.container_run_dir(id);
        Self { option: option.clone(), id: id.to_owned(), bundle, create_limit: CREATE_LIMIT }
    }

    /// Creates the container of the bundle. Whatever is printed until then comes from the runtime, because the container's
    /// program does not run yet: it goes into the error, if there is one.
    pub(crate) fn create(&self, stdio: Stdio) -> Result<Made> {
        self.remove_state()?;
        // Each monitor has a name of its own: runc first creates a hidden file beside the pid file, and does not start if a
        // killed runc has left one.
        let pid_file =
            self.bundle.join(format!("runtime-{}.pid", rustix::process::getpid().as_raw_nonzero()));
        let args = ["--bundle".as_ref(), self.bundle.as_os_str()];
        self.make("create", &args, (&pid_file, CONSOLE), stdio, true)
    }

    /// Lets a created container run its program.
    pub(crate) fn start(&self) -> Result<()> {
        self.request("start", &[], self.create_limit)
    }

    /// Runs a process in the container. Returns the terminal's master too, if the process has a terminal.
    pub(crate) fn exec(&self, user_process: &Process, stdio: Stdio) -> Result<(Running, Option<OwnedFd>)> {
        // Several may run at a time.
        let name = format!("exec-{}", rustix::process::getpid().as_raw_nonzero());
        let file = |extension: &str| self.bundle.join(format!("{name}.{extension}"));
        let (pid_file, process_file) = (file("pid"), file("json"));
        hull_storage::file::write_json_atomic(&process_file, user_process)?;
        let args = ["--detach".as_ref(), "--process".as_ref(), process_file.as_os_str()];
        let made = self.make("exec", &args, (&pid_file, &format!("{name}.sock")), stdio, false);
        let _ = std::fs::remove_file(&process_file);
        let Made { pid, pidfd, console } = made?;
        Ok((Running { pid, pidfd, cgroup: None }, console))
    }

    fn make(
        &self,
        verb: &'static str,
        args: &[&OsStr],
        (pid_file, console): (&Path, &str),
        stdio: Stdio,
        is_output_the_runtimes: bool,
    ) -> Result<Made> {
        let _ = std::fs::remove_file(pid_file);
        let mut args: Vec<OsString> = args.iter().map(OsString::from).collect();
        args.extend(["--pid-file".into(), pid_file.into()]);
        let socket = match stdio {
            Stdio::Terminal | Stdio::PlainTerminal => {
                Some(ConsoleSocket::listen(&self.bundle.join(console))?)
            }
            Stdio::Fds { .. } | Stdio::Inherit { .. } => None,
        };
        if let Some(socket) = &socket {
            args.extend(["--console-socket".into(), socket.argument().into()]);
            if verb == "exec" {
                args.push("--tty".into());
            }
        }
        self.run(verb, &args, stdio, is_output_the_runtimes, self.create_limit)?;
        let made = self.process_of(verb, pid_file);
        let _ = std::fs::remove_file(pid_file);
        let (pid, pidfd) = made?;
        let console = match socket.map(|socket| socket.receive()).transpose() {
            Ok(console) => console,
            Err(error) => {
                // Nobody else could end it.
                let _ = process::kill_and_reap(pidfd.as_fd());
                return Err(error);
            }
        };
        Ok(Made { pid, pidfd, console })
    }

    /// The process that the runtime has written into `file`. The runtime has ended, so its child is this process's.
    fn process_of(&self, verb: &'static str, file: &Path) -> Result<(i32, OwnedFd)> {
        let mut text = String::new();
        let read = std::fs::File::open(file).and_then(|file| file.take(64).read_to_string(&mut text));
        let pid = read.ok().and_then(|_| text.trim().parse::<i32>().ok()).filter(|pid| *pid > 0);
        let pid = pid.ok_or_else(|| self.failed(verb, "it has left no pid file".into()))?;
        if !process::is_child(pid) {
            return Err(self.failed(verb, format!("process {pid} of its pid file is not its child")));
        }
        let pidfd = process::pidfd_open(pid).context(|| format!("watch process {pid}"))?;
        Ok((pid, pidfd))
    }

    /// A runtime that has its program in a virtual machine or a sandbox delivers signals itself.
    pub(super) fn signal(&self, init: &OwnedFd, signal: i32) -> Result<()> {
        let sent = self.request("kill", &[signal.to_string().as_ref()], LIMIT);
        let ends_within = |limit| hull_sys::wait::until_readable(init, Some(limit)).unwrap_or(false);
        match sent {
            Err(_) if ends_within(Duration::ZERO) => Ok(()),
            // What the kernel can do needs no runtime, whatever that says.
            Err(_) if signal == SIGKILL => super::send(init, signal),
            Ok(()) if signal == SIGKILL && !ends_within(DEATH) => super::send(init, signal),
            sent => sent,
        }
    }

    pub(super) fn pause(&self) -> Result<()> {
        self.request("pause", &[], LIMIT)
    }

    pub(super) fn resume(&self) -> Result<()> {
        self.request("resume", &[], LIMIT)
    }

    /// Removes the container and whatever the runtime has of it; kills it if it still runs. There may be nothing.
    pub(crate) fn delete(&self) -> Result<()> {
        let deleted = match self.bundle.join(STATE).exists() {
            true => self.delete_by_force(),
            false => Ok(()),
        };
        // What the runtime could not delete, it cannot find a second time either: its state is removed all the same, and
        // the container's processes are those of its cgroup.
        deleted.and(self.remove_state())
    }

    fn delete_by_force(&self) -> Result<()> {
        let null = Stdio::Fds { stdin: None, stdout: None, stderr: None };
        self.run("delete", &["--force".into()], null, true, LIMIT)
    }

    fn remove_state(&self) -> Result<()> {
        let state = self.bundle.join(STATE);
        if state.exists() {
            hull_storage::tree::remove_tree(&state)?;
        }
        let _ = std::fs::remove_file(self.bundle.join(LOG));
        Ok(())
    }

    /// `VERB ID ARGS…`, without stdin and output.
    fn request(&self, verb: &'static str, after_id: &[&OsStr], limit: Duration) -> Result<()> {
        let null = Stdio::Fds { stdin: None, stdout: None, stderr: None };
        let words: Vec<OsString> = after_id.iter().map(OsString::from).collect();
        self.run_words(verb, &[], &words, null, (true, limit))
    }

    /// `VERB ARGS… ID`.
    fn run(
        &self,
        verb: &'static str,
        args: &[OsString],
        stdio: Stdio,
        is_output_the_runtimes: bool,
        limit: Duration,
    ) -> Result<()> {
        self.run_words(verb, args, &[], stdio, (is_output_the_runtimes, limit))
    }

    fn run_words(
        &self,
        verb: &'static str,
        before_id: &[OsString],
        after_id: &[OsString],
        stdio: Stdio,
        (is_output_the_runtimes, limit): (bool, Duration),
    ) -> Result<()> {
        let log = self.bundle.join(LOG);
        let _ = std::fs::remove_file(&log);
        let mut command = Command::new(&self.option.path);
        command.args(&self.option.args).arg("--root").arg(self.bundle.join(STATE));
        command.arg("--log").arg(&log).args(["--log-format", "json", verb]);
        command.args(before_id).arg(&self.id).args(after_id).current_dir(&self.bundle);
        let [stdin, stdout, stderr] = streams(stdio)?;
        let mut errors = Drain::of(&stderr)?;
        let mut others = Drain::of(&stdout)?;
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        let hidden = self.hidden();
        // A process that `exec` has started prints into the same pipe, and that belongs to its user.
        let end = match is_output_the_runtimes {
            true => invoke::run(command, &hidden, &mut [&mut errors, &mut others], limit)?,
            false => invoke::run(command, &hidden, &mut [], limit)?,
        };
        match end {
            End::Exited(0) => Ok(()),
            End::Exited(code) => Err(self.failed(verb, self.reason(&log, &errors.text(), code))),
            End::TimedOut => Err(Error::OciRuntime {
                name: self.option.name.clone(),
                verb,
                why: format!("it has not ended within {} seconds", limit.as_secs()),
                kind: Kind::Unavailable,
            }),
        }
    }

    /// crun refuses a machine with the controllers on v1 and one of them, even an unused one, on v2 ("cgroups in hybrid
    /// mode not supported"). Without the mount of v2 it uses the v1 hierarchies.
    fn hidden(&self) -> Vec<PathBuf> {
        let program = self.option.path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        match cgroups::detect() {
            Ok(Layout::V1 { hierarchies, hybrid: true }) if program.starts_with("crun") => {
                hierarchies.into_iter().filter(|one| one.v2).map(|one| one.mount).collect()
            }
            _ => vec![],
        }
    }

    /// The last error of the log, or else an error or the last line on stderr.
    fn reason(&self, log: &Path, printed: &str, code: u8) -> String {
        let logged = end_of(log).unwrap_or_default();
        let message = |line: &str| {
            let entry: serde_json::Value = serde_json::from_str(line).ok()?;
            let is_error =
                matches!(entry["level"].as_str()?.to_ascii_lowercase().as_str(), "error" | "fatal");
            // youki's entries are those of Rust's tracing.
            let text = entry["msg"].as_str().or_else(|| entry["message"].as_str());
            // A backtrace may follow.
            text.filter(|_| is_error).and_then(|text| text.lines().next()).map(str::to_owned)
        };
        let lines = || printed.lines().map(str::trim).filter(|line| !line.is_empty());
        // A backtrace may follow it.
        let error = || lines().find_map(|line| line.strip_prefix("Error: ")).or_else(|| lines().next_back());
        let why = logged.lines().rev().find_map(message).or_else(|| error().map(str::to_owned));
        let why = why.unwrap_or_else(|| format!("it has exited with code {code}"));
        why.chars().take(1024).collect()
    }

    fn failed(&self, verb: &'static str, why: String) -> Error {
        let name = self.option.name.clone();
        // runc says this about itself.
        let own = format!("runc {verb} failed: ");
        let why = why.trim().strip_prefix(&own).map_or(why.trim().to_owned(), str::to_owned);
        Error::OciRuntime { name, verb, kind: kind_of(&why), why }
    }
}

/// Whether the user's program is the reason. A runtime reports this in words only; these are those of runc, crun, youki
/// and runsc, which docker and podman look for too.
fn kind_of(why: &str) -> Kind {
    let why = why.to_ascii_lowercase();
    let says = |texts: &[&str]| why.contains("exec") && texts.iter().any(|text| why.contains(text));
    if says(&["not found in $path", "not found in path", "no such file or directory"]) {
        Kind::ProgramNotFound
    } else if says(&["permission denied", "is a directory", "correct permissions"]) {
        Kind::ProgramNotExecutable
    } else {
        Kind::Kernel
    }
}

/// stdin, stdout and stderr for a runtime: what is missing, and all with a terminal, is nothing or a pipe of its own.
fn streams(stdio: Stdio) -> Result<[OwnedFd; 3]> {
    let null = || {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty()).context(|| "open /dev/null".into())
    };
    let pipe = || {
        let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        pipe.map(|(_, write)| write).context(|| "create a pipe".into())
    };
    let (stdin, stdout, stderr) = match stdio {
        Stdio::Fds { stdin, stdout, stderr } => (stdin, stdout, stderr),
        Stdio::Inherit { .. } | Stdio::Terminal | Stdio::PlainTerminal => (None, None, None),
    };
    Ok([stdin.map_or_else(null, Ok)?, stdout.map_or_else(null, Ok)?, stderr.map_or_else(pipe, Ok)?])
}

/// The last part of a file.
fn end_of(path: &Path) -> std::io::Result<String> {
    let mut file = hull_storage::file::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_END)))?;
    let mut bytes = Vec::new();
    file.take(LOG_END).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
