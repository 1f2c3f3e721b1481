//! A bundle: reading its `config.json` and adapting it (OCI runtime-spec, bundle.md and config.md).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hull_runtime::cgroups;
use hull_runtime::security::defaults;
use hull_runtime::spec::{BlockIo, Resources, Spec};
use hull_runtime::systemd::Unit;

/// The version of the runtime-spec that hull-oci implements.
pub const OCI_VERSION: &str = "1.3.0";
/// The output of `--version` after the name, in runc's format. A build does not know its commit.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\ncommit: unknown\nspec: 1.3.0");

pub struct Bundle {
    /// An absolute path.
    pub directory: PathBuf,
    pub spec: Spec,
}

impl Bundle {
    /// Reads and checks the bundle. Makes nothing.
    pub fn load(directory: &Path) -> Result<Self> {
        let directory = std::fs::canonicalize(directory)
            .with_context(|| format!("cannot open the bundle {}", directory.display()))?;
        let config = directory.join("config.json");
        let text = std::fs::read(&config).with_context(|| format!("cannot read {}", config.display()))?;
        let mut spec =
            hull_runtime::config::parse(&text).with_context(|| format!("cannot use {}", config.display()))?;
        let linux = spec.linux.get_or_insert_default();
        let resources = linux.resources.get_or_insert_default();
        unset_zeros(resources);
        allow_default_devices(resources);
        if rustix::process::geteuid().is_root() {
            // The container then gets a cgroup in the blkio hierarchy of v1, where engines read its I/O statistics. Otherwise
            // they would read those of the whole machine.
            resources.block_io.get_or_insert_default();
        }
        let mut bundle = Self { directory, spec };
        bundle.shorten_destinations();
        let rootfs = bundle.rootfs();
        if !rootfs.is_dir() {
            bail!("cannot use {}: root.path: {} is no directory", config.display(), rootfs.display());
        }
        Ok(bundle)
    }

    /// Removes the root's path on the host from the beginning of destinations, as runc does.
    fn shorten_destinations(&mut self) {
        let Ok(root) = std::fs::canonicalize(self.rootfs()) else { return };
        for mount in &mut self.spec.mounts {
            if let Ok(below) = mount.destination.strip_prefix(&root).map(|below| Path::new("/").join(below)) {
                mount.destination = below;
            }
        }
    }

    pub fn rootfs(&self) -> PathBuf {
        self.directory.join(self.spec.root.as_ref().map(|root| root.path.as_path()).unwrap_or(Path::new("")))
    }

    /// False for an unprivileged user whose bundle has no limits: without delegation such a user can make no cgroup.
    pub fn needs_cgroup(&self) -> bool {
        let resources = self.spec.linux.as_ref().and_then(|linux| linux.resources.as_ref());
        rustix::process::geteuid().is_root()
            || resources.is_some_and(|resources| *resources != Resources::default())
    }
}

/// The path of the container's cgroup: the bundle's, or one that is named after the container. With systemd it is the
/// cgroup of the unit that the bundle names.
pub fn cgroup_path(spec: &Spec, id: &str, systemd: bool) -> Result<(String, Option<Unit>)> {
    let asked =
        spec.linux.as_ref().and_then(|linux| linux.cgroups_path.as_deref()).filter(|path| !path.is_empty());
    if systemd {
        let unit = Unit::parse(asked, id)?.annotated(&spec.annotations)?;
        return Ok((unit.cgroup_path().context("--systemd-cgroup")?, Some(unit)));
    }
    if let Some(path) = asked.filter(|path| path.split(':').count() == 3) {
        bail!("linux.cgroupsPath {path:?} is systemd's form, which takes --systemd-cgroup");
    }
    if let Some(asked) = asked {
        return Ok((asked.to_owned(), None));
    }
    let is_unprivileged = !rustix::process::geteuid().is_root() || hull_sys::id_map::in_user_namespace();
    let own =
        cgroups::detect().ok().filter(|_| is_unprivileged).and_then(|layout| cgroups::delegated(&layout));
    Ok((format!("{}/{id}", own.map(|own| format!("/{own}")).unwrap_or_default()), None))
}

/// Removes limits of zero. Engines write zero for a limit that the user did not set, and the kernel would apply it.
pub fn unset_zeros(resources: &mut Resources) {
    if let Some(memory) = &mut resources.memory {
        memory.limit = memory.limit.filter(|value| *value != 0);
        memory.reservation = memory.reservation.filter(|value| *value != 0);
        memory.swap = memory.swap.filter(|value| *value != 0);
        memory.disable_oom_killer = memory.disable_oom_killer.filter(|value| *value);
        memory.kernel = memory.kernel.filter(|value| *value != 0);
        memory.kernel_tcp = memory.kernel_tcp.filter(|value| *value != 0);
    }
    if let Some(cpu) = &mut resources.cpu {
        cpu.shares = cpu.shares.filter(|value| *value != 0);
        cpu.quota = cpu.quota.filter(|value| *value != 0);
        cpu.period = cpu.period.filter(|value| *value != 0);
        cpu.realtime_period = cpu.realtime_period.filter(|value| *value != 0);
        cpu.realtime_runtime = cpu.realtime_runtime.filter(|value| *value != 0);
        cpu.cpus = cpu.cpus.take().filter(|value| !value.is_empty());
        cpu.mems = cpu.mems.take().filter(|value| !value.is_empty());
    }
    if let Some(block_io) = &mut resources.block_io {
        block_io.weight = block_io.weight.filter(|value| *value != 0);
        block_io.leaf_weight = block_io.leaf_weight.filter(|value| *value != 0);
    }
    resources.block_io = resources.block_io.take().filter(|block_io| *block_io != BlockIo::default());
    if let Some(network) = &mut resources.network {
        network.class_id = network.class_id.filter(|value| *value != 0);
    }
}

/// Adds rules for the devices that every container has (config-linux.md, "Default Devices"): they can be opened whatever
/// the bundle denies, and if the bundle has no rules, all other devices are denied. In a user namespace the kernel allows
/// neither changes of the rules nor new nodes (mknod(2)).
pub fn allow_default_devices(resources: &mut Resources) {
    if hull_sys::id_map::in_user_namespace() || !rustix::process::geteuid().is_root() {
        resources.devices.clear();
        return;
    }
    let defaults = defaults::device_rules();
    // The first of the defaults denies everything.
    let skipped = usize::from(!resources.devices.is_empty());
    resources.devices.extend(defaults.into_iter().skip(skipped));
}
