//! The store after commands were killed at random moments, and after somebody changed its files.

mod fake_registry;

use std::time::Duration;

use fake_registry::{Content, layer_asked, noise, tar};
use hull_test_support::server::{Body, Reply};
use hull_test_support::{Registry, Scenario};

#[test]
fn what_is_damaged_is_found_and_fetched_again() {
    let Some(t) = Scenario::start() else { return };
    let mut content = Content::default();
    let manifest = content.image("1", &[tar(&[("a", &noise(40_000, 1)), ("b", b"b")]), tar(&[("c", b"c")])]);
    let digest = |value: &serde_json::Value| value["digest"].as_str().unwrap()[7..].to_owned();
    let (layer, config) = (digest(&manifest["layers"][0]), digest(&manifest["config"]));
    let server = content.serve(|_, _| None);
    let name = format!("{}/x:1", server.host);
    t.ok(&["pull", &name]);
    assert_eq!(t.ok(&["system", "check"]), "The store is what it should be.");

    let blobs = t.data_root().join("blobs/sha256");
    let mut bytes = std::fs::read(blobs.join(&layer)).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(blobs.join(&layer), &bytes).unwrap();
    std::fs::remove_file(blobs.join(&config)).unwrap();
    let found = t.hull(&["system", "check"]);
    assert!(found.fails(1).contains("--repair"), "{found}");
    assert!(
        found.stdout.contains(&format!("{layer}, is damaged"))
            && found.stdout.contains(&format!("{config}, is missing")),
        "{found}"
    );
    let repaired = t.ok(&["system", "check", "--repair"]);
    assert_eq!(repaired.matches("(repaired)").count(), 2, "{repaired}");
    assert_eq!(t.ok(&["system", "check"]), "The store is what it should be.");

    let inside = t.ok(&["image", "inspect", "-f", "{{.GraphDriver.Data.LowerDir}}", &name]);
    std::fs::write(std::path::Path::new(&inside).join("b"), "changed").unwrap();
    let found = t.hull(&["system", "check"]);
    assert!(found.stdout.contains("is not as it was unpacked: b"), "{found}");
    assert_eq!(t.ok(&["system", "check", "--quick"]), "The store is what it should be.");
    t.ok(&["system", "check", "--repair"]);
    assert_eq!(std::fs::read(std::path::Path::new(&inside).join("b")).unwrap(), b"b");
    assert_eq!(t.ok(&["system", "check"]), "The store is what it should be.");
}

/// xorshift64*: random moments, which differ from run to run.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        Self(std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64) | 1)
    }

    fn below(&mut self, milliseconds: u64) -> Duration {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        Duration::from_micros(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % (milliseconds * 1000))
    }
}

/// Kills `hull args…` after a random time, because the test is about all moments.
fn killed(t: &Scenario, args: &[&str], after: Duration) {
    let mut running = t.spawn(args);
    std::thread::sleep(after);
    running.kill();
    drop(running.wait());
}

#[test]
fn a_kill_at_any_moment_leaves_a_store_that_is_clean() {
    let Some(t) = Scenario::start() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let tars: Vec<_> =
        [1, 3, 5].iter().map(|seed| tar(&[("x", &noise(2_000_000, *seed)), ("bin/y", b"y")])).collect();
    let mut content = Content::default();
    content.image("1", &tars);
    let server = content.serve(|request, content| {
        let slow = layer_asked(request, content)?;
        Some(Reply::with(200, Body::Slow(slow, Duration::from_micros(30))))
    });
    let name = format!("{}/x:1", server.host);
    let archive = t.path("archive.tar");
    t.ok(&["pull", &name]);
    t.ok(&["save", "-o", archive.to_str().unwrap(), &name]);
    t.ok(&["create", "--name", "box", &name, "/x"]);
    t.ok(&["rmi", "-f", &name]);
    let mut moments = Moments::new();
    // Five verbs, each twenty times.
    for round in 0..20 {
        killed(&t, &["pull", &name], moments.below(150));
        t.ok(&["pull", "-q", &name]);
        // An image that the registry does not have yet.
        let copy = registry.name(&format!("copy-{round}:1"));
        killed(&t, &["push", &name, &copy], moments.below(120));
        killed(&t, &["commit", "box", "made"], moments.below(60));
        killed(&t, &["load", "-i", archive.to_str().unwrap()], moments.below(120));
        killed(&t, &["rmi", "-f", &name], moments.below(30));
        let clean = t.hull(&["system", "check"]);
        assert_eq!(clean.ok(), "The store is what it should be.", "round {round}: {clean}");
        t.ok(&["pull", "-q", &name]);
        t.ok(&["push", "-q", &name, &copy]);
        t.ok(&["rmi", "-f", &name]);
    }
    t.ok(&["rm", "box"]);
    t.ok(&["image", "prune", "-a", "-f"]);
    for directory in ["blobs/sha256", "layers", "downloads"] {
        let left: Vec<_> = std::fs::read_dir(t.data_root().join(directory)).unwrap().collect();
        assert!(left.is_empty(), "{directory}: {left:?}");
    }
}

#[test]
fn collecting_takes_nothing_from_pulls_or_containers() {
    let Some(t) = Scenario::start() else { return };
    let mut content = Content::default();
    let shared = tar(&[("shared", &noise(500_000, 1))]);
    content.image("1", &[shared.clone(), tar(&[("x", &noise(500_000, 3))])]);
    content.image("2", &[shared, tar(&[("x", &noise(500_000, 5))])]);
    let server = content.serve(|request, content| {
        let slow = layer_asked(request, content)?;
        let pause = Duration::from_micros(100);
        Some(Reply::with(200, Body::Slow(slow, pause)))
    });
    let name = |tag: u32| format!("{}/x:{tag}", server.host);
    let mut moments = Moments::new();
    for round in 0..8 {
        let pulls: Vec<_> = [1, 2].iter().map(|tag| t.spawn(&["pull", "-q", &name(*tag)])).collect();
        for _ in 0..4 {
            std::thread::sleep(moments.below(20));
            t.ok(&["image", "prune", "-a", "-f"]);
        }
        for pull in pulls {
            pull.wait().ok();
        }
        // The first image may have been removed completely.
        assert_eq!(t.ok(&["system", "check"]), "The store is what it should be.", "round {round}");
        t.ok(&["pull", "-q", &name(1)]);
        t.ok(&["create", "--name", "box", &name(1), "/x"]);
        t.ok(&["rmi", "-f", &name(1)]);
        t.ok(&["image", "prune", "-a", "-f"]);
        let copied = t.path("copied");
        t.ok(&["cp", "box:/shared", copied.to_str().unwrap()]);
        assert!(std::fs::read(copied).unwrap() == noise(500_000, 1), "round {round}");
        t.ok(&["rm", "box"]);
        t.ok(&["image", "prune", "-a", "-f"]);
    }
}
