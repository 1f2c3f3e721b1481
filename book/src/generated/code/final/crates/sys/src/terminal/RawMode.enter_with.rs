/// Changes the terminal's settings, and keeps the old ones, which `drop` restores.
fn enter_with(change: impl FnOnce(&mut Termios)) -> Option<Self> {
    let stdin = rustix::stdio::stdin();
    let before = tcgetattr(stdin).ok()?;
    let mut raw = before.clone();
    raw.make_raw();
    change(&mut raw);
    tcsetattr(stdin, OptionalActions::Now, &raw).ok()?;
    Some(Self(before))
}
