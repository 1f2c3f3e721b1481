/// Makes a bind mount detached, sets its attributes, and attaches it last, so that nobody ever sees it writable.
fn bind(
    rootfs: &Rootfs,
    mount: &Mount,
    options: &Options,
    bundle: &Path,
    prepared: Option<&OwnedFd>,
) -> Result<OwnedFd> {
    let source = bundle.join(mount.source.as_deref().unwrap_or_default());
    let shown = &mount.destination;
    let step = || format!("bind {} on {}", source.display(), shown.display());
    let tree = match prepared {
        Some(prepared) => prepared.try_clone().step(step)?,
        None => clone_source(rootfs, mount, options, bundle)?,
    };
    let stat = rustix::fs::fstat(&tree).step(step)?;
    let is_directory = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir();
    let is_procfs = procfs::is_procfs(&tree).step(step)?;
    let needs_plain_directory = is_procfs || procfs::is_sysfs(&tree).step(step)?;
    let target = match is_directory {
        true if needs_plain_directory => {
            rootfs.find_or_make_without_symlinks(shown, if is_procfs { "proc" } else { "sysfs" })?
        }
        true => rootfs.find_or_make(shown, Kind::Directory)?,
        false => rootfs.find_or_make(shown, Kind::File)?,
    };
    let target = guard::check(rootfs, target, shown, is_procfs)?;
    if options.attributes != 0 {
        let (set, clear) = (options.attributes, options.clear());
        hull_sys::mount::set_attributes(&tree, set, clear, 0, false).step(step)?;
    }
    let (set, clear) = (options.recursive_attributes, options.recursive_clear);
    if (set | clear) != 0 {
        hull_sys::mount::set_attributes(&tree, set, clear, 0, true).step(step)?;
    }
    hull_sys::mount::attach(&tree, &target).step(step)?;
    Ok(tree)
}
