/// The whole filter: one comparison for each refused call, a few hundred nanoseconds per call in
/// all. Longer lists are searched as a tree.
fn code(denied: u32) -> Vec<sock_filter> {
    // The layout of seccomp_data is part of the kernel's interface.
    let (number, arguments) = (offset_of!(seccomp_data, nr), offset_of!(seccomp_data, args));
    let allow = libc::SECCOMP_RET_ALLOW;
    // The architecture comes first: on x86-64 a program can also make the calls of 32-bit x86,
    // which have other numbers.
    let mut code = vec![
        // A number means nothing without its architecture: 101 is ptrace on x86-64 and ioperm on
        // 32-bit x86.
        load_word(offset_of!(seccomp_data, arch)),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        ret(libc::SECCOMP_RET_KILL_PROCESS),
        load_word(number),
    ];
    // The calls of the x32 ABI report the architecture x86-64 and set a bit in the number.
    if cfg!(target_arch = "x86_64") {
        code.extend([skip_unless(BPF_JGE, 0x4000_0000, 1), ret(error(libc::ENOSYS))]);
    }
    // Each comparison is followed by its return, or skips it.
    for call in REFUSED {
        code.extend([skip_unless(BPF_JEQ, call as u32, 1), ret(denied)]);
    }
    // Its flags are behind a pointer, out of the filter's sight. After ENOSYS ("no such call")
    // glibc falls back to clone; after EPERM it would give up.
    code.extend([skip_unless(BPF_JEQ, libc::SYS_clone3 as u32, 1), ret(error(libc::ENOSYS))]);
    // A new user namespace gives all capabilities inside it, which makes more of the kernel
    // reachable.
    code.extend([
        skip_unless(BPF_JEQ, libc::SYS_clone as u32, 4),
        load_word(arguments),
        // clone has its flags in an argument, of which the lower half is enough.
        skip_unless(BPF_JSET, libc::CLONE_NEWUSER as u32, 1),
        ret(denied),
        ret(allow),
    ]);
    // TIOCSTI simulates typing on the terminal: the host's shell would read it after the container
    // has ended.
    code.extend([
        skip_unless(BPF_JEQ, libc::SYS_ioctl as u32, 4),
        load_word(arguments + 8),
        // The second argument of an ioctl is its operation.
        skip_unless(BPF_JEQ, libc::TIOCSTI as u32, 1),
        ret(denied),
        ret(allow),
    ]);
    code.push(ret(allow));
    code
}
