//! A policy as a BPF program: a binary search over the system call's number instead of a list, so that the last of
//! four hundred names costs nine comparisons and the program is a third as long.

use std::collections::BTreeMap;

use hull_sys::security::Instruction;

use super::Program;
use super::syscalls::{self, Architecture};
use crate::error::{Error, Result};
use crate::spec::{Seccomp, SeccompArg, SyscallRule};

// Classic BPF, linux/bpf_common.h.
pub(super) const LOAD: u16 = 0x20;
pub(super) const AND: u16 = 0x54;
pub(super) const JUMP: u16 = 0x05;
pub(super) const JUMP_EQUAL: u16 = 0x15;
pub(super) const JUMP_GREATER: u16 = 0x25;
pub(super) const JUMP_GREATER_EQUAL: u16 = 0x35;
pub(super) const RETURN: u16 = 0x06;

// struct seccomp_data: nr, arch, instruction pointer, six 64-bit arguments.
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCH: u32 = 4;
pub(super) const ARGUMENTS: u32 = 16;

/// BPF_MAXINSNS of linux/bpf_common.h.
pub(super) const MOST: usize = 4096;

/// SECCOMP_FILTER_FLAG_SPEC_ALLOW, Linux 4.17.
pub(super) const SPEC_ALLOW: u64 = 4;

/// SECCOMP_RET_ALLOW.
pub(super) const ALLOW: u32 = 0x7fff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
/// Numbers with this bit are calls of the x32 ABI, which reach the same kernel functions (seccomp(2)).
const X32: u32 = 0x4000_0000;

/// Rules for one system call in their order: comparisons that must all hold, and what is then returned.
type Rules = Vec<(Vec<SeccompArg>, u32)>;

/// Calls with numbers from `first` up to the next range have the same rules.
#[derive(Debug, Clone, PartialEq)]
struct Range {
    first: u32,
    rules: Rules,
}

/// The program for the native architecture and for those that the policy lists.
pub fn compile(policy: &Seccomp) -> Result<Program> {
    check_notify(policy)?;
    let default = action(&policy.default_action, policy.default_errno_ret)?;
    let mut instructions = vec![instruction(LOAD, ARCH)];
    for architecture in syscalls::architectures(&policy.architectures) {
        let body = tree(&ranges(policy, default, architecture)?, default)?;
        // On another architecture, jump over the body to the next architecture, or to the end.
        instructions.push(branch(JUMP_EQUAL, architecture.audit, 1, 0));
        instructions.push(instruction(JUMP, body.len() as u32 + 1));
        instructions.push(instruction(LOAD, NUMBER));
        instructions.extend(body);
    }
    instructions.push(instruction(RETURN, KILL_PROCESS));
    if instructions.len() > MOST {
        return Err(Error::Invalid(format!("the seccomp policy is longer than the kernel takes ({MOST})")));
    }
    Ok(Program { instructions, flags: flags(policy)? })
}

/// Every action and operator that a policy may have; a test compiles each.
pub const ACTIONS: &[&str] = &[
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    NOTIFY,
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];
pub const OPERATORS: &[&str] = &[
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
];
pub const FLAGS: &[&str] = &[
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

/// An agent decides ([`super::Listener`]).
pub(super) const NOTIFY: &str = "SCMP_ACT_NOTIFY";

fn action(name: &str, errno: Option<u32>) -> Result<u32> {
    let data = errno.unwrap_or(EPERM) & 0xffff;
    Ok(match name {
        "SCMP_ACT_ALLOW" => ALLOW,
        "SCMP_ACT_LOG" => 0x7ffc_0000,
        "SCMP_ACT_TRACE" => 0x7ff0_0000 | data,
        "SCMP_ACT_ERRNO" => 0x0005_0000 | data,
        "SCMP_ACT_TRAP" => 0x0003_0000 | errno.unwrap_or(0) & 0xffff,
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => 0,
        "SCMP_ACT_KILL_PROCESS" => KILL_PROCESS,
        NOTIFY => 0x7fc0_0000,
        other => return Err(Error::Invalid(format!("unknown seccomp action {other:?}"))),
    })
}

fn flags(policy: &Seccomp) -> Result<u64> {
    if policy.flags.is_empty() {
        // Before Linux 5.16 the kernel otherwise enables mitigations with a filter, which slow the process down. This
        // is runc's default too.
        return Ok(SPEC_ALLOW);
    }
    let notifies = notifies(policy);
    policy.flags.iter().try_fold(0, |flags, name| match name.as_str() {
        // Left out if there is a listener: seccomp(2) can return either a listener or the thread that could not be
        // synchronised, and this process has only one thread.
        "SECCOMP_FILTER_FLAG_TSYNC" => Ok(if notifies { flags } else { flags | 1 }),
        "SECCOMP_FILTER_FLAG_LOG" => Ok(flags | 2),
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => Ok(flags | SPEC_ALLOW),
        // Since Linux 5.19, and only useful with a listener.
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => Ok(if notifies { flags | 32 } else { flags }),
        other => Err(Error::Invalid(format!("unsupported seccomp flag {other:?}"))),
    })
}

/// True if an agent is to decide about some calls.
pub(super) fn notifies(policy: &Seccomp) -> bool {
    policy.syscalls.iter().any(|rule| rule.action == NOTIFY)
}

/// Refuses policies whose notifications could not be answered: the agent has to have the listener before the first one.
fn check_notify(policy: &Seccomp) -> Result<()> {
    let invalid = |why: &str| Err(Error::Invalid(format!("linux.seccomp: {NOTIFY} {why}")));
    if policy.default_action == NOTIFY {
        return invalid("cannot be used as default action");
    }
    // runc refuses this, because it hands the listener over with write(2), and engines expect the same error.
    let asks_about_write =
        |rule: &SyscallRule| rule.action == NOTIFY && rule.names.iter().any(|n| n == "write");
    if policy.syscalls.iter().any(asks_about_write) {
        return invalid("cannot be used for the write syscall");
    }
    match notifies(policy) && policy.listener_path.as_ref().is_none_or(|path| path.as_os_str().is_empty()) {
        true => invalid("needs a listenerPath"),
        false => Ok(()),
    }
}

/// All system call numbers, divided into ranges with the same rules.
fn ranges(policy: &Seccomp, default: u32, architecture: &Architecture) -> Result<Vec<Range>> {
    let numbers = architecture.numbers();
    let highest = numbers.values().copied().max().unwrap_or(0);
    let by_number = rules(policy, &numbers)?;
    let always = |action: u32| vec![(vec![], action)];
    let mut ranges: Vec<Range> = Vec::new();
    let mut push = |first: u32, rules: Rules| {
        if ranges.last().is_none_or(|last| last.rules != rules) {
            ranges.push(Range { first, rules });
        }
    };
    for number in 0..=highest {
        push(number, by_number.get(&number).cloned().unwrap_or_else(|| always(default)));
    }
    // Calls newer than the policy fail with ENOSYS: a C library then uses an older call, but reports EPERM as a
    // failure.
    let unknown = if default == 0x0005_0000 | EPERM { 0x0005_0000 | ENOSYS } else { default };
    push(highest + 1, always(unknown));
    push(X32, always(default));
    Ok(ranges)
}

/// The rules for each number. A rule with comparisons is tried before one without, whatever their order in the policy.
fn rules(policy: &Seccomp, numbers: &BTreeMap<&str, u32>) -> Result<BTreeMap<u32, Rules>> {
    let mut by_number: BTreeMap<u32, Rules> = BTreeMap::new();
    for rule in &policy.syscalls {
        let action = action(&rule.action, rule.errno_ret)?;
        for number in rule.names.iter().filter_map(|name| numbers.get(name.as_str())) {
            let rules = by_number.entry(*number).or_default();
            rules.extend(alternatives(rule).into_iter().map(|arguments| (arguments, action)));
        }
    }
    by_number.values_mut().for_each(|rules| rules.sort_by_key(|(arguments, _)| arguments.is_empty()));
    Ok(by_number)
}

/// All comparisons of a rule have to hold, unless two are about the same argument: then one has to, as in runc.
fn alternatives(rule: &SyscallRule) -> Vec<Vec<SeccompArg>> {
    let repeated = |argument: &SeccompArg| rule.args.iter().filter(|a| a.index == argument.index).count() > 1;
    match rule.args.iter().any(repeated) {
        true => rule.args.iter().map(|argument| vec![argument.clone()]).collect(),
        false => vec![rule.args.clone()],
    }
}

fn tree(ranges: &[Range], default: u32) -> Result<Vec<Instruction>> {
    if let [range] = ranges {
        return leaf(&range.rules, default);
    }
    let (left, right) = ranges.split_at(ranges.len() / 2);
    let middle = right.first().map_or(0, |range| range.first);
    let (left, right) = (tree(left, default)?, tree(right, default)?);
    let mut code = match u8::try_from(left.len()) {
        Ok(over) => vec![branch(JUMP_GREATER_EQUAL, middle, over, 0)],
        // Conditional jumps reach 255 instructions, unconditional ones any number.
        Err(_) => vec![branch(JUMP_GREATER_EQUAL, middle, 0, 1), instruction(JUMP, left.len() as u32)],
    };
    code.extend(left);
    code.extend(right);
    Ok(code)
}

fn leaf(rules: &Rules, default: u32) -> Result<Vec<Instruction>> {
    let mut code = Vec::new();
    for (arguments, action) in rules {
        let mut tests = Vec::new();
        for argument in arguments {
            tests.extend(compare(argument)?);
        }
        tests.push(instruction(RETURN, *action));
        code.extend(resolve(tests));
        if arguments.is_empty() {
            return Ok(code);
        }
    }
    code.push(instruction(RETURN, default));
    Ok(code)
}

/// A placeholder, which [`resolve`] replaces by the distance to the end of the rule.
const FAIL: u8 = 255;

/// A 64-bit comparison in two halves; falls through when it holds.
fn compare(argument: &SeccompArg) -> Result<Vec<Instruction>> {
    if argument.index > 5 {
        return Err(Error::Invalid(format!("a system call has no argument {}", argument.index)));
    }
    let low = ARGUMENTS + 8 * argument.index;
    let high = low + 4;
    let halves = |value: u64| ((value >> 32) as u32, value as u32);
    let (value_high, value_low) = halves(argument.value);
    // The high half decides unless it is equal; 3 and 2 are the distances to the end of the comparison.
    let greater = |code: u16| {
        vec![
            instruction(LOAD, high),
            branch(JUMP_GREATER, value_high, 3, 0),
            branch(JUMP_EQUAL, value_high, 0, FAIL),
            instruction(LOAD, low),
            branch(code, value_low, 0, FAIL),
        ]
    };
    let not_greater = |code: u16| {
        vec![
            instruction(LOAD, high),
            branch(JUMP_GREATER, value_high, FAIL, 0),
            branch(JUMP_EQUAL, value_high, 0, 2),
            instruction(LOAD, low),
            branch(code, value_low, FAIL, 0),
        ]
    };
    Ok(match argument.op.as_str() {
        "SCMP_CMP_EQ" => vec![
            instruction(LOAD, high),
            branch(JUMP_EQUAL, value_high, 0, FAIL),
            instruction(LOAD, low),
            branch(JUMP_EQUAL, value_low, 0, FAIL),
        ],
        "SCMP_CMP_NE" => vec![
            instruction(LOAD, high),
            branch(JUMP_EQUAL, value_high, 0, 2),
            instruction(LOAD, low),
            branch(JUMP_EQUAL, value_low, FAIL, 0),
        ],
        "SCMP_CMP_GT" => greater(JUMP_GREATER),
        "SCMP_CMP_GE" => greater(JUMP_GREATER_EQUAL),
        "SCMP_CMP_LT" => not_greater(JUMP_GREATER_EQUAL),
        "SCMP_CMP_LE" => not_greater(JUMP_GREATER),
        "SCMP_CMP_MASKED_EQ" => {
            let (expected_high, expected_low) = halves(argument.value_two);
            vec![
                instruction(LOAD, high),
                instruction(AND, value_high),
                branch(JUMP_EQUAL, expected_high, 0, FAIL),
                instruction(LOAD, low),
                instruction(AND, value_low),
                branch(JUMP_EQUAL, expected_low, 0, FAIL),
            ]
        }
        other => return Err(Error::Invalid(format!("unknown seccomp comparison {other:?}"))),
    })
}

/// Replaces [`FAIL`] by distances. A rule has at most six comparisons of at most six instructions, so a conditional
/// jump can reach its end.
fn resolve(mut code: Vec<Instruction>) -> Vec<Instruction> {
    let end = code.len();
    for (at, instruction) in code.iter_mut().enumerate() {
        for target in [&mut instruction.jt, &mut instruction.jf] {
            if *target == FAIL {
                *target = (end - at - 1) as u8;
            }
        }
    }
    code
}

pub(super) fn instruction(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

pub(super) fn branch(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

#[cfg(test)]
mod tests;
