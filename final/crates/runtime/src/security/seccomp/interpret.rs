//! Evaluates a compiled filter for a system call without making the call, and extends a filter by a few allowed calls.

use hull_sys::security::Instruction;

use super::Program;
use super::compile::{
    ALLOW, AND, ARCH, ARGUMENTS, JUMP, JUMP_EQUAL, JUMP_GREATER, JUMP_GREATER_EQUAL, LOAD, MOST, NUMBER,
    RETURN, SPEC_ALLOW, branch, instruction,
};
use super::syscalls::NATIVE;

const LOG: u32 = 0x7ffc_0000;

/// A system call of the native architecture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub number: i64,
    /// The lower half of its first argument, if only calls with this value are meant.
    pub first: Option<u32>,
}

impl Call {
    pub(crate) const fn any(number: i64) -> Self {
        Self { number, first: None }
    }
}

impl Program {
    /// True if the filter allows the call. Arguments that are not given count as 0.
    pub(crate) fn allows(&self, call: Call) -> bool {
        let arguments = [u64::from(call.first.unwrap_or(0)), 0, 0, 0, 0, 0];
        let answer = self.run(NATIVE.audit, call.number as u32, arguments);
        matches!(answer, Some(ALLOW | LOG))
    }

    /// This filter with `calls` allowed as well. `None` if the result is longer than the kernel accepts.
    pub(crate) fn with_calls(&self, calls: &[Call]) -> Option<Program> {
        let mut body = vec![instruction(LOAD, NUMBER)];
        for call in calls {
            let number = call.number as u32;
            match call.first {
                None => body.push(branch(JUMP_EQUAL, number, 0, 1)),
                // On a mismatch jump over the RETURN to where the number is loaded again for the next call.
                Some(first) => body.extend([
                    branch(JUMP_EQUAL, number, 0, 3),
                    instruction(LOAD, ARGUMENTS),
                    branch(JUMP_EQUAL, first, 0, 1),
                ]),
            }
            body.push(instruction(RETURN, ALLOW));
            if call.first.is_some() {
                body.push(instruction(LOAD, NUMBER));
            }
        }
        let over = u8::try_from(body.len()).ok()?;
        let mut instructions = vec![instruction(LOAD, ARCH), branch(JUMP_EQUAL, NATIVE.audit, 0, over)];
        instructions.extend(body);
        instructions.extend(&self.instructions);
        // Flags about a listener are for the original filter only.
        (instructions.len() <= MOST).then_some(Program { instructions, flags: self.flags & SPEC_ALLOW })
    }

    /// What the kernel would return for this call. `None` for an instruction that the compiler never emits.
    pub(super) fn run(&self, arch: u32, number: u32, arguments: [u64; 6]) -> Option<u32> {
        let field = |offset: u32| match offset {
            NUMBER => Some(number),
            ARCH => Some(arch),
            _ => {
                let argument = arguments.get(offset.checked_sub(ARGUMENTS)? as usize / 8)?;
                Some(if offset.is_multiple_of(8) { *argument as u32 } else { (argument >> 32) as u32 })
            }
        };
        let (mut at, mut a) = (0_usize, 0);
        loop {
            let Instruction { code, jt, jf, k } = *self.instructions.get(at)?;
            at += 1;
            let taken = match code {
                LOAD => {
                    a = field(k)?;
                    continue;
                }
                AND => {
                    a &= k;
                    continue;
                }
                JUMP => {
                    at += k as usize;
                    continue;
                }
                RETURN => return Some(k),
                JUMP_EQUAL => a == k,
                JUMP_GREATER => a > k,
                JUMP_GREATER_EQUAL => a >= k,
                _ => return None,
            };
            at += usize::from(if taken { jt } else { jf });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{compile, default_policy};
    use super::*;
    use crate::spec::Seccomp;
    use nix::libc;

    #[test]
    fn dockers_policy_allows_clone_but_for_new_namespaces_and_refuses_clone3() {
        let program = compile(&default_policy(&[])).unwrap();
        let clone = |flags: i32| program.allows(Call { number: libc::SYS_clone, first: Some(flags as u32) });
        assert!(clone(libc::CLONE_PARENT | libc::SIGCHLD) && !clone(libc::CLONE_NEWUSER));
        assert!(program.allows(Call::any(libc::SYS_execve)) && !program.allows(Call::any(libc::SYS_clone3)));
    }

    #[test]
    fn a_filter_with_more_calls_allows_those_and_else_what_it_did() {
        let policy = Seccomp { default_action: "SCMP_ACT_ERRNO".into(), ..Seccomp::default() };
        let program = compile(&policy).unwrap();
        let clone = Call { number: libc::SYS_clone, first: Some(17) };
        let calls = [Call::any(libc::SYS_setsid), clone, Call::any(libc::SYS_ioctl)];
        let wider = program.with_calls(&calls).unwrap();
        for call in calls {
            assert!(!program.allows(call) && wider.allows(call), "{call:?}");
        }
        assert!(!wider.allows(Call { first: Some(18), ..clone }));
        assert!(!wider.allows(Call::any(libc::SYS_execve)));
        assert_eq!(
            wider.run(1, libc::SYS_setsid as u32, [0; 6]),
            program.run(1, libc::SYS_setsid as u32, [0; 6])
        );
    }
}
