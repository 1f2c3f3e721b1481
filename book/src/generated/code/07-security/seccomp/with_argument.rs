/// Refuses a call with some values of an argument: `is_refused` compares the lower half of the
/// argument, and skips the answer `denied`.
pub fn with_argument(call: i64, argument: usize, is_refused: sock_filter, denied: u32) -> [sock_filter; 5] {
    [
        skip_unless(BPF_JEQ, call as u32, 4),
        // Each argument has 64 bits, and `args` is an array of all six arguments.
        load_word(offset_of!(seccomp_data, args) + 8 * argument),
        is_refused,
        ret(denied),
        // The register now holds the argument, so no later part could compare the number. This part
        // has to answer.
        ret(libc::SECCOMP_RET_ALLOW),
    ]
}
