/// Kills a process that calls in another architecture: on x86-64 a program can also use the system
/// calls of 32-bit x86, and these calls have other numbers. Number 101 is ptrace on x86-64, and
/// ioperm on 32-bit x86. Then the filter loads the number of the call.
pub fn architecture() -> Vec<sock_filter> {
    vec![
        load_word(offset_of!(seccomp_data, arch)),
        // If the architecture is ours, skip the next instruction.
        instruction(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        ret(libc::SECCOMP_RET_KILL_PROCESS),
        load_word(offset_of!(seccomp_data, nr)),
    ]
}
