//! Identifies a process for good: a pid with its start time and the boot that it belongs to.

use std::io;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::boot::boot_id;
use crate::error::{Error, IoContext, Result};

/// The unit of the times in `/proc`: 100 on every architecture that hull knows (time(7)).
const USER_HZ: u64 = 100;

/// Identifies one process. A pid alone is reused, and means nothing after a reboot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: i32,
    /// In clock ticks since boot: field 22 of `/proc/PID/stat`, proc_pid_stat(5), without the offset of a time namespace.
    pub start_time: u64,
    pub boot_id: String,
}

impl ProcessId {
    /// The calling process.
    pub fn of_self() -> Result<Self> {
        Self::of(std::process::id() as i32)
    }

    /// The process that has this pid now. Fails if there is none.
    pub fn of(pid: i32) -> Result<Self> {
        let stat = read_stat(pid)?.ok_or_else(|| Error::Io {
            action: format!("look at process {pid}"),
            source: io::Error::from_raw_os_error(libc::ESRCH),
        })?;
        Ok(Self { pid, start_time: stat.start_time, boot_id: boot_id()?.to_owned() })
    }

    /// Whether the process is running. A zombie is not: it has nothing left but its exit status.
    pub fn is_alive(&self) -> bool {
        self.stat().is_some_and(|stat| !stat.ended())
    }

    /// Whether a signal or a debugger has stopped the process: it answers nobody until it is continued.
    pub fn is_stopped(&self) -> bool {
        self.stat().is_some_and(|stat| matches!(stat.state, 'T' | 't'))
    }

    /// When the process was started.
    pub fn started(&self) -> SystemTime {
        let since_boot = Duration::from_millis(self.start_time.saturating_mul(1000) / USER_HZ);
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let now = Duration::try_from(now).unwrap_or_default();
        let offset = Duration::from_millis(clock_offset().unsigned_abs().saturating_mul(1000) / USER_HZ);
        // The clock has the offset of this process's time namespace, and the recorded time has none.
        let now = if clock_offset() < 0 { now + offset } else { now.saturating_sub(offset) };
        SystemTime::now() - now.saturating_sub(since_boot)
    }

    /// The processes whose parent this one is.
    pub fn children(&self) -> Vec<Self> {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let child = |pid| {
            let stat = read_stat(pid).ok()??;
            let is_ours = stat.parent == self.pid && !stat.ended();
            is_ours.then(|| Self { pid, start_time: stat.start_time, boot_id: self.boot_id.clone() })
        };
        pids.filter_map(child).collect()
    }

    /// `None` if the pid is free or belongs to another process now.
    fn stat(&self) -> Option<Stat> {
        let same_boot = boot_id().is_ok_and(|id| id == self.boot_id);
        let stat = if same_boot { read_stat(self.pid).ok()?? } else { return None };
        (stat.start_time == self.start_time).then_some(stat)
    }
}

struct Stat {
    state: char,
    parent: i32,
    start_time: u64,
}

impl Stat {
    fn ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

fn read_stat(pid: i32) -> Result<Option<Stat>> {
    let path = format!("/proc/{pid}/stat");
    let text = match hull_sys::fs::read_kernel_text(&path) {
        Ok(text) => text,
        // ESRCH: the process ended between open(2) and read(2).
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => return Ok(None),
        Err(error) => return Err(error).context(|| format!("read {path}")),
    };
    let stat = parse_stat(&text).ok_or_else(|| Error::Io {
        action: format!("understand {path}"),
        source: io::Error::from_raw_os_error(libc::EINVAL),
    })?;
    Ok(Some(Stat { start_time: stat.start_time.wrapping_sub_signed(clock_offset()), ..stat }))
}

/// The second field is the command in parentheses. It may contain spaces and parentheses itself, so the fields are
/// counted from the last closing parenthesis.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    // The state is field 3, the parent field 4, the start time field 22.
    let start_time: u64 = fields.nth(17)?.parse().ok()?;
    Some(Stat { state, parent, start_time })
}

/// How many ticks the time namespace of this process is ahead of the machine's clocks. The kernel adds them to the start
/// time of every process that it shows (time_namespaces(7)). Without subtracting them, a command in such a namespace would
/// take all monitors for dead.
fn clock_offset() -> i64 {
    static OFFSET: OnceLock<i64> = OnceLock::new();
    /// The inode of the machine's own time namespace, which has no offset: `PROC_TIME_INIT_INO` of the kernel.
    const OWN: u64 = 0xEFFF_FFFA;
    *OFFSET.get_or_init(|| match rustix::fs::stat("/proc/self/ns/time") {
        Ok(namespace) if namespace.st_ino != OWN => {
            let offsets = hull_sys::fs::read_kernel_text("/proc/self/timens_offsets").unwrap_or_default();
            parse_offset(&offsets).unwrap_or_default()
        }
        // A kernel without time namespaces has no such link.
        _ => 0,
    })
}

/// The line of the clock `boottime`: its name, seconds and nanoseconds.
fn parse_offset(text: &str) -> Option<i64> {
    let ticks = USER_HZ as i64;
    let line = text.lines().find_map(|line| line.strip_prefix("boottime"))?;
    let mut numbers = line.split_whitespace().map(str::parse::<i64>);
    let (seconds, nanoseconds) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(seconds.checked_mul(ticks)? + nanoseconds / (1_000_000_000 / ticks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn this_process_is_alive_and_a_reaped_child_is_not() {
        assert!(ProcessId::of_self().unwrap().is_alive());
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId::of(child.id() as i32).unwrap();
        assert!(id.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!id.is_alive());
    }

    #[test]
    fn a_stopped_process_is_told_from_one_that_waits_and_children_are_found() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId::of(child.id() as i32).unwrap();
        assert!(!id.is_stopped());
        assert!(ProcessId::of_self().unwrap().children().contains(&id));
        assert!(id.started().elapsed().unwrap_or_default() < Duration::from_secs(30));
        let pid = rustix::process::Pid::from_raw(id.pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        while !id.is_stopped() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId::of(child.id() as i32).unwrap();
        child.kill().unwrap();
        while id.is_alive() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }

    #[test]
    fn the_same_pid_of_another_start_or_another_boot_is_another_process() {
        let id = ProcessId::of_self().unwrap();
        assert!(!ProcessId { start_time: id.start_time + 1, ..id.clone() }.is_alive());
        assert!(!ProcessId { boot_id: "another".into(), ..id }.is_alive());
    }

    #[test]
    fn the_offset_of_a_time_namespace_is_read_in_ticks() {
        assert_eq!(
            parse_offset("monotonic           5         0\nboottime      1000000         0\n"),
            Some(100_000_000)
        );
        assert_eq!(parse_offset("monotonic 0 0\nboottime -2 500000000\n"), Some(-150));
        assert_eq!(parse_offset(""), None);
    }

    #[test]
    fn a_command_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 424242 20";
        let stat = parse_stat(&format!("7 (a) Z 1 ((b) c) {tail}")).unwrap();
        assert_eq!((stat.start_time, stat.parent, stat.ended()), (424242, 1, false));
    }
}
