/// Refuses the calls of x32, a third set of numbers on x86-64. For these calls, the kernel reports
/// the architecture x86-64, and bit 30 of the number is set.
pub fn other_numbers() -> Vec<sock_filter> {
    if cfg!(target_arch = "x86_64") {
        vec![skip_unless(BPF_JGE, 0x4000_0000, 1), ret(error(libc::ENOSYS))]
    } else {
        vec![]
    }
}
