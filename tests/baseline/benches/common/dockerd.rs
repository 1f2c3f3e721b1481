//! dockerd, with the image that hull has.

use std::fs;
use std::path::Path;

use hull_test_support::http::Client;
use hull_test_support::peers::Dockerd;
use hull_test_support::{Scenario, fixtures};

/// A dockerd with the busybox image.
pub struct Peer(Dockerd);

impl Peer {
    pub fn start(t: &Scenario) -> Option<Self> {
        let dockerd = Dockerd::with_network(t, &t.path("dockerd"))?;
        let tar = fs::read(fixtures::busybox()).expect("the fixture is there");
        let target = "/images/create?fromSrc=-&repo=busybox&tag=latest";
        let fields = [("Content-Type", "application/x-tar")];
        let imported = Client::new(dockerd.socket()).send("POST", target, &fields, &tar);
        assert_eq!(imported.status, 200, "{imported}");
        Some(Self(dockerd))
    }

    pub fn socket(&self) -> &Path {
        self.0.socket()
    }
}
