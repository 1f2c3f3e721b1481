/// Runs in the child. Why does the child execute the same program again? The child has a copy of
/// the parent's memory, with any secrets in it, and execve replaces this copy. The setup of the
/// container then starts from a main() of its own. There is a second reason: in the copy of a
/// program with several threads only one thread runs, and the locks of the others stay locked.
pub fn wait_and_exec(reader: &mut File, config: &Value) -> Result<std::convert::Infallible> {
    report::inside();
    // Ask the kernel to kill this process when its parent dies, even if the parent was killed by
    // SIGKILL; prctl(2).
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("prctl(PR_SET_PDEATHSIG)")?;
    // One byte means: continue. End of file means: the parent gave up, or died before the prctl above.
    if reader.read(&mut [0])? == 0 {
        bail!("the parent gave up before this container began");
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
