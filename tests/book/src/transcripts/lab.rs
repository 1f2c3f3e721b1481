//! The shell in which transcripts are typed: in namespaces of its own, on a machine called `laptop` with a user called `you`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hull_test_support::cgroups;
use tempfile::TempDir;

use super::Prompt;

/// How long one command may take.
const DEADLINE: Duration = Duration::from_secs(90);

const ID: u32 = 1000;

/// Prepares the namespaces of a shell, and then executes the shell.
const SETUP: &str = r#"
mount -t proc proc /proc
hostname laptop
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /home
mkdir /home/bin /home/book /home/you /home/run /home/root /home/cgroup
# sysfs shows the network namespace of the process that mounts it; the cgroups in it stay.
mount --rbind /sys/fs/cgroup /home/cgroup
mount -t sysfs sysfs /sys
mount --rbind /home/cgroup /sys/fs/cgroup
umount --recursive --lazy /home/cgroup
rmdir /home/cgroup
mount --bind "$BINARIES" /home/bin
mount --bind "$SCRIPTS" /home/book
chown $ID:$ID /home/you /home/run
for file in passwd group subuid subgid; do
    if test -e /etc/$file; then mount --bind "$FILES/$file" /etc/$file; fi
done
# Every process that still runs at the end of a chapter is killed, those that would have cleaned up included.
mkdir -m 1777 "$FILES/tmp"
mount --bind "$FILES/tmp" /tmp
cd $HOME
exec "$@"
"#;

/// Marks the end of the output of a command.
const MARK: &str = "--- end of what this command printed ---";

/// A shell that keeps its state from command to command. Dropping it ends it and every process that was started in it.
#[derive(Debug)]
pub struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    cgroup: String,
    _files: TempDir,
}

/// A program of the workspace, built for the tests.
pub fn binary(name: &str) -> Result<PathBuf> {
    let path = binaries()?.join(name);
    if !path.exists() {
        bail!("{} is not there: cargo build --workspace --bins", path.display());
    }
    Ok(path)
}

/// `target/<triple>/debug`: this program is there, or in `deps` below it.
pub fn binaries() -> Result<PathBuf> {
    let own = std::env::current_exe().context("finding the target directory")?;
    let directory = own.ancestors().skip(1).find(|directory| !directory.ends_with("deps"));
    Ok(directory.context("this program is in no target directory")?.to_owned())
}

impl Shell {
    pub fn start(prompt: Prompt) -> Result<Self> {
        Self::with_programs(prompt, &binaries()?)
    }

    /// Starts a shell that finds hull and the steps in that directory.
    pub fn with_programs(prompt: Prompt, programs: &Path) -> Result<Self> {
        let files = tempfile::tempdir().context("making a directory")?;
        write_users(files.path())?;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let cgroup = format!("/hull-book-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (home, runtime) = match prompt {
            Prompt::Ordinary => ("/home/you", "/home/run"),
            Prompt::Root => ("/home/root", "/run"),
        };
        let id = ID.to_string();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]);
        command.args(["sh", "-euc", SETUP, "lab"]);
        if prompt == Prompt::Ordinary {
            command.args([
                "setpriv",
                "--reuid",
                &id,
                "--regid",
                &id,
                "--clear-groups",
                "--inh-caps=-all",
                "--",
            ]);
        }
        command.arg("sh").env_clear();
        command
            .env("PATH", "/home/bin:/home/book:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
            .env("ID", &id)
            .env("FILES", files.path())
            .env("BINARIES", programs)
            .env("SCRIPTS", crate::book().join("bin"));
        command.env("HOME", home).env("XDG_RUNTIME_DIR", runtime).env("LC_ALL", "C").env("COLUMNS", "100");
        if prompt == Prompt::Root {
            command.env("HULL_ROOT", "/home/root/hull").env("HULL_RUNROOT", "/home/root/run");
            command.env("HULL_CGROUP_PARENT", &cgroup);
        }
        // stderr goes to the same pipe as stdout, so that the order of the lines is kept.
        let (reader, writer) = std::io::pipe()?;
        let mut child = command
            .stdin(Stdio::piped())
            .stderr(writer.try_clone()?)
            .stdout(writer)
            .spawn()
            .context("starting unshare")?;
        let stdin = child.stdin.take().context("stdin is piped")?;
        Ok(Self { child, stdin, lines: lines(reader), cgroup, _files: files })
    }

    /// The process of the shell: the only child of unshare.
    pub fn pid(&self) -> Result<u32> {
        let own = self.child.id();
        let children =
            fs::read_to_string(format!("/proc/{own}/task/{own}/children")).context("its children")?;
        children.trim().parse().context("unshare has one child")
    }

    /// The cgroup below which containers are started. It is removed with the shell, in every hierarchy.
    pub fn cgroup(&self) -> &str {
        &self.cgroup
    }

    /// Types a command, and returns the lines that it prints.
    pub fn enter(&mut self, command: &str) -> Result<Vec<String>> {
        // Braces and not a subshell, so that variables stay. The command's stdin must not be the script that we write here.
        write!(self.stdin, "{{ {command}\n}} </dev/null\nprintf '\\n%s\\n' '{MARK}'\n")?;
        self.stdin.flush()?;
        let deadline = Instant::now() + DEADLINE;
        let mut printed = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line == MARK => break,
                Ok(line) => printed.push(line),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("`{command}` goes on after {DEADLINE:?}: {printed:?}")
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the shell ended in `{command}`: {printed:?}"),
            }
        }
        // The newline before the mark ends an unfinished line, or makes an empty line, which is dropped.
        if printed.last().is_some_and(String::is_empty) {
            printed.pop();
        }
        Ok(printed.iter().map(|line| line.trim_end().to_owned()).collect())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // When unshare ends, the first process of the PID namespace is killed, and with it all others.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // It takes the kernel a moment to end them all.
        for _ in 0..100 {
            let (below, own) = (cgroups::below(&self.cgroup), cgroups::directories_of(&self.cgroup));
            if below.iter().chain(&own).filter(|cgroup| fs::remove_dir(cgroup).is_err()).count() == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn lines(pipe: std::io::PipeReader) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(std::io::Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Writes files with the machine's users and the user `you`.
fn write_users(directory: &Path) -> Result<()> {
    let lines = [
        ("passwd", format!("you:x:{ID}:{ID}::/home/you:/bin/sh")),
        ("group", format!("you:x:{ID}:")),
        ("subuid", "you:100000:65536".to_owned()),
        ("subgid", "you:100000:65536".to_owned()),
    ];
    let id = format!(":{ID}:");
    for (name, line) in lines {
        let present = fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
        let others: String =
            present.lines().filter(|line| !line.contains(&id)).map(|line| format!("{line}\n")).collect();
        fs::write(directory.join(name), others + &line + "\n")?;
    }
    // The directory was made for its owner only, but the user `you` has to read the files.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(directory, open).context("opening a directory")
}
