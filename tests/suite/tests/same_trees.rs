//! The same image through the registry to other engines and back: the trees are the same, file by file.

mod registry_world;
mod trees;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hull_test_support::outcome::{eventually, run};
use hull_test_support::registry::Kind;
use hull_test_support::{Registry, Scenario, skip};
use registry_world::Content;
use tar::EntryType;
use trees::{Layer, Member, Tree, differences, layout, mount_layers, mounted, tree, unmount};

/// Two layers with whatever a layer may have.
fn awkward() -> Content {
    let mut below = Layer::default();
    let (long, zeros) = ("n".repeat(200), vec![0; 3 << 20]);
    let file = |path, data| Member { path, data, ..Member::default() };
    let directory = |path| Member { kind: EntryType::Directory, path, mode: 0o755, ..Member::default() };
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let attributes: &[(&str, &[u8])] = &[("user.note", b"a\nb\0c"), ("security.capability", &capability)];
    let listed = Member {
        mode: 0o1750,
        owner: (7, 8),
        modified: 987_654_321,
        attributes: &attributes[..1],
        ..directory(b"dir")
    };
    below.add(&listed);
    below.add(&file(b"dir/file", b"content"));
    below.add(&Member { mode: 0o4755, owner: (70_000, 3_000_000), attributes, ..file(b"dir/special", b"x") });
    below.add(&Member { kind: EntryType::Link, path: b"hard", link: b"dir/file", ..Member::default() });
    below.add(&Member {
        kind: EntryType::Symlink,
        path: b"soft",
        link: b"../../etc/passwd",
        owner: (5, 5),
        ..Member::default()
    });
    below.add(&Member {
        kind: EntryType::Char,
        path: b"null",
        mode: 0o666,
        device: (1, 3),
        ..Member::default()
    });
    below.add(&Member {
        kind: EntryType::Block,
        path: b"disk",
        mode: 0o660,
        owner: (0, 6),
        device: (8, 1),
        ..Member::default()
    });
    below.add(&Member { kind: EntryType::Fifo, path: b"fifo", mode: 0o622, ..Member::default() });
    below.add(&file(long.as_bytes(), b"long name"));
    below.add(&file("ümlaut and\nnewline".as_bytes(), b"odd name"));
    below.add(&file(b"zeros", &zeros));
    for name in [&b"gone"[..], b"opaque", b"opaque/below", b"becomes-file"] {
        below.add(&directory(name));
    }
    below.add(&file(b"opaque/hidden", b""));
    below.add(&file(b"becomes-directory", b""));
    below.add(&file(b"becomes-file/inside", b""));
    let mut above = Layer::default();
    above.add(&file(b".wh.gone", b""));
    above.add(&directory(b"opaque"));
    above.add(&file(b"opaque/.wh..wh..opq", b""));
    above.add(&file(b"opaque/new", b"new"));
    above.add(&file(b"becomes-file", b"now a file"));
    above.add(&directory(b"becomes-directory"));
    above.add(&file(b"becomes-directory/inside", b"x"));
    // Listed again, as builders do. Where one is only implied, docker and podman make one of root's own.
    above.add(&listed);
    above.add(&file(b"dir/another", b"x"));
    let mut content = Content::default();
    content.image("1", &[below.end(), above.end()]);
    content
}

/// The image in hull's store, by id, and its tree.
fn loaded(t: &Scenario) -> (String, Tree) {
    let directory = t.path("layout");
    layout(&directory, &awkward(), "awkward");
    let said = t.ok(&["load", "-q", "-i", directory.to_str().unwrap()]);
    let id = said.rsplit(' ').next().unwrap().to_owned();
    let target = mounted(t, &id, "loaded");
    let tree = tree(&target);
    unmount(&target);
    assert_eq!(tree.len(), 17, "{tree:#?}");
    (id, tree)
}

#[track_caller]
fn same(ours: &Tree, theirs: &Path, who: &str) {
    let differ = differences(ours, &tree(theirs));
    assert!(differ.is_empty(), "hull / {who}:\n{}", differ.join("\n"));
}

/// Pulls a name anew with hull; the tree is the same.
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
    same(&ours, &t.path("bundle/rootfs"), "umoci");
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
    if skip::find_program("podman").is_none() {
        skip!("podman is not installed");
    }
    let Some(t) = Scenario::start() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let (id, ours) = loaded(&t);
    let (name, back) = (registry.name("awkward:1"), registry.name("back:1"));
    let digest = t.ok(&["push", "-q", &id, &name]);
    t.write("policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
    let podman = |args: &[&str]| {
        let mut command = Command::new("podman");
        command.arg("--root").arg(t.path("podman")).arg("--runroot").arg(t.path("run/podman"));
        command.args([
            "--storage-driver",
            "overlay",
            "--events-backend",
            "none",
            "--cgroup-manager",
            "cgroupfs",
        ]);
        command.env("HOME", t.path("home")).env("CONTAINERS_CONF", "/dev/null").args(args);
        run(&mut command).ok().to_owned()
    };
    let policy = t.path("policy.json");
    podman(&["pull", "--quiet", "--tls-verify=false", "--signature-policy", policy.to_str().unwrap(), &name]);
    assert_eq!(podman(&["image", "inspect", "--format", "{{.Digest}}", &name]), digest);
    let mounted = podman(&["image", "mount", &name]);
    same(&ours, Path::new(&mounted), "podman");
    podman(&["image", "unmount", &name]);
    podman(&["tag", &name, &back]);
    podman(&["push", "--quiet", "--tls-verify=false", "--signature-policy", policy.to_str().unwrap(), &back]);
    pulled_anew(&t, &back, &ours, "podman");
    // With a table of contents for those who fetch by file: to others a plain layer of several frames.
    // Elsewhere: here podman would mount the blobs that there are.
    let Some(other) = Registry::start(&t, Kind::Plain, "127.0.0.1", 5001) else { return };
    let chunked = other.name("chunked:1");
    podman(&["tag", &name, &chunked]);
    let format = ["--compression-format", "zstd:chunked", "--format", "oci"];
    let mut push =
        vec!["push", "--quiet", "--tls-verify=false", "--signature-policy", policy.to_str().unwrap()];
    push.extend(format);
    push.push(&chunked);
    podman(&push);
    let kind =
        t.ok(&["image", "inspect", "--remote", "-f", "{{range .Layers}}{{.MediaType}} {{end}}", &chunked]);
    assert!(kind.contains("+zstd"), "{kind}");
    pulled_anew(&t, &chunked, &ours, "podman with zstd:chunked");
    podman(&["rmi", "-f", &name]);
}

/// A dockerd of the test's own, in the test's namespaces.
struct Dockerd {
    process: Child,
    socket: PathBuf,
}

impl Dockerd {
    fn start(t: &Scenario) -> Self {
        let socket = t.path("run/docker.sock");
        let mut command = Command::new("dockerd");
        command.arg("--data-root").arg(t.path("docker")).arg("--exec-root").arg(t.path("run/docker"));
        command
            .arg("--pidfile")
            .arg(t.path("run/docker.pid"))
            .arg("-H")
            .arg(format!("unix://{}", socket.display()));
        command.args([
            "--bridge",
            "none",
            "--iptables=false",
            "--ip6tables=false",
            "--storage-driver",
            "overlay2",
        ]);
        command.args(["--cgroup-parent", t.cgroup_parent()]);
        let log = std::fs::File::create(t.path("dockerd.log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self { process: command.spawn().expect("dockerd starts"), socket }
    }

    fn client(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.arg("-H").arg(format!("unix://{}", self.socket.display())).args(args);
        command
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        run(&mut self.client(args)).ok().to_owned()
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        // It ends its containerd too.
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.process.id() as i32),
            nix::sys::signal::Signal::SIGTERM,
        );
        let _ = self.process.wait();
    }
}

#[test]
fn dockerd_sees_the_same_tree_and_pushes_it_back() {
    if skip::find_program("dockerd").is_none() || skip::find_program("docker").is_none() {
        skip!("dockerd is not installed");
    }
    let Some(t) = Scenario::start() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let (id, ours) = loaded(&t);
    let (name, back) = (registry.name("awkward:1"), registry.name("back:1"));
    let pushed = t.ok(&["push", "-q", &id, &name]);
    let dockerd = Dockerd::start(&t);
    eventually("dockerd answers", || run(&mut dockerd.client(&["version"])).success());
    let pulled = dockerd.ok(&["pull", &name]);
    assert!(pulled.contains(&pushed), "the same digest: {pulled}");
    assert_eq!(dockerd.ok(&["image", "inspect", "-f", "{{.Id}}", &name]), id, "the same id");
    let template = "{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}";
    let layers = dockerd.ok(&["image", "inspect", "-f", template, &name]);
    let target = mount_layers(&t, &layers, "docker");
    same(&ours, &target, "dockerd");
    unmount(&target);
    dockerd.ok(&["tag", &name, &back]);
    dockerd.ok(&["push", &back]);
    drop(dockerd);
    pulled_anew(&t, &back, &ours, "dockerd");
}
