/// The same program after the re-exec, now in the new namespaces: does the setup that is possible
/// only there, then runs the command.
fn inside(config: &Value) -> Result<ExitCode> {
    report::inside();
    cgroups::join_and_hide(&options::words(&config["cgroup"]))?;
    namespaces::set_hostname(config["hostname"].as_str().context("the config has no hostname")?)?;
    rootfs::detach()?;
    let dir = config["changes"].as_str().context("the config has no changes")?;
    let root = overlay::mount_at(dir.as_ref(), &options::words(&config["lowers"]))?;
    if config["usr"] == true {
        // On the merged tree, because an overlay shows directories and not what is mounted in them:
        // a /usr bound into a lower directory would be empty.
        rootfs::bind_usr(&root)?;
    }
    rootfs::mount_kernel(&root)?;
    rootfs::pivot(&root)?;
    init::run(&options::words(&config["command"]))
}
