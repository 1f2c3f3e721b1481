//! Volumes, and what a service mounts.

use super::mapping::{Labels, Mapping, Options};
use super::object::object;
use super::quantity::UnitBytes;

object! {
    pub struct Volume {
        name: String = "name",
        driver: String = "driver",
        driver_opts: Options = "driver_opts",
        external: bool = "external",
        labels: Labels = "labels",
    }
    plus {
        /// Labels that Compose adds.
        custom_labels: Labels,
    }
}

object! {
    /// A mount: `kind` is `bind`, `volume`, `tmpfs`, `image`, `npipe` or `cluster`.
    pub struct ServiceVolume {
        kind: String = "type",
        source: String = "source",
        target: String = "target",
        read_only: bool = "read_only",
        consistency: String = "consistency",
        bind: Option<BindOptions> = "bind",
        volume: Option<VolumeOptions> = "volume",
        tmpfs: Option<TmpfsOptions> = "tmpfs",
        image: Option<ImageOptions> = "image",
    }
}

object! {
    pub struct BindOptions {
        selinux: String = "selinux",
        propagation: String = "propagation",
        create_host_path: bool = "create_host_path",
        recursive: String = "recursive",
    }
}

object! {
    pub struct VolumeOptions {
        labels: Mapping = "labels",
        nocopy: bool = "nocopy",
        subpath: String = "subpath",
    }
}

object! {
    pub struct TmpfsOptions {
        size: UnitBytes = "size",
        mode: u32 = "mode",
    }
}

object! {
    pub struct ImageOptions {
        subpath: String = "subpath",
    }
}
