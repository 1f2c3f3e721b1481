/// The whole filter. Its parts follow one another, and a part that knows the answer returns it. The
/// filter takes a few hundred nanoseconds for each call. Longer filters use a tree of comparisons.
fn code(denied: u32) -> Vec<sock_filter> {
    let mut code = architecture();
    code.extend(other_numbers());
    code.extend(REFUSED.into_iter().flat_map(|call| answer(call, denied)));
    // The flags of clone3 are behind a pointer, so the filter cannot read them. ENOSYS means "the
    // kernel has no such call": the C library then uses clone. After EPERM it would give up.
    code.extend(answer(libc::SYS_clone3, error(libc::ENOSYS)));
    // A new user namespace gives a process all capabilities inside it, and so access to more code
    // of the kernel.
    code.extend(with_argument(
        libc::SYS_clone,
        0,
        skip_unless(BPF_JSET, libc::CLONE_NEWUSER as u32, 1),
        denied,
    ));
    // TIOCSTI puts characters into the terminal's input. The host's shell would run them as a
    // command after the container ended.
    code.extend(with_argument(libc::SYS_ioctl, 1, skip_unless(BPF_JEQ, libc::TIOCSTI as u32, 1), denied));
    code.push(ret(libc::SECCOMP_RET_ALLOW));
    code
}
