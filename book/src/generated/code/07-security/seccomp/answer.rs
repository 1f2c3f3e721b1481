/// Answers `what` to one call. The register holds the number of the call. If it is another call,
/// the answer is skipped.
pub fn answer(call: i64, what: u32) -> [sock_filter; 2] {
    [skip_unless(BPF_JEQ, call as u32, 1), ret(what)]
}
