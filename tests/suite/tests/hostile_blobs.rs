//! Blobs with other content, blobs that end early, never end or grow: hull keeps only correct blobs, and downloads no
//! correct blob twice.

mod fake_registry;

use std::sync::atomic::{AtomicUsize, Ordering};

use fake_registry::{Content, MANIFEST, assert_fails_with, gzip, noise, pull, simple, tar};
use hull_test_support::server::{Body, Reply, Request};
use hull_test_support::{Scenario, Terminal};

fn is_layer(request: &Request, content: &Content) -> bool {
    let digest = request.path.rsplit('/').next().unwrap_or_default();
    request.path.contains("/blobs/")
        && content.blobs.get(digest).is_some_and(|blob| blob.first() == Some(&0x1f))
}

#[test]
fn a_blob_that_is_another_is_not_kept() {
    let Some(t) = Scenario::start() else { return };
    let other = gzip(&tar(&[("evil", b"evil")]));
    let wrong = |request: &Request, content: &Content| {
        let right = content.answer(request);
        let Body::Whole(bytes) = right.body else { return None };
        let mut bytes = bytes;
        *bytes.last_mut()? ^= 1;
        is_layer(request, content).then(|| Reply::new(200, bytes))
    };
    assert_fails_with(&t, simple(), wrong, "asked for the blob sha256:");
    let left = std::fs::read_dir(t.data_root().join("downloads")).unwrap().flatten();
    assert_eq!(
        left.map(|entry| entry.metadata().unwrap().len()).sum::<u64>(),
        0,
        "nothing of it is taken up again"
    );
    let size = move |request: &Request, content: &Content| {
        is_layer(request, content).then(|| Reply::new(200, other.clone()))
    };
    assert_fails_with(&t, simple(), size, "and the manifest says");
    let config = |request: &Request, content: &Content| {
        let is_config = request.path.contains("/blobs/") && !is_layer(request, content);
        is_config.then(|| Reply::new(200, "{}"))
    };
    assert_fails_with(&t, simple(), config, "asked for the blob sha256:");
}

#[test]
fn a_blob_has_an_end_and_reaches_it() {
    let Some(t) = Scenario::start() else { return };
    let endless = |request: &Request, content: &Content| {
        is_layer(request, content).then(|| Reply::with(200, Body::Endless(vec![7; 65536])))
    };
    assert_fails_with(&t, simple(), endless, "is longer than the manifest says");
    let cut = |request: &Request, content: &Content| {
        let Body::Whole(bytes) = content.answer(request).body else { return None };
        let from_start = request.header("range").is_empty();
        let some = if from_start { bytes[..100].to_vec() } else { vec![] };
        let length = bytes.len() as u64;
        let reply = if from_start { Reply::with(200, Body::Said(some, length)) } else { Reply::new(503, "") };
        is_layer(request, content).then_some(reply)
    };
    assert_fails_with(&t, simple(), cut, "Service Unavailable (503)");
    let always = |request: &Request, content: &Content| {
        is_layer(request, content).then(|| Reply::with(200, Body::Said(vec![], 50_100)))
    };
    let mut content = Content::default();
    let manifest = content.image("1", &[tar(&[("x", &noise(50_000, 7))])]);
    let said = manifest["layers"][0]["size"].as_u64().unwrap();
    let always = move |request: &Request, content: &Content| {
        always(request, content).map(|_| Reply::with(200, Body::Said(vec![], said)))
    };
    assert_fails_with(&t, content, always, "bytes");
}

#[test]
fn a_blob_that_breaks_off_is_taken_up_where_it_broke_off() {
    let Some(t) = Scenario::start() else { return };
    for ranges in [true, false] {
        let breaks = AtomicUsize::new(0);
        let mut content = Content::default();
        content.image("1", &[tar(&[("x", &noise(300_000, if ranges { 1 } else { 2 }))])]);
        let server = content.serve(move |request, content| {
            let mut whole = request.clone();
            if !ranges {
                whole.headers.remove("range");
            }
            let reply = content.answer(&whole);
            let Body::Whole(bytes) = &reply.body else { return None };
            if !is_layer(request, content) || breaks.fetch_add(1, Ordering::Relaxed) >= 2 {
                return Some(reply);
            }
            let (some, length) = (bytes[..bytes.len() / 3].to_vec(), bytes.len() as u64);
            Some(Reply { body: Body::Said(some, length), ..reply })
        });
        pull(&t, &server, "x:1").ok();
        let asked: Vec<_> = server.requests().into_iter().filter(|r| r.path.contains("/blobs/")).collect();
        let ranges: Vec<_> =
            asked.iter().map(|r| r.header("range").to_owned()).filter(|r| !r.is_empty()).collect();
        assert_eq!(ranges.len(), 2, "{asked:?}");
    }
}

#[test]
fn what_an_interrupted_pull_fetched_is_not_fetched_again() {
    let Some(t) = Scenario::start() else { return };
    let mut content = Content::default();
    content.image("1", &[tar(&[("x", &noise(3_000_000, 3))])]);
    let stalled = content.clone().serve(|request, content| {
        let Body::Whole(bytes) = content.answer(request).body else { return None };
        let pause = std::time::Duration::from_millis(10);
        is_layer(request, content).then(|| Reply::with(200, Body::Slow(bytes, pause)))
    });
    let mut first = t.spawn(&["pull", &format!("{}/x:1", stalled.host)]);
    let come = || {
        let files = std::fs::read_dir(t.data_root().join("downloads")).into_iter().flatten().flatten();
        files.filter_map(|file| Some(file.metadata().ok()?.len())).sum::<u64>()
    };
    hull_test_support::outcome::eventually("something has come", || come() > 200_000);
    first.kill();
    drop(first.wait());
    let kept = come();
    nothing_visible_but_staging(&t);
    let server = content.serve(|_, _| None);
    t.ok(&["pull", &format!("{}/x:1", server.host)]);
    let asked = server.requests();
    let range = asked.iter().find(|r| r.path.contains("/blobs/") && !r.header("range").is_empty());
    assert_eq!(range.expect("a range").header("range"), format!("bytes={kept}-"));
}

#[test]
fn a_terminal_shows_a_bar_for_each_layer() {
    let Some(t) = Scenario::start() else { return };
    let mut content = Content::default();
    let manifest =
        content.image("1", &[tar(&[("x", &noise(2_000_000, 3))]), tar(&[("y", &noise(2_000_000, 5))])]);
    let short = |at: usize| manifest["layers"][at]["digest"].as_str().unwrap()[7..19].to_owned();
    let server = content.serve(|request, content| {
        let bytes = fake_registry::layer_asked(request, content)?;
        Some(Reply::with(200, Body::Slow(bytes, std::time::Duration::from_millis(3))))
    });
    let name = format!("{}/x:1", server.host);
    let mut terminal = Terminal::start(&t.command(&["pull", &name]));
    terminal.expect(&format!("{}: Pulling [", short(0)));
    terminal.expect("kB/2.11 MB");
    terminal.expect(&format!("Downloaded newer image for {name}"));
    let seen = terminal.seen();
    assert!(seen.contains(&format!("{}: Pull complete", short(1))), "{seen}");
    assert_eq!(terminal.wait(), 0);
}

/// The next garbage collection removes the staging directories of a killed command.
fn nothing_visible_but_staging(t: &Scenario) {
    assert_eq!(t.ok(&["images", "-aq"]), "");
    let layers = std::fs::read_dir(t.data_root().join("layers")).unwrap().flatten();
    assert!(
        layers.map(|layer| layer.file_name()).all(|name| name.to_string_lossy().starts_with(".staging-"))
    );
}

#[test]
fn two_pulls_at_once_share_the_work() {
    let Some(t) = Scenario::start() else { return };
    let mut content = Content::default();
    let tars: Vec<_> = [1, 3, 5].into_iter().map(|seed| tar(&[("x", &noise(300_000, seed))])).collect();
    content.image("1", &tars);
    // The same layers in the opposite order: no process may wait for one that waits for it.
    let turned: Vec<_> = tars.into_iter().rev().collect();
    content.image("2", &turned);
    let server = content.serve(|request, content| {
        let Body::Whole(bytes) = content.answer(request).body else { return None };
        let pause = std::time::Duration::from_millis(3);
        is_layer(request, content).then(|| Reply::with(200, Body::Slow(bytes, pause)))
    });
    let name = |tag: &str| format!("{}/x:{tag}", server.host);
    let pulls: Vec<_> = ["1", "2", "1", "2"].iter().map(|tag| t.spawn(&["pull", &name(tag)])).collect();
    for pull in pulls {
        pull.wait().ok();
    }
    let mut blobs: Vec<_> = server.asked("GET", "/blobs/").into_iter().map(|request| request.path).collect();
    blobs.sort();
    let all = blobs.len();
    blobs.dedup();
    let configurations = 2;
    assert!(
        blobs.len() == 3 + configurations && all <= blobs.len() + configurations,
        "{all} requests: {blobs:?}"
    );
}

#[test]
fn a_layer_that_outgrows_the_disk_leaves_nothing() {
    let Some(t) = Scenario::start() else { return };
    std::fs::create_dir_all(t.data_root()).unwrap();
    let small = rustix::mount::mount(
        "tmpfs",
        t.data_root(),
        "tmpfs",
        rustix::mount::MountFlags::empty(),
        c"size=32m",
    );
    small.unwrap();
    let mut content = Content::default();
    // Not zeros, which would be holes and take no disk space.
    content.image("1", &[tar(&[("ones", &vec![1; 200 << 20])])]);
    let refused = assert_fails_with(&t, content, |_, _| None, "No space left on device");
    assert!(refused.stderr.contains("hull system prune"), "{refused}");
    rustix::mount::unmount(t.data_root(), rustix::mount::UnmountFlags::DETACH).unwrap();
}

/// Zeros after the end of the tar take no disk space, but they take processor time as long as they continue.
#[test]
fn a_gzip_bomb_is_refused_before_it_has_gone_off() {
    let Some(t) = Scenario::start() else { return };
    let mut content = Content::default();
    let small = tar(&[("small", b"x")]);
    // The best compression there is, a thousandth. Many real layers shrink as much under fast compression.
    let mut zeros = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut zeros, &vec![0; 64 << 20]).unwrap();
    let bomb = [gzip(&small), zeros.finish().unwrap().repeat(70)].concat();
    let mut manifest = content.image("1", &[small]);
    manifest["layers"][0] = content.descriptor("application/vnd.oci.image.layer.v1.tar+gzip", bomb);
    content.tag("1", MANIFEST, &manifest);
    assert_fails_with(&t, content, |_, _| None, "bytes of it become more than 4");
}
