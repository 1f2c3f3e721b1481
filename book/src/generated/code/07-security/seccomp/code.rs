/// The whole of it. A comparison for each call that is refused: as many as this are a few hundred nanoseconds a call. Longer
/// lists are sorted, and searched by halves.
fn code(denied: u32) -> Vec<sock_filter> {
    // Where these are in seccomp_data is fixed for ever: programs are compiled with it.
    let (number, arguments) = (offset_of!(seccomp_data, nr), offset_of!(seccomp_data, args));
    let allow = libc::SECCOMP_RET_ALLOW;
    // First of all: on x86-64 a program may make the calls of 32-bit x86 too, which have other numbers.
    let mut code = vec![
        // A number means nothing without its architecture: 101 is ptrace on x86-64 and ioperm on 32-bit x86.
        look_at(offset_of!(seccomp_data, arch)),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        look_at(number),
    ];
    // Their architecture reads as x86-64, so that the comparison above has not caught them.
    if cfg!(target_arch = "x86_64") {
        // And those of x32, which have a bit more.
        code.extend([unless(BPF_JGE, 0x4000_0000, 1), answer(error(libc::ENOSYS))]);
    }
    // Only the first that fits answers: each comparison is followed by its answer, or jumps over it.
    for call in REFUSED {
        code.extend([unless(BPF_JEQ, call as u32, 1), answer(denied)]);
    }
    // Its flags are behind a pointer. To "there is no such call" glibc answers with clone; to EPERM it would give up.
    code.extend([unless(BPF_JEQ, libc::SYS_clone3 as u32, 1), answer(error(libc::ENOSYS))]);
    // A new user namespace, in which one has all capabilities again, over less; but much of the kernel opens up.
    code.extend([
        unless(BPF_JEQ, libc::SYS_clone as u32, 4),
        look_at(arguments),
        // For clone the flags are an argument and so can be looked at: the lower half of it is enough.
        unless(BPF_JSET, libc::CLONE_NEWUSER as u32, 1),
        answer(denied),
        answer(allow),
    ]);
    // To type in the terminal's stead: what stands there after we end, the host's shell would run.
    code.extend([
        unless(BPF_JEQ, libc::SYS_ioctl as u32, 4),
        look_at(arguments + 8),
        // An ioctl is a call in a call: its second argument says which.
        unless(BPF_JEQ, libc::TIOCSTI as u32, 1),
        answer(denied),
        answer(allow),
    ]);
    code.push(answer(allow));
    code
}
