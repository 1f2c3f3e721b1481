//! `checkpoint`: saves a container to a directory with CRIU. Without `--leave-running` the container is deleted then.

use std::path::Path;

use anyhow::{Context, Result, bail};
use hull_runtime::checkpoint::{self, Criu, Dump, Options};

use crate::state::{Root, Status};
use crate::{cli, delete};

pub fn checkpoint(root: &Root, args: &cli::Checkpoint, global: &cli::Global) -> Result<u8> {
    let context = || format!("cannot checkpoint container {:?}", args.id);
    if args.page_server.is_some() || args.status_fd.is_some() {
        bail!("{}: --page-server and --status-fd: memory is written to --image-path only", context());
    }
    let options = options(&args.images).with_context(context)?;
    let parent = args.parent_path.as_deref();
    parent.map_or(Ok(()), |parent| check_parent(parent, &options.images)).with_context(context)?;
    let container = root.container(&args.id)?;
    let _lock = container.lock()?;
    let state = container.read()?;
    let status = container.status(&state);
    let init = match (&state.init, status) {
        (Some(init), Status::Running | Status::Paused) => init,
        _ => bail!("cannot checkpoint container {:?}, which is {status}", args.id),
    };
    let criu = Criu::find(global.criu.as_deref()).with_context(context)?;
    let spec = container.read_spec()?;
    let cgroup = state.open_cgroup()?;
    let dump = Dump {
        pid: init.pid,
        spec: &spec,
        rootfs: &state.rootfs,
        cgroup: &cgroup,
        options: &options,
        leave_running: args.leave_running,
        before: args.pre_dump,
        parent,
    };
    checkpoint::dump(&criu, &dump).with_context(context)?;
    if args.leave_running || args.pre_dump {
        return Ok(0);
    }
    delete::destroy(&container, Ok(cgroup), Some(init))?;
    delete::run_poststop(global, state.hook_state(&spec, 0));
    Ok(0)
}

/// The options of `checkpoint` and `restore` as CRIU gets them.
pub fn options(args: &cli::Images) -> Result<Options> {
    if !rustix::process::geteuid().is_root() {
        bail!("CRIU takes root");
    }
    if args.lazy_pages {
        bail!("--lazy-pages: memory is read from --image-path only");
    }
    Ok(Options {
        images: args.image_path.clone(),
        work: args.work_path.clone(),
        tcp_established: args.tcp_established,
        ext_unix_sk: args.ext_unix_sk,
        shell_job: args.shell_job,
        file_locks: args.file_locks,
        auto_dedup: args.auto_dedup,
        empty_network: args.empty_ns.is_some(),
        cgroups: args.manage_cgroups_mode.into(),
    })
}

/// Checks `--parent-path`. CRIU resolves it relative to the images, so that both can be moved together. If the parent does not
/// exist, CRIU saves all memory and reports nothing, so this function reports it.
fn check_parent(parent: &Path, images: &Path) -> Result<()> {
    if parent.is_absolute() {
        bail!("--parent-path {} is not relative to --image-path", parent.display());
    }
    let images = std::path::absolute(images)?;
    let inventory = images.join(parent).join("inventory.img");
    // The directory of the images may not exist yet, so `..` is resolved in the text.
    let plain = normal(&inventory);
    if !plain.is_file() {
        bail!("--parent-path {}: there is no {}", parent.display(), plain.display());
    }
    Ok(())
}

/// Resolves `.` and `..` in the text of a path.
fn normal(path: &Path) -> std::path::PathBuf {
    let mut plain = std::path::PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(plain.pop()),
            std::path::Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}
