//! Two ways to see the system calls of a command. strace stops the process at each call, which takes ten times as long.
//! ftrace records each call without stopping the process, but it needs root and a kernel with this feature.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::succeed;
use crate::transcripts::lab::Shell;

/// A system call of a process.
#[derive(Debug, Clone)]
pub struct Call {
    pub pid: u32,
    /// In microseconds since an arbitrary moment.
    pub at: u64,
    pub name: String,
}

/// The calls of each process, in the order in which the processes appear, from the first `execve` on, which is that of the command.
pub fn processes(calls: &[Call]) -> Vec<Vec<Call>> {
    let first = calls.iter().position(|call| call.name == "execve").unwrap_or(calls.len());
    // The calls before are those of the shell.
    let before: Vec<u32> = calls[..first].iter().map(|call| call.pid).collect();
    let own = calls.get(first).map(|call| call.pid);
    let mut processes: Vec<Vec<Call>> = Vec::new();
    for call in &calls[first..] {
        if Some(call.pid) != own && before.contains(&call.pid) {
            continue;
        }
        match processes.iter_mut().find(|calls| calls[0].pid == call.pid) {
            Some(calls) => calls.push(call.clone()),
            None => processes.push(vec![call.clone()]),
        }
    }
    processes
}

/// The calls that strace sees. Their times mean nothing.
pub fn order(shell: &mut Shell, command: &str) -> Result<Vec<Call>> {
    let traced =
        format!("strace -f -qq -e signal=none -o trace {command} > printed 2>&1 || cat printed; cat trace");
    let printed = succeed(shell, &traced)?;
    let call = |line: &String| {
        let (pid, rest) = line.split_once(' ')?;
        let (name, _) = rest.trim_start().split_once('(')?;
        // This is the second part of an interrupted call. The first part has been counted.
        let begins = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        begins.then_some(Call { pid: pid.parse().ok()?, at: 0, name: name.to_owned() })
    };
    Ok(printed.iter().filter_map(call).collect())
}

/// The calls that ftrace sees, in so many runs.
pub fn times(shell: &mut Shell, command: &str, count: usize) -> Result<Vec<Vec<Call>>> {
    let ftrace = Ftrace::start(shell.pid()?)?;
    let one = |_| {
        ftrace.clear()?;
        succeed(shell, command)?;
        ftrace.calls()
    };
    (0..count).map(one).collect()
}

/// A buffer of our own in the kernel's tracing. It does not disturb other users of tracing, and dropping it removes it.
struct Ftrace(PathBuf);

const TRACING: &str = "/sys/kernel/tracing";

impl Ftrace {
    /// Traces this process and the processes that it will make.
    fn start(pid: u32) -> Result<Self> {
        let instances = Path::new(TRACING).join("instances");
        ensure!(instances.is_dir(), "{TRACING} is not there: mount -t tracefs tracefs {TRACING}");
        let ftrace = Self(instances.join(format!("hull-book-{}", std::process::id())));
        fs::create_dir(&ftrace.0).with_context(|| format!("making {}", ftrace.0.display()))?;
        ftrace.set("trace_clock", "mono")?;
        ftrace.set("options/event-fork", "1")?;
        ftrace.set("set_event_pid", &pid.to_string())?;
        let events = ftrace.0.join("events/syscalls");
        let entries = fs::read_dir(&events).context("this kernel is built without the tracing of calls")?;
        for entry in entries {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("sys_enter_") {
                ftrace.set(&format!("events/syscalls/{name}/enable"), "1")?;
            }
        }
        Ok(ftrace)
    }

    fn set(&self, file: &str, value: &str) -> Result<()> {
        let path = self.0.join(file);
        fs::write(&path, value).with_context(|| format!("writing {value} to {}", path.display()))
    }

    fn clear(&self) -> Result<()> {
        self.set("trace", "")
    }

    fn calls(&self) -> Result<Vec<Call>> {
        let text = fs::read_to_string(self.0.join("trace")).context("reading the trace")?;
        Ok(text.lines().filter_map(parse).collect())
    }
}

impl Drop for Ftrace {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// `hull-4711 [001] .....  1234.567890: sys_setsid(…)`, where the name of the process may contain any character.
fn parse(line: &str) -> Option<Call> {
    let (head, rest) = line.split_once(" [")?;
    let pid = head.trim().rsplit_once('-')?.1.parse().ok()?;
    let (before, call) = rest.split_once(": sys_")?;
    let (seconds, micros) = before.rsplit(' ').next()?.split_once('.')?;
    let at = seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?;
    Some(Call { pid, at, name: call.split_once('(')?.0.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_a_call() {
        let line = "            a-b c-4711    [001] .....  1234.567890: sys_setsid()";
        let call = parse(line).unwrap();
        assert_eq!((call.pid, call.at, call.name.as_str()), (4711, 1_234_567_890, "setsid"));
        assert!(parse("# tracer: nop").is_none());
    }

    #[test]
    fn processes_begin_with_the_command() {
        let call = |(pid, name): &(u32, &str)| Call { pid: *pid, at: 0, name: (*name).to_owned() };
        let calls: Vec<_> =
            [(1, "clone"), (2, "close"), (2, "execve"), (1, "wait4"), (2, "clone"), (3, "setsid")]
                .iter()
                .map(call)
                .collect();
        let names =
            |calls: &Vec<Call>| calls.iter().map(|call| call.name.clone()).collect::<Vec<_>>().join(" ");
        let found: Vec<_> = processes(&calls).iter().map(names).collect();
        assert_eq!(found, ["execve clone", "setsid"]);
    }
}
