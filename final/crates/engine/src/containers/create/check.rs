//! Refuses options that contradict each other, or that this machine cannot fulfil.

use hull_image::platform::Platform;
use hull_image::store::Image;

use crate::error::{Error, Result};
use crate::records::options::{CreateOptions, NamespaceMode, NetworkMode, RestartPolicy};
use crate::rootfs::etc_files;

/// The checks that need no image.
pub(super) fn options(options: &CreateOptions) -> Result<()> {
    let conflict = |why: &str| Err(Error::Invalid { what: "combination of options".into(), why: why.into() });
    if options.auto_remove && options.restart != RestartPolicy::No {
        return conflict("--rm and --restart: a container that is removed cannot be restarted");
    }
    if options.hostname.is_some() && options.uts == NamespaceMode::Host {
        return conflict("--hostname and --uts host: the name would be the host's");
    }
    if matches!(options.network, NetworkMode::Container(_))
        && (!options.publish.is_empty() || options.publish_all)
    {
        return conflict("-p and --network container: the ports are the other container's");
    }
    if matches!(options.network, NetworkMode::Container(_)) && options.hostname.is_some() {
        return conflict("--hostname and --network container: the name is the other container's");
    }
    if !options.device_cgroup_rules.is_empty() && hull_sys::id_map::in_user_namespace() {
        return conflict(
            "--device-cgroup-rule: device rules are root's; for an unprivileged user --device binds a device",
        );
    }
    crate::spec::check_resources(&options.resources)?;
    etc_files::check(options)?;
    crate::spec::check_sysctls(options)
}

/// `--platform` has to name the platform of the image.
pub(super) fn platform(image: &Image, name: &str, wanted: &str) -> Result<()> {
    let (wanted, found) = (Platform::parse(wanted)?, image.config.platform());
    if wanted.suits(&found).is_some() {
        return Ok(());
    }
    let (found, wanted) = (found.to_string(), wanted.to_string());
    Err(Error::OtherPlatform { image: name.to_owned(), found, wanted })
}
