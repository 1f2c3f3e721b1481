/// The same program after the re-exec, in its new namespaces: sets up what only the inside can, then steps aside.
fn inside(config: &Value) -> Result<ExitCode> {
    report::inside();
    namespaces::set_hostname(config["hostname"].as_str().context("the config has no hostname")?)?;
    // Nothing stands between the kernel and the program: it is the clone itself, with another program in it.
    execute(&options::command(config))
}
