//! Device rules on v2: there are no files for them, but a program that the kernel asks at every open and mknod.

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

pub(super) fn attach(directory: &Path, rules: &[DeviceRule]) -> Result<()> {
    let failed =
        |action: &'static str| move |errno: Errno| Error::Call { action, path: directory.into(), errno };
    let program = bpf::load_device_program(&compile(rules)?).map_err(failed("load the device rules of"))?;
    let cgroup = std::fs::File::open(directory)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        .map_err(failed("open"))?;
    bpf::attach_device_program(&cgroup, &program).map_err(failed("attach the device rules to"))
}

/// The last rule that matches decides, so the program tries them from the last to the first. What none matches is
/// denied.
fn compile(rules: &[DeviceRule]) -> Result<Vec<Instruction>> {
    let mut program = vec![
        load(2, ACCESS_TYPE),
        load(4, MAJOR),
        load(5, MINOR),
        // r3 = access, r2 = type
        alu(0xbf, 3, 2, 0),
        alu(0x77, 3, 0, 16),
        alu(0x57, 2, 0, 0xffff),
    ];
    for rule in rules.iter().rev() {
        program.extend(one(rule)?);
    }
    program.extend([alu(0xb7, 0, 0, 0), EXIT]);
    Ok(program)
}

const EXIT: Instruction = Instruction { code: 0x95, registers: 0, offset: 0, immediate: 0 };

/// The tests of a rule, each of which jumps behind it when it does not hold.
fn one(rule: &DeviceRule) -> Result<Vec<Instruction>> {
    let access =
        rule.access.as_deref().unwrap_or("rwm").chars().try_fold(0, |bits, letter| match letter {
            'r' => Ok(bits | READ),
            'w' => Ok(bits | WRITE),
            'm' => Ok(bits | MKNOD),
            _ => Err(Error::Invalid(format!("device access {letter:?}"))),
        })?;
    let kind = match rule.kind.as_deref() {
        None | Some("a") => None,
        Some("b") => Some(BLOCK),
        Some("c" | "u") => Some(CHAR),
        Some(other) => return Err(Error::Invalid(format!("device type {other:?}"))),
    };
    // Register, value, whether it is a mask that must cover the register.
    let mut tests: Vec<Instruction> = Vec::new();
    let mut unless_equal = |register: u8, value: i32| {
        tests.push(Instruction { code: 0x55, registers: register, offset: 0, immediate: value });
    };
    if let Some(kind) = kind {
        unless_equal(2, kind);
    }
    for (register, number) in [(4, rule.major), (5, rule.minor)] {
        if let Some(number) = number.filter(|number| *number >= 0) {
            let number =
                u32::try_from(number).map_err(|_| Error::Invalid(format!("device number {number}")))?;
            unless_equal(register, number as i32);
        }
    }
    if access != READ | WRITE | MKNOD {
        // r1 = r3 & !access must be 0: everything that is done is allowed by this rule.
        tests.push(alu(0xbf, 1, 3, 0));
        tests.push(alu(0x57, 1, 0, !access));
        tests.push(Instruction { code: 0x55, registers: 1, offset: 0, immediate: 0 });
    }
    tests.extend([alu(0xb7, 0, 0, i32::from(rule.allow)), EXIT]);
    let end = tests.len();
    for (index, test) in tests.iter_mut().enumerate().filter(|(_, test)| test.code == 0x55) {
        test.offset = (end - index - 1) as i16;
    }
    Ok(tests)
}

fn load(register: u8, offset: i16) -> Instruction {
    // BPF_LDX | BPF_W | BPF_MEM from r1, the context.
    Instruction { code: 0x61, registers: register | 1 << 4, offset, immediate: 0 }
}

fn alu(code: u8, destination: u8, source: u8, immediate: i32) -> Instruction {
    Instruction { code, registers: destination | source << 4, offset: 0, immediate }
}
