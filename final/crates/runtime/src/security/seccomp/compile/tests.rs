//! The compiled program against the policy read naively: for every number, the same answer.

use super::super::policy::default_policy;
use super::super::syscalls::NATIVE;
use super::*;

/// What the kernel would return for this call.
fn run(program: &Program, arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
    program.run(arch, number, arguments).expect("a program of ours")
}

fn holds(argument: &SeccompArg, arguments: [u64; 6]) -> bool {
    let value = arguments[argument.index as usize];
    match argument.op.as_str() {
        "SCMP_CMP_EQ" => value == argument.value,
        "SCMP_CMP_NE" => value != argument.value,
        "SCMP_CMP_GT" => value > argument.value,
        "SCMP_CMP_GE" => value >= argument.value,
        "SCMP_CMP_LT" => value < argument.value,
        "SCMP_CMP_LE" => value <= argument.value,
        _ => value & argument.value == argument.value_two,
    }
}

fn naive(policy: &Seccomp, architecture: &Architecture, number: u32, arguments: [u64; 6]) -> u32 {
    let names = architecture.numbers();
    let highest = names.values().copied().max().unwrap();
    let matches = |rule: &&SyscallRule| {
        rule.names.iter().any(|name| names.get(name.as_str()) == Some(&number))
            && rule.args.iter().all(|argument| holds(argument, arguments))
    };
    let mut specific = policy.syscalls.iter().filter(|rule| !rule.args.is_empty());
    let mut general = policy.syscalls.iter().filter(|rule| rule.args.is_empty());
    match specific.find(matches).or_else(|| general.find(matches)) {
        Some(rule) => action(&rule.action, rule.errno_ret).unwrap(),
        None if number > highest && number < X32 => 0x0005_0000 | ENOSYS,
        None => action(&policy.default_action, policy.default_errno_ret).unwrap(),
    }
}

#[test]
fn every_system_call_of_every_architecture_gets_what_dockers_policy_says() {
    for capabilities in [vec![], vec!["CAP_SYS_ADMIN".to_owned(), "CAP_SYS_PTRACE".into()]] {
        let policy = default_policy(&capabilities);
        let program = compile(&policy).unwrap();
        for architecture in syscalls::architectures(&policy.architectures) {
            for number in (0..600).chain([X32 - 1, X32, X32 + 1, u32::MAX]) {
                for arguments in [[0; 6], [8; 6], [38; 6], [0x1000_0000; 6], [u64::MAX; 6], [0xffff_ffff; 6]]
                {
                    let expected = naive(&policy, architecture, number, arguments);
                    let answer = run(&program, architecture.audit, number, arguments);
                    assert_eq!(answer, expected, "{} {number} {arguments:x?}", architecture.name);
                }
            }
        }
    }
}

#[test]
fn dockers_answers_are_those_that_programs_rely_on() {
    let program = compile(&default_policy(&[])).unwrap();
    let numbers = NATIVE.numbers();
    let answer = |name: &str, first: u64| run(&program, NATIVE.audit, numbers[name], [first, 0, 0, 0, 0, 0]);
    let (allow, errno) = (0x7fff_0000, 0x0005_0000);
    assert_eq!(answer("read", 0), allow);
    assert_eq!(answer("mount", 0), errno | EPERM);
    // ENOSYS, or glibc would not fall back to clone(2).
    assert_eq!(answer("clone3", 0), errno | ENOSYS);
    assert_eq!(answer("clone", 0x1000_0000), errno | EPERM, "CLONE_NEWUSER");
    assert_eq!(answer("clone", 0x0100_0011), allow);
    assert_eq!(answer("socket", 38), errno | EPERM, "AF_ALG");
    assert_eq!(answer("socket", 2), allow, "AF_INET");
    assert_eq!(answer("io_uring_setup", 0), errno | EPERM);
}

#[test]
fn a_rule_with_comparisons_goes_before_one_without_and_same_arguments_are_alternatives() {
    let equal = |index, value| SeccompArg { index, value, op: "SCMP_CMP_EQ".into(), ..SeccompArg::default() };
    let rule = |action: &str, args| SyscallRule {
        names: vec!["socket".into()],
        action: action.into(),
        args,
        ..SyscallRule::default()
    };
    let policy = Seccomp {
        default_action: "SCMP_ACT_KILL_PROCESS".into(),
        syscalls: vec![
            rule("SCMP_ACT_ALLOW", vec![]),
            rule("SCMP_ACT_ERRNO", vec![equal(0, 40), equal(0, 38)]),
        ],
        ..Seccomp::default()
    };
    let program = compile(&policy).unwrap();
    let answer = |first| run(&program, NATIVE.audit, NATIVE.numbers()["socket"], [first, 0, 0, 0, 0, 0]);
    assert_eq!([answer(1), answer(38), answer(40)], [0x7fff_0000, 0x0005_0001, 0x0005_0001]);
}

#[test]
fn every_comparison_is_one_of_64_bits() {
    let edges = [0, 1, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, 0x2_0000_0000, u64::MAX];
    for op in ["EQ", "NE", "GT", "GE", "LT", "LE", "MASKED_EQ"] {
        for value in edges {
            let argument =
                |index| SeccompArg { index, value, value_two: value & 1, op: format!("SCMP_CMP_{op}") };
            let policy = Seccomp {
                default_action: "SCMP_ACT_ERRNO".into(),
                syscalls: vec![SyscallRule {
                    names: vec!["read".into()],
                    action: "SCMP_ACT_ALLOW".into(),
                    args: vec![argument(0), argument(2)],
                    ..SyscallRule::default()
                }],
                ..Seccomp::default()
            };
            let program = compile(&policy).unwrap();
            let number = NATIVE.numbers()["read"];
            for (first, second) in edges.iter().flat_map(|first| edges.map(|second| (*first, second))) {
                let arguments = [first, 0, second, 0, 0, 0];
                let expected = naive(&policy, NATIVE, number, arguments);
                assert_eq!(
                    run(&program, NATIVE.audit, number, arguments),
                    expected,
                    "{op} {value:x} {arguments:x?}"
                );
            }
        }
    }
}

#[test]
fn another_architecture_is_killed() {
    let program = compile(&default_policy(&[])).unwrap();
    assert_eq!(run(&program, NATIVE.audit ^ 1, 0, [0; 6]), KILL_PROCESS);
}

#[test]
fn what_cannot_be_applied_is_an_error() {
    for wrong in ["SCMP_ACT_WHATEVER", "SCMP_ACT_NOTIFY", ""] {
        let policy = Seccomp { default_action: wrong.into(), ..Seccomp::default() };
        assert!(compile(&policy).is_err(), "{wrong:?}");
    }
    let asks = |name: &str, path: &str| {
        let rule = SyscallRule {
            names: vec![name.into()],
            action: "SCMP_ACT_NOTIFY".into(),
            ..SyscallRule::default()
        };
        let (default_action, listener_path) = ("SCMP_ACT_ALLOW".into(), Some(path.into()));
        compile(&Seccomp { default_action, listener_path, syscalls: vec![rule], ..Seccomp::default() })
    };
    assert!(asks("mkdir", "/run/agent").is_ok());
    assert!(asks("mkdir", "").is_err());
    // The call by which the agent gets its descriptor passes by a key, so it may be asked about too.
    assert!(asks("sendmsg", "/run/agent").is_ok());
}

#[test]
fn what_is_said_to_be_known_compiles() {
    for action in ACTIONS {
        let flags = FLAGS.iter().map(|flag| flag.to_string()).collect();
        let rule =
            SyscallRule { names: vec!["read".into()], action: action.to_string(), ..SyscallRule::default() };
        let (default_action, listener_path) = ("SCMP_ACT_ALLOW".into(), Some("/run/agent".into()));
        let policy =
            Seccomp { default_action, flags, listener_path, syscalls: vec![rule], ..Seccomp::default() };
        assert!(compile(&policy).is_ok(), "{action}");
    }
    for op in OPERATORS {
        let args = vec![SeccompArg { op: op.to_string(), ..SeccompArg::default() }];
        let (names, action) = (vec!["read".into()], "SCMP_ACT_ALLOW".into());
        let syscalls = vec![SyscallRule { names, action, errno_ret: None, args }];
        let default_action = "SCMP_ACT_ERRNO".into();
        assert!(compile(&Seccomp { default_action, syscalls, ..Seccomp::default() }).is_ok(), "{op}");
    }
}
