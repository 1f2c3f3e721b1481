/// In the child. Why exec the same program again? The copy of the parent's memory is gone, with whatever secrets were
/// in it, and the inside starts from a main() of its own, as it would in a program of any size or language.
/// There is one more reason to begin anew: here a program of many threads would have one of them, and the locks of all.
fn wait_and_exec(reader: &mut File, config: &Value) -> Result<std::convert::Infallible> {
    report::inside();
    // If our parent dies, so do we, even if it was killed with -9 and could not tell anybody; prctl(2).
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("prctl(PR_SET_PDEATHSIG)")?;
    // One byte: go. None: the parent gave up, or died before the prctl above.
    if reader.read(&mut [0])? == 0 {
        bail!("the outside gave up before this container began");
    }
    // What is executed is the file itself, whatever has become of its name. `-v` has to be said again: nothing else of
    // what we know gets through an execve.
    let mut args = vec![c"/proc/self/exe".to_owned()];
    if report::is_verbose() {
        args.push(c"-v".to_owned());
    }
    args.extend([c"child".to_owned(), CString::new(config.to_string())?]);
    report::trace(format!("execve(/proc/self/exe, child '{config}')"));
    nix::unistd::execv(c"/proc/self/exe", &args).context("execve(/proc/self/exe)")
}
