//! Device rules on v2: an eBPF program, which the kernel runs at every open and mknod.

use std::os::fd::AsFd;
use std::path::Path;

use hull_sys::bpf::{self, Instruction};
use nix::errno::Errno;

use super::Result;
use super::files::Error;
use crate::spec::DeviceRule;

// Fields of struct bpf_cgroup_dev_ctx: access << 16 | type, then major, then minor.
const ACCESS_TYPE: i16 = 0;
const MAJOR: i16 = 4;
const MINOR: i16 = 8;
// Kernel's numbers: BPF_DEVCG_DEV_BLOCK and _CHAR, BPF_DEVCG_ACC_*.
const BLOCK: i32 = 1;
const CHAR: i32 = 2;
const MKNOD: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;
// eBPF, linux/bpf.h. The jumps are 32-bit: a 64-bit jump would sign-extend its immediate operand, and device numbers
// are unsigned.
const LOAD: u8 = 0x61;
const MOVE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const IF_EQUAL: u8 = 0x16;
const UNLESS_EQUAL: u8 = 0x56;
const EXIT: u8 = 0x95;

/// Applies the rules to this cgroup, instead of earlier ones.
pub(super) fn attach(directory: &Path, rules: &[DeviceRule]) -> Result<()> {
    let failed =
        |action: &'static str| move |errno: Errno| Error::Call { action, path: directory.into(), errno };
    let program = bpf::load_device_program(&compile(rules)?).map_err(failed("load the device rules of"))?;
    let cgroup = std::fs::File::open(directory)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        .map_err(failed("open"))?;
    bpf::replace_device_program(cgroup.as_fd(), &program).map_err(failed("attach the device rules to"))
}

/// For each kind of access the last matching rule decides, as in v1, where rules are written one after the other. So
/// the program tests the rules from the last to the first, and keeps the undecided accesses in r3. An access that no
/// rule matches is allowed: a list that denies everything else begins with such a rule.
fn compile(rules: &[DeviceRule]) -> Result<Vec<Instruction>> {
    let mut program = vec![
        load(2, ACCESS_TYPE),
        load(4, MAJOR),
        load(5, MINOR),
        // r3 = access, r2 = type
        alu(MOVE_REGISTER, 3, 2, 0),
        alu(SHIFT_RIGHT, 3, 0, 16),
        alu(AND, 2, 0, 0xffff),
    ];
    for rule in rules.iter().rev() {
        program.extend(one(rule)?);
    }
    program.extend(answer(true));
    Ok(program)
}

/// The tests of a rule, each of which jumps to the end of the rule if it fails, and the rule's decision.
fn one(rule: &DeviceRule) -> Result<Vec<Instruction>> {
    let mut code: Vec<Instruction> = Vec::new();
    let mut unless_equal = |register: u8, value: i32| code.push(jump(UNLESS_EQUAL, register, value));
    if let Some(kind) = kind(rule)? {
        unless_equal(2, kind);
    }
    for (register, number) in [(4, rule.major), (5, rule.minor)] {
        if let Some(number) = number.filter(|number| *number >= 0) {
            let number =
                u32::try_from(number).map_err(|_| Error::Invalid(format!("device number {number}")))?;
            unless_equal(register, number as i32);
        }
    }
    let access = access(rule)?;
    if rule.allow {
        // These accesses are decided. If none is left, the request is allowed.
        code.push(alu(AND, 3, 0, !access));
        code.push(jump(UNLESS_EQUAL, 3, 0));
    } else {
        // r1 = the requested accesses that this rule denies
        code.push(alu(MOVE_REGISTER, 1, 3, 0));
        code.push(alu(AND, 1, 0, access));
        code.push(jump(IF_EQUAL, 1, 0));
    }
    code.extend(answer(rule.allow));
    let end = code.len();
    for (index, test) in code.iter_mut().enumerate() {
        if matches!(test.code, UNLESS_EQUAL | IF_EQUAL) {
            test.offset = (end - index - 1) as i16;
        }
    }
    Ok(code)
}

fn kind(rule: &DeviceRule) -> Result<Option<i32>> {
    match rule.kind.as_deref() {
        None | Some("a") => Ok(None),
        Some("b") => Ok(Some(BLOCK)),
        Some("c" | "u") => Ok(Some(CHAR)),
        Some(other) => Err(Error::Invalid(format!("device type {other:?}"))),
    }
}

fn access(rule: &DeviceRule) -> Result<i32> {
    rule.known_access().chars().try_fold(0, |bits, letter| match letter {
        'r' => Ok(bits | READ),
        'w' => Ok(bits | WRITE),
        'm' => Ok(bits | MKNOD),
        _ => Err(Error::Invalid(format!("device access {letter:?}"))),
    })
}

/// Returns from the program. r0 is the result: 1 allows.
fn answer(allow: bool) -> [Instruction; 2] {
    [alu(MOVE, 0, 0, i32::from(allow)), alu(EXIT, 0, 0, 0)]
}

fn jump(code: u8, register: u8, immediate: i32) -> Instruction {
    Instruction { code, registers: register, offset: 0, immediate }
}

fn load(register: u8, offset: i16) -> Instruction {
    // Loads a field of the context, whose address is in r1.
    Instruction { code: LOAD, registers: register | 1 << 4, offset, immediate: 0 }
}

fn alu(code: u8, destination: u8, source: u8, immediate: i32) -> Instruction {
    Instruction { code, registers: destination | source << 4, offset: 0, immediate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::defaults;

    /// The result that the kernel's interpreter would return.
    fn run(program: &[Instruction], kind: i32, access: i32, major: u32, minor: u32) -> bool {
        let mut registers = [0_u64; 6];
        let mut at = 0;
        loop {
            let Instruction { code, registers: pair, offset, immediate } = program[at];
            at += 1;
            let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
            let equal = registers[to] as u32 == immediate as u32;
            match code {
                LOAD => {
                    registers[to] = match offset {
                        ACCESS_TYPE => (access << 16 | kind) as u64,
                        MAJOR => major.into(),
                        _ => minor.into(),
                    }
                }
                MOVE => registers[to] = immediate as u64,
                MOVE_REGISTER => registers[to] = registers[from],
                AND => registers[to] &= immediate as u64,
                SHIFT_RIGHT => registers[to] >>= immediate,
                IF_EQUAL if equal => at += offset as usize,
                UNLESS_EQUAL if !equal => at += offset as usize,
                IF_EQUAL | UNLESS_EQUAL => {}
                EXIT => return registers[0] == 1,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    fn rule(allow: bool, kind: &str, major: i64, access: &str) -> DeviceRule {
        DeviceRule {
            allow,
            kind: Some(kind.into()),
            major: Some(major),
            minor: None,
            access: Some(access.into()),
        }
    }

    #[test]
    fn any_node_may_be_made_and_only_harmless_ones_opened() {
        let program = compile(&defaults::device_rules()).unwrap();
        assert!(run(&program, CHAR, READ | WRITE, 1, 3), "null");
        assert!(run(&program, CHAR, READ | WRITE, 136, 77), "a terminal");
        assert!(run(&program, BLOCK, MKNOD, 8, 0), "making sda");
        assert!(!run(&program, BLOCK, READ, 8, 0), "reading sda");
        assert!(!run(&program, CHAR, READ, 1, 1), "mem");
        assert!(!run(&program, BLOCK, MKNOD | READ, 8, 0), "a part of it is denied");
    }

    #[test]
    fn each_access_is_decided_by_the_last_rule_that_speaks_of_it() {
        let deny_all = DeviceRule { allow: false, access: Some("rwm".into()), ..DeviceRule::default() };
        let rules = [deny_all, rule(true, "c", 10, "r"), rule(true, "c", 10, "w"), rule(false, "b", 8, "w")];
        let program = compile(&rules).unwrap();
        assert!(run(&program, CHAR, READ | WRITE, 10, 1), "two rules together");
        assert!(!run(&program, CHAR, READ | MKNOD, 10, 1));
        let denied = compile(&[rule(true, "b", 8, "rw"), rule(false, "b", 8, "w")]).unwrap();
        assert!(run(&denied, BLOCK, READ, 8, 1) && !run(&denied, BLOCK, READ | WRITE, 8, 1));
        assert!(run(&denied, CHAR, WRITE, 8, 1), "nothing is said of it");
    }

    #[test]
    fn a_number_with_the_top_bit_is_compared_whole() {
        let largest = i64::from(u32::MAX);
        let program = compile(&[rule(false, "c", largest, "rwm")]).unwrap();
        assert!(!run(&program, CHAR, READ, u32::MAX, 0) && run(&program, CHAR, READ, 1, 0));
    }

    #[test]
    fn what_is_no_device_rule_is_refused() {
        assert!(compile(&[rule(true, "x", 1, "r")]).is_err());
        assert!(compile(&[rule(true, "c", 1, "z")]).is_err());
        assert!(compile(&[rule(true, "c", 1, "rwa")]).is_ok(), "as runc has it");
        assert!(compile(&[rule(true, "c", 1 << 40, "r")]).is_err());
    }
}
