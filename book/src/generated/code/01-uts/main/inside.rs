/// The same program after the re-exec, now in the new namespaces. It does the setup that is
/// possible only there, and then executes the command.
fn inside(config: &Value) -> Result<ExitCode> {
    report::inside();
    namespaces::set_hostname(config["hostname"].as_str().context("the config has no hostname")?)?;
    // No process stands in between: the cloned process itself executes the program.
    execute(&options::command(config))
}
