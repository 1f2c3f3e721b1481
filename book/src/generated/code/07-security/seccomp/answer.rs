/// Answers `what` to one call. The register has the number of the call; another number skips the
/// answer.
pub fn answer(call: i64, what: u32) -> [sock_filter; 2] {
    [skip_unless(BPF_JEQ, call as u32, 1), ret(what)]
}
