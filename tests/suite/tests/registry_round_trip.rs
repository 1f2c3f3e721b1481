//! The same image through the registry to other engines and back: the trees are the same, file by file.

mod fake_registry;
mod trees;

use std::path::Path;
use std::process::Command;

use fake_registry::Content;
use hull_test_support::outcome::run;
use hull_test_support::peers::{Dockerd, Podman};
use hull_test_support::registry::Kind;
use hull_test_support::{Registry, Scenario, skip};
use tar::EntryType;
use trees::{Layer, Member, Tree, differences, layout, mount_layers, mounted, tree, unmount};

fn file<'a>(path: &'a [u8], data: &'a [u8]) -> Member<'a> {
    Member { path, data, ..Member::default() }
}

fn directory(path: &[u8]) -> Member<'_> {
    Member { kind: EntryType::Directory, path, mode: 0o755, ..Member::default() }
}

/// The bytes of the capability cap_net_bind_service: linux/capability.h, struct vfs_cap_data.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const ATTRIBUTES: [(&str, &[u8]); 2] = [("user.note", b"a\nb\0c"), ("security.capability", &CAPABILITY)];

/// Both layers list the directory, as builders do. If a layer only implies it, docker and podman make one that belongs to
/// root.
const LISTED: Member<'_> = Member {
    kind: EntryType::Directory,
    path: b"dir",
    link: b"",
    data: b"",
    mode: 0o1750,
    owner: (7, 8),
    modified: 987_654_321,
    device: (0, 0),
    attributes: ATTRIBUTES.split_at(1).0,
};

/// One file of each kind, and files that the layer above hides or replaces.
fn below() -> Layer {
    let mut layer = Layer::default();
    let (long, zeros) = ("n".repeat(200), vec![0; 3 << 20]);
    let node = |kind, path, mode, group, device| Member {
        kind,
        path,
        mode,
        owner: (0, group),
        device,
        ..Member::default()
    };
    layer.add(&LISTED);
    layer.add(&file(b"dir/file", b"content"));
    let (mode, owner) = (0o4755, (70_000, 3_000_000));
    layer.add(&Member { mode, owner, attributes: &ATTRIBUTES, ..file(b"dir/special", b"x") });
    layer.add(&Member { kind: EntryType::Link, link: b"dir/file", ..file(b"hard", b"") });
    layer.add(&Member {
        kind: EntryType::Symlink,
        link: b"../../etc/passwd",
        owner: (5, 5),
        ..file(b"soft", b"")
    });
    layer.add(&node(EntryType::Char, b"null", 0o666, 0, (1, 3)));
    layer.add(&node(EntryType::Block, b"disk", 0o660, 6, (8, 1)));
    layer.add(&node(EntryType::Fifo, b"fifo", 0o622, 0, (0, 0)));
    layer.add(&file(long.as_bytes(), b"long name"));
    layer.add(&file("ümlaut and\nnewline".as_bytes(), b"odd name"));
    layer.add(&file(b"zeros", &zeros));
    for name in [&b"gone"[..], b"opaque", b"opaque/below", b"becomes-file"] {
        layer.add(&directory(name));
    }
    layer.add(&file(b"opaque/hidden", b""));
    layer.add(&file(b"becomes-directory", b""));
    layer.add(&file(b"becomes-file/inside", b""));
    layer
}

/// Two layers with everything that a layer can contain.
fn awkward() -> Content {
    let mut above = Layer::default();
    above.add(&file(b".wh.gone", b""));
    above.add(&directory(b"opaque"));
    above.add(&file(b"opaque/.wh..wh..opq", b""));
    above.add(&file(b"opaque/new", b"new"));
    above.add(&file(b"becomes-file", b"now a file"));
    above.add(&directory(b"becomes-directory"));
    above.add(&file(b"becomes-directory/inside", b"x"));
    above.add(&LISTED);
    above.add(&file(b"dir/another", b"x"));
    let mut content = Content::default();
    content.image("1", &[below().end(), above.end()]);
    content
}

/// The image in hull's store, by id, and its tree.
fn loaded(t: &Scenario) -> (String, Tree) {
    let directory = t.path("layout");
    layout(&directory, &awkward(), "awkward");
    let said = t.ok(&["load", "-q", "-i", directory.to_str().unwrap()]);
    let id = t.ok(&["image", "inspect", "-f", "{{.Id}}", said.rsplit(' ').next().unwrap()]);
    let target = mounted(t, &id, "loaded");
    let tree = tree(&target);
    unmount(&target);
    assert_eq!(tree.len(), 17, "{tree:#?}");
    (id, tree)
}

#[track_caller]
fn assert_same_tree(ours: &Tree, theirs: &Path, who: &str) {
    let differ = differences(ours, &tree(theirs));
    assert!(differ.is_empty(), "hull / {who}:\n{}", differ.join("\n"));
}

/// Pulls a name again with hull, and checks that the tree is the same.
#[track_caller]
fn pulled_anew(t: &Scenario, name: &str, expected: &Tree, who: &str) {
    for id in t.ok(&["images", "-q", "--no-trunc"]).lines() {
        t.ok(&["rmi", "-f", id]);
    }
    t.ok(&["pull", name]);
    let target = mounted(t, name, who);
    let differ = differences(expected, &tree(&target));
    unmount(&target);
    assert!(differ.is_empty(), "pushed by hull / by {who}:\n{}", differ.join("\n"));
}

#[test]
fn skopeo_and_umoci_see_the_same_tree() {
    if skip::find_program("umoci").is_none() || skip::find_program("skopeo").is_none() {
        skip!("umoci or skopeo is not installed");
    }
    let Some(t) = Scenario::start() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let (id, ours) = loaded(&t);
    let name = registry.name("awkward:1");
    t.ok(&["push", &id, &name]);
    let copy = format!("oci:{}:made", t.path("copy").display());
    let skopeo = |args: &[&str]| {
        run(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet"]).args(args)).ok().to_owned()
    };
    skopeo(&["--src-tls-verify=false", &format!("docker://{name}"), &copy]);
    let image = format!("{}:made", t.path("copy").display());
    run(Command::new("umoci").args(["unpack", "--image", &image]).arg(t.path("bundle"))).ok();
    assert_same_tree(&ours, &t.path("bundle/rootfs"), "umoci");
    let back = registry.name("back:1");
    skopeo(&["--dest-tls-verify=false", "--format", "v2s2", &copy, &format!("docker://{back}")]);
    pulled_anew(&t, &back, &ours, "skopeo");
    let zstd = registry.name("zstd:1");
    skopeo(&[
        "--dest-tls-verify=false",
        "--dest-compress-format",
        "zstd",
        "--format",
        "oci",
        &copy,
        &format!("docker://{zstd}"),
    ]);
    pulled_anew(&t, &zstd, &ours, "skopeo with zstd");
}

#[test]
fn podman_sees_the_same_tree_and_pushes_it_back() {
    let Some(t) = Scenario::start() else { return };
    let Some(podman) = Podman::new(&t, t.path("podman")) else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let (id, ours) = loaded(&t);
    let (name, back) = (registry.name("awkward:1"), registry.name("back:1"));
    let digest = t.ok(&["push", "-q", &id, &name]);
    let transfer = |verb: &str, args: &[&str]| {
        run(&mut podman.transfer(verb, args)).ok();
    };
    transfer("pull", &[&name]);
    assert_eq!(podman.ok(&["image", "inspect", "--format", "{{.Digest}}", &name]), digest);
    let mounted = podman.ok(&["image", "mount", &name]);
    assert_same_tree(&ours, Path::new(&mounted), "podman");
    podman.ok(&["image", "unmount", &name]);
    podman.ok(&["tag", &name, &back]);
    transfer("push", &[&back]);
    pulled_anew(&t, &back, &ours, "podman");
    // A layer with a table of contents for clients that fetch single files. Other clients read it as a plain layer of
    // several frames. It has another store, because podman would mount existing blobs from this one.
    let Some(other) = Registry::start(&t, Kind::Plain, "127.0.0.1", 5001) else { return };
    let chunked = other.name("chunked:1");
    podman.ok(&["tag", &name, &chunked]);
    transfer("push", &["--compression-format", "zstd:chunked", "--format", "oci", &chunked]);
    let kind =
        t.ok(&["image", "inspect", "--remote", "-f", "{{range .Layers}}{{.MediaType}} {{end}}", &chunked]);
    assert!(kind.contains("+zstd"), "{kind}");
    pulled_anew(&t, &chunked, &ours, "podman with zstd:chunked");
    podman.ok(&["rmi", "-f", &name]);
}

#[test]
fn dockerd_sees_the_same_tree_and_pushes_it_back() {
    let Some(t) = Scenario::start() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let (id, ours) = loaded(&t);
    let (name, back) = (registry.name("awkward:1"), registry.name("back:1"));
    let pushed = t.ok(&["push", "-q", &id, &name]);
    let Some(dockerd) = Dockerd::start(&t, &t.path("docker")) else { return };
    let pulled = dockerd.ok(&["pull", &name]);
    assert!(pulled.contains(&pushed), "the same digest: {pulled}");
    assert_eq!(dockerd.ok(&["image", "inspect", "-f", "{{.Id}}", &name]), id, "the same id");
    let template = "{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}";
    let layers = dockerd.ok(&["image", "inspect", "-f", template, &name]);
    let target = mount_layers(&t, &layers, "docker");
    assert_same_tree(&ours, &target, "dockerd");
    unmount(&target);
    dockerd.ok(&["tag", &name, &back]);
    dockerd.ok(&["push", &back]);
    drop(dockerd);
    pulled_anew(&t, &back, &ours, "dockerd");
}
