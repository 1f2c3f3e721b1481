/// The same program after the re-exec, in its new namespaces: sets up what only the inside can, then steps aside.
fn inside(config: &Value) -> Result<ExitCode> {
    report::inside();
    namespaces::set_hostname(config["hostname"].as_str().context("the config has no hostname")?)?;
    execute(&options::command(config))
}
