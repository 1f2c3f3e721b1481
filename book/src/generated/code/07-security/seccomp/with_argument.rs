/// Refuses a call with some values of an argument: `is_refused` compares the lower half of the
/// argument, and skips the answer `denied`.
pub fn with_argument(call: i64, argument: usize, is_refused: sock_filter, denied: u32) -> [sock_filter; 5] {
    [
        skip_unless(BPF_JEQ, call as u32, 4),
        // The arguments have 64 bits. They follow the number in seccomp_data.
        load_word(offset_of!(seccomp_data, args) + 8 * argument),
        is_refused,
        ret(denied),
        // The register has the argument, and no part below could compare the number.
        ret(libc::SECCOMP_RET_ALLOW),
    ]
}
