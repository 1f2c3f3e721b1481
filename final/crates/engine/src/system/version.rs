//! `version`: what hull claims to be to docker's clients.

use std::collections::BTreeMap;

use hull_docker::version::{NEWEST_API, OLDEST_API, SERVER, api};
use hull_docker::wire::system::{Component, Product, ServerVersion};
use hull_image::platform::Platform;

/// Fields that only a Go program has are empty.
pub fn server_version() -> ServerVersion {
    let arch = Platform::host().architecture;
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let details = [
        ("ApiVersion", api(NEWEST_API)),
        ("Arch", arch.clone()),
        ("BuildTime", String::new()),
        ("Experimental", "false".into()),
        ("GitCommit", String::new()),
        ("GoVersion", String::new()),
        ("KernelVersion", kernel.clone()),
        ("MinAPIVersion", api(OLDEST_API)),
        ("Os", "linux".into()),
    ];
    let details = details.map(|(key, value)| (key.to_owned(), value));
    let own = env!("CARGO_PKG_VERSION");
    ServerVersion {
        platform: Product { name: "hull".into() },
        components: vec![
            // Clients look for this name.
            Component { name: "Engine".into(), version: SERVER.into(), details: details.into() },
            Component { name: "hull-oci".into(), version: own.into(), details: BTreeMap::new() },
        ],
        version: SERVER.into(),
        api_version: api(NEWEST_API),
        min_api_version: api(OLDEST_API),
        os: "linux".into(),
        arch,
        kernel_version: kernel,
        ..ServerVersion::default()
    }
}
