/// Runs in the child. Why execute the same program again? That replaces the copy of the parent's
/// memory, with any secrets in it, and the container's setup starts from a main() of its own.
/// Besides, in the copy of a program with several threads only one thread would run, and locks of
/// the others would stay locked for ever.
pub fn wait_and_exec(reader: &mut File, config: &Value) -> Result<std::convert::Infallible> {
    report::inside();
    // Ask the kernel to kill this process when its parent dies, even if the parent was killed by
    // SIGKILL; prctl(2).
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("prctl(PR_SET_PDEATHSIG)")?;
    // One byte means: continue. End of file means: the parent gave up, or died before the prctl above.
    if reader.read(&mut [0])? == 0 {
        bail!("the outside gave up before this container began");
    }
    // /proc/self/exe is the program's file, even if its name has changed. `-v` is repeated because
    // an execve passes on nothing but arguments, environment and open descriptors.
    let mut args = vec![c"/proc/self/exe".to_owned()];
    if report::is_verbose() {
        args.push(c"-v".to_owned());
    }
    args.extend([c"child".to_owned(), CString::new(config.to_string())?]);
    report::trace(format!("execve(/proc/self/exe, child '{config}')"));
    nix::unistd::execv(c"/proc/self/exe", &args).context("execve(/proc/self/exe)")
}
