//! How the kernel schedules the program (CPU, disk, memory nodes), and its execution domain (personality(2)).

use hull_sys::Kind;
use hull_sys::sched::{self, Attributes};
use nix::errno::Errno;
use nix::sched::CpuSet;

use crate::error::{Error, Result, Step};
use crate::spec::{CpuAffinity, IoPriority, Linux, MemoryPolicy, Personality, Process, Scheduler, Spec};

/// Sets the memory policy, the personality and the I/O priority of this process.
pub(crate) fn set(process: &Process, linux: &Linux) -> Result<()> {
    if let Some(policy) = &linux.memory_policy {
        let (mode, nodes) = memory_policy(policy)?;
        sched::set_memory_policy(mode, &nodes)
            .step(|| format!("set the memory policy {} {}", policy.mode, policy.nodes))?;
    }
    if let Some(asked) = &linux.personality {
        sched::set_personality(personality(asked)?)
            .step(|| format!("set the personality {}", asked.domain))?;
    }
    if let Some(asked) = &process.io_priority {
        let (class, level) = io_priority(asked)?;
        sched::set_io_priority(class, level)
            .step(|| format!("set the I/O priority {} {level}", asked.class))?;
    }
    Ok(())
}

/// False if a child does not inherit the scheduling policy: fork(2) fails under `SCHED_DEADLINE`, and reset-on-fork drops the
/// policy (sched(7)). The parent then sets the policy on the process that becomes the program.
pub(crate) fn is_policy_inherited(process: &Process) -> bool {
    let is_lost = |asked: &Scheduler| {
        asked.policy == "SCHED_DEADLINE" || asked.flags.iter().any(|flag| flag == "SCHED_FLAG_RESET_ON_FORK")
    };
    !process.scheduler.as_ref().is_some_and(is_lost)
}

/// Sets the scheduling policy of this process or of a child.
pub(crate) fn set_policy(process: &Process, spec: &Spec, child: Option<i32>) -> Result<()> {
    let Some(asked) = &process.scheduler else { return Ok(()) };
    let resources = spec.linux.as_ref().and_then(|linux| linux.resources.as_ref());
    let cpus = resources.and_then(|resources| resources.cpu.as_ref()?.cpus.as_deref()).unwrap_or_default();
    match sched::set_attributes(child.unwrap_or(0), scheduler(asked)?) {
        // The kernel accepts SCHED_DEADLINE only for a process that may run on all CPUs (sched_setattr(2)). The sentence
        // begins like runc's, because programs look for it.
        Err(Errno::EPERM) if !cpus.is_empty() => Err(Error::failed(
            Kind::NotPermitted,
            format!(
                "process scheduler can't be used together with AllowedCPUs: cannot set {} on the CPUs {cpus}: {}",
                asked.policy,
                Errno::EPERM.desc()
            ),
        )),
        set => set.step(|| format!("set the scheduling policy {}", asked.policy)),
    }
}

/// Checks that the kernel knows every name in the spec.
pub(crate) fn check(process: &Process, linux: Option<&Linux>) -> Result<()> {
    process.scheduler.as_ref().map(scheduler).transpose()?;
    process.io_priority.as_ref().map(io_priority).transpose()?;
    for list in process.exec_cpu_affinity.iter().flat_map(|affinity| [&affinity.initial, &affinity.last]) {
        list.as_deref().map(cpus).transpose()?;
    }
    linux.and_then(|linux| linux.personality.as_ref()).map(personality).transpose()?;
    linux.and_then(|linux| linux.memory_policy.as_ref()).map(memory_policy).transpose()?;
    Ok(())
}

/// The numbers are those of linux/sched.h.
fn scheduler(asked: &Scheduler) -> Result<Attributes> {
    let policy = match asked.policy.as_str() {
        "SCHED_OTHER" => 0,
        "SCHED_FIFO" => 1,
        "SCHED_RR" => 2,
        "SCHED_BATCH" => 3,
        "SCHED_ISO" => 4,
        "SCHED_IDLE" => 5,
        "SCHED_DEADLINE" => 6,
        other => return Err(unknown("process.scheduler.policy", other)),
    };
    let flags = asked.flags.iter().try_fold(0, |flags, name| match name.as_str() {
        "SCHED_FLAG_RESET_ON_FORK" => Ok(flags | 0x01),
        "SCHED_FLAG_RECLAIM" => Ok(flags | 0x02),
        "SCHED_FLAG_DL_OVERRUN" => Ok(flags | 0x04),
        "SCHED_FLAG_KEEP_POLICY" => Ok(flags | 0x08),
        "SCHED_FLAG_KEEP_PARAMS" => Ok(flags | 0x10),
        "SCHED_FLAG_UTIL_CLAMP_MIN" => Ok(flags | 0x20),
        "SCHED_FLAG_UTIL_CLAMP_MAX" => Ok(flags | 0x40),
        other => Err(unknown("process.scheduler.flags", other)),
    })?;
    let priority = u32::try_from(asked.priority)
        .map_err(|_| Error::Invalid(format!("process.scheduler.priority {}", asked.priority)))?;
    let Scheduler { nice, runtime, deadline, period, .. } = *asked;
    Ok(Attributes { policy, flags, nice, priority, runtime, deadline, period, ..Attributes::default() })
}

/// The class and the level, 0 to 7 (linux/ioprio.h).
fn io_priority(asked: &IoPriority) -> Result<(u32, u32)> {
    let class = match asked.class.as_str() {
        "IOPRIO_CLASS_RT" => 1,
        "IOPRIO_CLASS_BE" => 2,
        "IOPRIO_CLASS_IDLE" => 3,
        other => return Err(unknown("process.ioPriority.class", other)),
    };
    match asked.priority {
        level @ 0..=7 => Ok((class, level)),
        level => Err(Error::Invalid(format!("process.ioPriority.priority {level}: expected 0 to 7"))),
    }
}

/// The numbers are those of linux/personality.h.
fn personality(asked: &Personality) -> Result<u64> {
    if let Some(flag) = asked.flags.first() {
        return Err(Error::Invalid(format!("linux.personality.flags: {flag:?}: none is defined")));
    }
    match asked.domain.as_str() {
        "LINUX" => Ok(0),
        "LINUX32" => Ok(8),
        other => Err(unknown("linux.personality.domain", other)),
    }
}

/// The mode with its flags (linux/mempolicy.h), and the nodes.
fn memory_policy(asked: &MemoryPolicy) -> Result<(i32, Vec<u32>)> {
    let mode = match asked.mode.as_str() {
        "MPOL_DEFAULT" => 0,
        "MPOL_PREFERRED" => 1,
        "MPOL_BIND" => 2,
        "MPOL_INTERLEAVE" => 3,
        "MPOL_LOCAL" => 4,
        "MPOL_PREFERRED_MANY" => 5,
        "MPOL_WEIGHTED_INTERLEAVE" => 6,
        other => return Err(unknown("linux.memoryPolicy.mode", other)),
    };
    let flags = asked.flags.iter().try_fold(0, |flags, name| match name.as_str() {
        "MPOL_F_NUMA_BALANCING" => Ok(flags | 1 << 13),
        "MPOL_F_RELATIVE_NODES" => Ok(flags | 1 << 14),
        "MPOL_F_STATIC_NODES" => Ok(flags | 1 << 15),
        other => Err(unknown("linux.memoryPolicy.flags", other)),
    })?;
    // No kernel has more nodes (CONFIG_NODES_SHIFT is at most 10).
    Ok((
        mode | flags,
        parse_list(&asked.nodes, 1024).ok_or_else(|| unknown("linux.memoryPolicy.nodes", &asked.nodes))?,
    ))
}

/// Parses a list of CPUs, such as `0-3,7`.
fn cpus(text: &str) -> Result<CpuSet> {
    let invalid = || unknown("process.execCPUAffinity", text);
    let mut set = CpuSet::new();
    let numbers =
        parse_list(text, CpuSet::count() as u32).filter(|numbers| !numbers.is_empty()).ok_or_else(invalid)?;
    numbers.into_iter().try_for_each(|number| set.set(number as usize).map_err(|_| invalid()))?;
    Ok(set)
}

/// Restricts this process to a list of CPUs, if there is one.
pub(crate) fn set_affinity(text: Option<&str>) -> Result<()> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(()) };
    set_cpus(&cpus(text)?).step(|| format!("run on the CPUs {text}"))
}

/// Lets this process run on all CPUs of the cgroup that it has entered. Since Linux 6.2 a process that enters a cgroup keeps
/// the affinity that was set for it before, here the caller's. All CPUs are requested, and the kernel keeps those that
/// exist and that the cgroup has. If it refuses, the program runs on the caller's CPUs.
pub(crate) fn set_affinity_to_cgroup() {
    let mut all = CpuSet::new();
    if (0..CpuSet::count()).try_for_each(|cpu| all.set(cpu)).is_ok() {
        let _ = set_cpus(&all);
    }
}

/// Sets the affinity of a process of `exec` after it has entered the container's cgroup.
pub(crate) fn set_final_affinity(asked: Option<&CpuAffinity>) -> Result<()> {
    let is_empty = |list: &Option<String>| list.as_deref().is_none_or(str::is_empty);
    match asked {
        Some(asked) if !is_empty(&asked.initial) || !is_empty(&asked.last) => {
            set_affinity(asked.last.as_deref())
        }
        _ => {
            set_affinity_to_cgroup();
            Ok(())
        }
    }
}

fn set_cpus(cpus: &CpuSet) -> nix::Result<()> {
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), cpus)
}

/// Parses a list of numbers and ranges below `most`.
fn parse_list(text: &str, most: u32) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<u32>().ok()?, last.trim().parse::<u32>().ok()?);
        if first > last || last >= most {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

fn unknown(field: &str, value: &str) -> Error {
    Error::Invalid(format!("{field}: unknown {value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_parsed_as_the_kernel_writes_them() {
        assert_eq!(parse_list("0-2,7", 8), Some(vec![0, 1, 2, 7]));
        assert_eq!(parse_list("", 8), Some(vec![]));
        for wrong in ["8", "2-1", "x", "0-99999999999", "-1"] {
            assert_eq!(parse_list(wrong, 8), None, "{wrong}");
        }
        assert!(cpus("").is_err() && cpus("0").is_ok());
    }

    #[test]
    fn unknown_names_are_refused() {
        let io = |class: &str, priority| io_priority(&IoPriority { class: class.into(), priority });
        assert_eq!(io("IOPRIO_CLASS_BE", 4).unwrap(), (2, 4));
        assert!(io("IOPRIO_CLASS_BE", 8).is_err() && io("BE", 1).is_err());
        let policy = |name: &str| scheduler(&Scheduler { policy: name.into(), ..Scheduler::default() });
        assert!(policy("SCHED_BATCH").is_ok() && policy("SCHED_X").is_err());
    }
}
