//! A registry with two images, and stores of hull, podman and dockerd to pull them into.

use std::cell::Cell;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use hull_test_support::outcome::wrapped;
use hull_test_support::peers::{Dockerd, Podman};
use hull_test_support::{Registry, Scenario, fixtures, skip};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::common::succeed;

const LAYERS: usize = 8;
const LAYER: u64 = 30_000_000;

pub struct Stores {
    // Ends before the mounts that it writes to.
    registry: Option<Registry>,
    scenario: Scenario,
    memory: [PathBuf; 3],
    /// Of hull's store and podman's, which are new for each pull.
    number: Cell<u32>,
    on_disk: Cell<bool>,
}

impl Stores {
    pub fn new() -> Option<Self> {
        let scenario = Scenario::start()?;
        let memory = ["data", "fresh", "registry-5000"].map(|name| scenario.path(name));
        for directory in &memory {
            fs::create_dir_all(directory).expect("own directory");
            mount("tmpfs", directory, "tmpfs", MountFlags::empty(), None).expect("a tmpfs can be mounted");
        }
        let registry = Some(Registry::plain(&scenario)?);
        scenario.busybox();
        Some(Self { registry, scenario, memory, number: Cell::new(0), on_disk: Cell::new(false) })
    }

    fn registry(&self) -> &Registry {
        self.registry.as_ref().expect("it is there until the end")
    }

    fn fresh(&self, kind: &str) -> PathBuf {
        let place = if self.on_disk.get() { self.scenario.path("disk") } else { self.memory[1].clone() };
        place.join(format!("{kind}-{}", self.number.get()))
    }

    /// Where the next stores are. What is on the disk goes when they are not there any more.
    pub fn to_disk(&self, on_disk: bool) {
        let disk = self.scenario.path("disk");
        self.on_disk.set(on_disk);
        if on_disk {
            return fs::create_dir_all(disk).expect("own directory");
        }
        for store in fs::read_dir(&disk).into_iter().flatten().flatten() {
            let _ = unmount(store.path().join("overlay"), UnmountFlags::DETACH);
        }
        let _ = fs::remove_dir_all(disk);
    }

    /// Begins anew beside what was pulled, when that is on the disk.
    pub fn next(&self) {
        rustix::fs::sync();
        self.number.set(self.number.get() + 1);
    }

    /// Removes what was pulled, and begins anew.
    pub fn clear(&self) {
        for kind in ["hull", "podman"] {
            let old = self.fresh(kind);
            // podman leaves its store mounted on itself.
            let _ = unmount(old.join("overlay"), UnmountFlags::DETACH);
            let _ = fs::remove_dir_all(old);
        }
        self.number.set(self.number.get() + 1);
    }

    /// Debian's minbase as an image of one layer: its name in the registry, and its size there.
    pub fn debian(&self) -> Option<(String, u64)> {
        let tar = fixtures::debian().map_err(|why| eprintln!("SKIP Debian: {why}")).ok()?;
        let name = self.registry().name("debian:1");
        if !self.scenario.hull(&["image", "inspect", &name]).success() {
            self.scenario.ok(&["import", "-c", "CMD [\"bash\"]", tar.to_str()?, &name]);
            self.scenario.ok(&["push", "-q", &name]);
        }
        Some((name.clone(), self.packed(&name)))
    }

    /// The same files as eight layers of 30 MB.
    pub fn stacked(&self) -> Option<(String, u64)> {
        let tar = fixtures::debian().ok()?;
        let tree = self.memory[1].join("tree");
        fs::create_dir(&tree).expect("own directory");
        fixtures::run_quietly(Command::new("tar").arg("-C").arg(&tree).arg("-xf").arg(tar))
            .expect("tar unpacks");
        let mut files = Vec::new();
        regular_files(&tree, &mut files);
        let mut files = files.iter().cycle();
        let mut image = "busybox".to_owned();
        for layer in 0..LAYERS {
            let (part, mut size, mut number) = (self.memory[1].join(format!("part-{layer}")), 0, 0);
            fs::create_dir(&part).expect("own directory");
            while size < LAYER {
                let directory = part.join((number / 100).to_string());
                fs::create_dir_all(&directory).expect("own directory");
                let file = files.next().expect("a Debian has files");
                size += fs::copy(file, directory.join(number.to_string())).expect("files can be copied");
                number += 1;
            }
            image = self.with(&image, &part, layer);
            fs::remove_dir_all(&part).expect("own directory");
        }
        fs::remove_dir_all(&tree).expect("own directory");
        self.scenario.ok(&["push", "-q", &image]);
        Some((image.clone(), self.packed(&image)))
    }

    /// The image with a directory as one more layer.
    fn with(&self, image: &str, part: &Path, layer: usize) -> String {
        let name = self.registry().name(&format!("stacked-{layer}:1"));
        self.scenario.ok(&["create", "--name", "building", image, "true"]);
        self.scenario.ok(&["cp", part.to_str().expect("a plain path"), "building:/"]);
        self.scenario.ok(&["commit", "building", &name]);
        self.scenario.ok(&["rm", "building"]);
        name
    }

    fn packed(&self, image: &str) -> u64 {
        let template = "{{range .Layers}}{{.Size}} {{end}}";
        let sizes = self.scenario.ok(&["image", "inspect", "--remote", "-f", template, image]);
        sizes.split_whitespace().filter_map(|size| size.parse::<u64>().ok()).sum()
    }

    fn hull(&self, args: &[&str]) -> Command {
        let mut command = self.scenario.command(args);
        command.env("HULL_ROOT", self.fresh("hull"));
        command
    }

    pub fn pull(&self, image: &str) {
        succeed(&mut self.hull(&["pull", "-q", image]));
    }

    /// The largest resident set of a pull into a new store, in kilobytes: proc_pid_status(5), VmHWM.
    pub fn memory_of_a_pull(&self, image: &str) -> u64 {
        self.clear();
        let mut command = self.hull(&["pull", "-q", image]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0).spawn().expect("hull starts");
        let mut most = 0;
        while child.try_wait().expect("own child").is_none() {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            most = line.and_then(|kb| kb.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(most);
            std::thread::sleep(Duration::from_millis(1));
        }
        most
    }

    /// How long a pull into a new store waits in syncfs(2) and fsync(2).
    pub fn sync_of_a_pull(&self, image: &str) -> Option<Duration> {
        skip::find_program("strace")?;
        self.next();
        let log = self.scenario.path("syncs");
        // Stops at no other call.
        let strace =
            ["strace", "-f", "-qq", "--seccomp-bpf", "-T", "-e", "trace=syncfs,fsync,fdatasync", "-o"];
        let pull = self.hull(&["pull", "-q", image]);
        succeed(&mut wrapped(&[&strace[..], &[log.to_str()?]].concat(), &pull));
        let calls = fs::read_to_string(log).ok()?;
        // `… = 0 <0.012345>`
        let seconds =
            calls.lines().filter_map(|call| call.rsplit_once('<')?.1.strip_suffix('>')?.parse::<f64>().ok());
        Some(Duration::from_secs_f64(seconds.sum()))
    }

    /// The layers of an image as they came.
    pub fn pulled_layers(&self, image: &str) -> Vec<Vec<u8>> {
        self.clear();
        self.pull(image);
        let blobs = fs::read_dir(self.fresh("hull").join("blobs/sha256")).expect("a store has blobs");
        let blobs = blobs.map(|entry| fs::read(entry.expect("it can be listed").path()).expect("a blob"));
        blobs.filter(|blob| blob.starts_with(&[0x1f, 0x8b])).collect()
    }

    pub fn blobs_asked_for(&self) -> usize {
        self.registry().requests("GET", "/blobs/").len()
    }

    pub fn podman(&self) -> Option<PodmanSide<'_>> {
        Podman::new(&self.scenario, self.fresh("podman")).map(|_| PodmanSide(self))
    }

    pub fn dockerd(&self) -> Option<DockerSide> {
        let root = self.memory[1].join("docker");
        Dockerd::start(&self.scenario, &root).map(DockerSide)
    }

    /// A container in which one file was changed.
    pub fn changed(&self, image: &str) -> String {
        let file = self.scenario.write("changed", "another content");
        let id = self.scenario.ok(&["create", image, "true"]);
        self.scenario.ok(&["cp", file.to_str().expect("a plain path"), &format!("{id}:/etc/passwd")]);
        id
    }

    pub fn commit(&self, container: &str) {
        succeed(&mut self.scenario.command(&["commit", container]));
    }

    pub fn two_hundred_images(&self) {
        let container = self.changed("busybox");
        for number in 0..200 {
            let change = format!("LABEL number={number}");
            self.scenario.ok(&["commit", "-c", &change, &container, &format!("many:{number}")]);
        }
        for id in self.scenario.ok(&["images", "-q", "--filter", "dangling=true"]).lines() {
            self.scenario.ok(&["rmi", id]);
        }
    }

    pub fn list(&self) {
        succeed(&mut self.scenario.command(&["images"]));
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        self.clear();
        self.registry = None;
        for id in self.scenario.hull(&["ps", "-aq"]).stdout.lines() {
            self.scenario.hull(&["rm", "-f", id]);
        }
        for directory in &self.memory {
            let _ = unmount(directory, UnmountFlags::DETACH);
        }
    }
}

/// podman with another store for each pull.
pub struct PodmanSide<'a>(&'a Stores);

impl PodmanSide<'_> {
    pub fn pull(&self, image: &str) {
        let Stores { scenario, .. } = self.0;
        let podman = Podman::new(scenario, self.0.fresh("podman")).expect("it was there before");
        succeed(&mut podman.transfer("pull", &[image]));
    }
}

/// A dockerd, whose store is empty before each pull.
pub struct DockerSide(Dockerd);

impl DockerSide {
    pub fn clear(&self, image: &str) {
        let _ = self.0.command(&["rmi", "-f", image]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    pub fn pull(&self, image: &str) {
        succeed(&mut self.0.command(&["pull", "-q", image]));
    }
}

fn regular_files(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .expect("own directory")
        .map(|entry| entry.expect("it can be listed"))
        .collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().expect("it has a type");
        if kind.is_dir() {
            regular_files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}
