//! A policy as a BPF program: a binary search over the system call's number instead of a list, so that the last of
//! four hundred names costs nine comparisons and the program is a third as long.

use std::collections::BTreeMap;

use hull_sys::security::Instruction;

use super::Program;
use super::syscalls::{AUDIT_ARCH, highest, numbers};
use crate::error::{Error, Result};
use crate::spec::{Seccomp, SeccompArg};

// Classic BPF, linux/bpf_common.h.
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_GREATER_EQUAL: u16 = 0x35;
const RETURN: u16 = 0x06;

// struct seccomp_data: nr, arch, instruction pointer, six 64-bit arguments.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

const KILL_PROCESS: u32 = 0x8000_0000;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
/// Numbers with this bit are x32 calls: the same kernel functions by another door (seccomp(2)).
const X32: u32 = 0x4000_0000;

/// Rules for one system call in their order: comparisons that must all hold, and what is then returned.
type Rules = Vec<(Vec<SeccompArg>, u32)>;

/// Numbers from `first` up to the next range behave alike.
#[derive(Debug, Clone, PartialEq)]
struct Range {
    first: u32,
    rules: Rules,
}

pub fn compile(policy: &Seccomp) -> Result<Program> {
    let default = action(&policy.default_action, policy.default_errno_ret)?;
    let mut body = tree(&ranges(policy, default)?, default)?;
    let mut instructions = vec![
        instruction(LOAD, ARCH),
        branch(JUMP_EQUAL, AUDIT_ARCH, 1, 0),
        instruction(RETURN, KILL_PROCESS),
        instruction(LOAD, NUMBER),
    ];
    instructions.append(&mut body);
    if instructions.len() > 4096 {
        return Err(Error::Invalid("the seccomp policy is longer than the kernel takes (4,096)".into()));
    }
    Ok(Program { instructions, flags: flags(&policy.flags)? })
}

fn action(name: &str, errno: Option<u32>) -> Result<u32> {
    let data = errno.unwrap_or(EPERM) & 0xffff;
    Ok(match name {
        "SCMP_ACT_ALLOW" => 0x7fff_0000,
        "SCMP_ACT_LOG" => 0x7ffc_0000,
        "SCMP_ACT_TRACE" => 0x7ff0_0000 | data,
        "SCMP_ACT_ERRNO" => 0x0005_0000 | data,
        "SCMP_ACT_TRAP" => 0x0003_0000,
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => 0,
        "SCMP_ACT_KILL_PROCESS" => KILL_PROCESS,
        other => return Err(Error::Invalid(format!("unsupported seccomp action {other:?}"))),
    })
}

fn flags(names: &[String]) -> Result<u64> {
    names.iter().try_fold(0, |flags, name| match name.as_str() {
        "SECCOMP_FILTER_FLAG_TSYNC" => Ok(flags | 1),
        "SECCOMP_FILTER_FLAG_LOG" => Ok(flags | 2),
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => Ok(flags | 4),
        other => Err(Error::Invalid(format!("unsupported seccomp flag {other:?}"))),
    })
}

/// The whole space of numbers, cut where the behaviour changes.
fn ranges(policy: &Seccomp, default: u32) -> Result<Vec<Range>> {
    let numbers = numbers();
    let mut by_number: BTreeMap<u32, Rules> = BTreeMap::new();
    for rule in &policy.syscalls {
        let action = action(&rule.action, rule.errno_ret)?;
        for number in rule.names.iter().filter_map(|name| numbers.get(name.as_str())) {
            by_number.entry(*number).or_default().push((rule.args.clone(), action));
        }
    }
    let always = |action: u32| vec![(vec![], action)];
    let mut ranges: Vec<Range> = Vec::new();
    let mut push = |first: u32, rules: Rules| {
        if ranges.last().is_none_or(|last| last.rules != rules) {
            ranges.push(Range { first, rules });
        }
    };
    for number in 0..=highest() {
        push(number, by_number.get(&number).cloned().unwrap_or_else(|| always(default)));
    }
    // A C library takes ENOSYS for a call newer than the policy as "use the older one", and EPERM as a failure.
    let unknown = if default == 0x0005_0000 | EPERM { 0x0005_0000 | ENOSYS } else { default };
    push(highest() + 1, always(unknown));
    push(X32, always(default));
    Ok(ranges)
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
        // Conditional jumps reach 255 instructions, plain ones any number.
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

/// Jump targets that [`resolve`] replaces: behind the rule, and behind the comparison's low half.
const FAIL: u8 = 255;
const HOLDS: u8 = 254;

/// A 64-bit comparison in two halves; falls through when it holds.
fn compare(argument: &SeccompArg) -> Result<Vec<Instruction>> {
    if argument.index > 5 {
        return Err(Error::Invalid(format!("a system call has no argument {}", argument.index)));
    }
    let low = ARGUMENTS + 8 * argument.index;
    let high = low + 4;
    let halves = |value: u64| ((value >> 32) as u32, value as u32);
    let (value_high, value_low) = halves(argument.value);
    let ordered = |code: u16, if_greater: u8, if_less: u8, jt: u8, jf: u8| {
        vec![
            instruction(LOAD, high),
            branch(JUMP_GREATER, value_high, if_greater, 0),
            branch(JUMP_EQUAL, value_high, 0, if_less),
            instruction(LOAD, low),
            branch(code, value_low, jt, jf),
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
            branch(JUMP_EQUAL, value_high, 0, HOLDS),
            instruction(LOAD, low),
            branch(JUMP_EQUAL, value_low, FAIL, 0),
        ],
        "SCMP_CMP_GT" => ordered(JUMP_GREATER, HOLDS, FAIL, 0, FAIL),
        "SCMP_CMP_GE" => ordered(JUMP_GREATER_EQUAL, HOLDS, FAIL, 0, FAIL),
        "SCMP_CMP_LT" => ordered(JUMP_GREATER_EQUAL, FAIL, HOLDS, FAIL, 0),
        "SCMP_CMP_LE" => ordered(JUMP_GREATER, FAIL, HOLDS, FAIL, 0),
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

/// Puts distances in the place of [`FAIL`] (the end of the rule) and [`HOLDS`] (the end of this comparison).
fn resolve(mut code: Vec<Instruction>) -> Vec<Instruction> {
    let end = code.len();
    // A comparison ends where the next one loads its high half, or at the return.
    let ends: Vec<usize> = (0..end)
        .map(|from| {
            let next = |at: &usize| match code[*at].code {
                RETURN => true,
                LOAD => code[*at].k >= ARGUMENTS && code[*at].k % 8 == 4,
                _ => false,
            };
            (from + 1..end).find(next).unwrap_or(end)
        })
        .collect();
    for (at, instruction) in code.iter_mut().enumerate() {
        for target in [&mut instruction.jt, &mut instruction.jf] {
            match *target {
                FAIL => *target = (end - at - 1) as u8,
                HOLDS => *target = (ends[at] - at - 1) as u8,
                _ => {}
            }
        }
    }
    code
}

fn instruction(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

fn branch(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

#[cfg(test)]
mod tests;
