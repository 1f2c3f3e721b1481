//! An image: tars and JSON, each named by the hash of its bytes.
//!
//! ```text
//! tag ──▶ index ──▶ manifest of a platform ──▶ config: env, command, user, diff IDs of the layers
//!         digest    digest                 ├─▶ layer 1: a tar
//!                                          └─▶ layer 2: a tar of what it changes
//! ```
//!
//! An arrow is a digest: sha256 of the bytes that it leads to. Whoever has the first has all of it, from wherever it comes:
//! a directory (an OCI layout: `index.json`, and `blobs/sha256/` with everything by name) or a registry (registry.rs).
//!
//! So to trust an image is to trust 64 hexadecimal digits: a registry, a mirror or a veth pair on the way can
//! withhold it, and cannot change it. The formats are those of the OCI image specification; docker's older ones
//! differ in their names alone.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::SigSet;
use serde_json::{Value, json};

use crate::layer::{self, Lost};
use crate::overlay::{self, Scratch};
use crate::registry::Registry;
use crate::{digest, report, veth};

/// What we can read, by its media type; the first two lead to the others.
/// It goes to the registry too, as what we accept: one that has several picks by it, and one that has none of
/// these says so.
pub const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// An image that is unpacked. Dropped, its directories are gone.
/// Nothing is kept from run to run, which no engine could afford, and which makes it plain: all that a
/// container has of its image is these directories and this config.
pub struct Image {
    /// One for each layer, the top one first, as overlay wants them.
    pub lowers: Vec<PathBuf>,
    /// The whole of it: what to run is below "config", which diff IDs there are below "rootfs".
    config: Value,
    _scratch: Scratch,
}

/// An arrow: what is said of some bytes before one has them.
/// In the specification it is called a descriptor, and it is the only kind of pointer that there is.
pub struct Blob {
    /// Its media type: what to make of the bytes.
    pub kind: String,
    /// Its name, and what they have to hash to.
    pub digest: String,
    /// How many there are. Who reads no more than that cannot be made to read for ever.
    pub size: u64,
}

impl Blob {
    fn new(descriptor: &Value) -> Result<Self> {
        let text = |name: &str| descriptor[name].as_str().unwrap_or_default().to_owned();
        let (kind, digest) = (text("mediaType"), text("digest"));
        let size = descriptor["size"].as_u64().with_context(|| format!("{digest:?} has no size"))?;
        check(&digest)?;
        Ok(Self { kind, digest, size })
    }
}

/// It becomes a path, or part of an address.
/// `sha256:../../etc/passwd` would be a path as well. sha512 is allowed by the specification; nobody uses it.
fn check(digest: &str) -> Result<()> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let is_hex = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ensure!(is_hex, "{digest:?} is not a sha256 digest");
    Ok(())
}

/// Where the bytes come from. All that is told of an image below is the same for both.
/// Neither is trusted. A directory on a stick is a stranger's like a server.
enum Source {
    Layout(PathBuf),
    Registry(Registry),
}

// A layout keeps all in one directory by digest; a registry has an address for each. Nothing else is different.
impl Source {
    fn open(&mut self, blob: &Blob) -> Result<Box<dyn Read>> {
        match self {
            Self::Layout(directory) => {
                // `sha256:ab…` is the file `sha256/ab…`.
                let path = directory.join("blobs").join(blob.digest.replace(':', "/"));
                let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
                Ok(Box::new(file))
            }
            Self::Registry(registry) => Ok(Box::new(registry.blob(&blob.digest)?)),
        }
    }

    /// What is small and in JSON: an index, a manifest, a config. Not parsed before it is known to be what was named.
    /// A parser is more code for hostile bytes to reach than a hash is.
    fn json(&mut self, blob: &Blob) -> Result<Value> {
        let mut bytes = Vec::new();
        match self {
            // Registries keep manifests apart from blobs.
            Self::Registry(registry) if MANIFESTS.contains(&&*blob.kind) => {
                bytes = registry.manifest(&blob.digest)?;
            }
            _ => {
                ensure!(blob.size <= 4 << 20, "{} has {} bytes of JSON", blob.digest, blob.size);
                self.open(blob)?.take(blob.size + 1).read_to_end(&mut bytes).context("read")?;
            }
        }
        digest::compare(&blob.digest, &digest::of(&bytes))?;
        serde_json::from_slice(&bytes).with_context(|| blob.digest.clone())
    }
}

/// Finds an image and unpacks it into a directory that goes with us.
/// It runs as whoever we are, in no namespace yet: what the files are to be inside is decided when the layers
/// are mounted there. As an unprivileged user one's own id is root inside, so what we make is root's.
pub fn fetch(reference: &str, name: &str) -> Result<Image> {
    let scratch = overlay::scratch(name)?;
    // It can take long, and what a ^C does until it is done is what it does to any program: the supervisor clears up.
    let blocked = SigSet::thread_get_mask().context("sigprocmask")?;
    SigSet::empty().thread_set_mask().context("sigprocmask(SIG_SETMASK, none)")?;
    // No ? here: the signals are to be blocked again, whatever has happened.
    let unpacked = unpack(reference, &scratch.dir);
    blocked.thread_set_mask().context("sigprocmask(SIG_SETMASK, all)")?;
    let (lowers, config) = unpacked.with_context(|| format!("image {reference}"))?;
    if !layer::has_one_id() {
        report::say("warning: a stranger's programs, and here they run as root with every capability");
    }
    Ok(Image { lowers, config, _scratch: scratch })
}

/// Follows the arrows from the top to the layers. What is found wrong ends it, and the directory goes with all that is in it
/// by then: an image is there whole or not at all.
/// The config comes before the layers, since it says what they have to be, and since what is for another
/// machine need not be fetched.
fn unpack(reference: &str, directory: &Path) -> Result<(Vec<PathBuf>, Value)> {
    let (mut source, top) = find(reference)?;
    // From here on nothing is taken by name: each thing is what the one before it calls by its digest.
    let manifest = choose(&mut source, top)?;
    let config = source.json(&Blob::new(&manifest["config"])?).context("config")?;
    let (os, architecture) = platform();
    // An image that has one manifest only need not say there for what machine it is; its config has to.
    // A program for another machine would fail at its execve with "Exec format error", and that says little.
    let theirs = (&config["os"], &config["architecture"]);
    ensure!(
        theirs == (&json!(os), &json!(architecture)),
        "it is for {}/{}, not for {os}/{architecture}",
        theirs.0,
        theirs.1
    );
    let layers = manifest["layers"].as_array().context("the manifest has no layers")?;
    // The digest in the manifest is of the compressed bytes, and another compressor makes others of the same
    // tar. So the config names the tars themselves: the diff IDs.
    let diff_ids = config["rootfs"]["diff_ids"].as_array().context("the config has no diff IDs")?;
    ensure!(layers.len() == diff_ids.len(), "{} layers, but {} diff IDs", layers.len(), diff_ids.len());
    let mut lowers = Vec::new();
    let mut lost = Lost::default();
    // The first one is the lowest, and each has a directory of its own: overlay puts them together.
    for (number, (descriptor, diff_id)) in layers.iter().zip(diff_ids).enumerate() {
        let blob = Blob::new(descriptor)?;
        let lower = directory.join((number + 1).to_string());
        fs::create_dir(&lower).with_context(|| format!("mkdir({})", lower.display()))?;
        // One after another. An engine fetches several at once: they do not need each other until they are mounted.
        let bytes = source.open(&blob)?;
        layer::unpack(bytes, &blob, diff_id.as_str().unwrap_or_default(), &lower, &mut lost)
            .with_context(|| format!("layer {}", number + 1))?;
        report::say(format_args!(
            "layer {}/{} {} {} bytes, verified",
            number + 1,
            layers.len(),
            blob.digest,
            blob.size
        ));
        // Overlay wants the top one first, and the image names the lowest first.
        lowers.insert(0, lower);
    }
    // One more on top, which is ours: who answers for names is the network's affair and no image's. It is a layer, and not a
    // file written through the merged tree, because there a link of the image's could lead anywhere. And an image may have no
    // layers, an overlay not.
    let own = directory.join("own");
    fs::create_dir_all(own.join("etc")).context("mkdir(own/etc)")?;
    veth::name_servers(&own)?;
    lowers.insert(0, own);
    // Told, since it shows: `ls -l` says root for what was www-data's, and a server that wants to become that
    // user cannot.
    if lost.owners > 0 {
        report::say(format_args!(
            "note: {} files are other users' in the image and yours here: there is one id",
            lost.owners
        ));
    }
    if lost.devices > 0 {
        report::say(format_args!("note: {} devices are left out: they are root's to make", lost.devices));
    }
    Ok((lowers, config))
}

/// Where to look, and what is on top there: the index of a directory, or what a registry has under that tag.
/// A name is short for an address: `alpine` is docker.io/library/alpine:latest, and the tag is a guess of ours
/// that the registry resolves.
fn find(reference: &str) -> Result<(Source, Value)> {
    let is_layout = |path: &str| Path::new(path).join("oci-layout").is_file();
    // A path may have colons of its own.
    let (path, tag) = match reference.rsplit_once(':') {
        Some((path, tag)) if !is_layout(reference) && is_layout(path) => (path, Some(tag)),
        _ => (reference, None),
    };
    if is_layout(path) {
        let index = Path::new(path).join("index.json");
        let bytes = fs::read(&index).with_context(|| format!("read {}", index.display()))?;
        // The one file of a layout that no digest is known of: here one begins.
        let mut index: Value = serde_json::from_slice(&bytes).context("index.json")?;
        // In a layout a tag is no more than a note on an arrow.
        if let (Some(tag), Some(manifests)) = (tag, index["manifests"].as_array_mut()) {
            let all = tags(manifests);
            manifests.retain(|found| found["annotations"]["org.opencontainers.image.ref.name"] == *tag);
            ensure!(!manifests.is_empty(), "no tag {tag} in {path}; there are: {all}");
        }
        return Ok((Source::Layout(path.into()), index));
    }
    // No name in a registry begins like this, so that somebody means a path.
    if reference.starts_with(['.', '/']) {
        fs::metadata(reference).with_context(|| format!("stat({reference})"))?;
        bail!("{reference} has no file oci-layout, and so is no OCI layout");
    }
    let (repository, reference) = match reference.split_once('@') {
        Some((repository, digest)) => (repository, digest),
        None => match reference.rsplit_once(':') {
            // Otherwise the colon is a port's.
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (reference, "latest"),
        },
    };
    let mut registry = Registry::new(repository)?;
    // A tag is the one thing here that is believed: the registry says what it leads to today. Who wants the same image
    // tomorrow names it by digest.
    let bytes = registry.manifest(reference)?;
    // By digest even this first answer can be checked, and has to be.
    if reference.contains(':') {
        check(reference)?;
        digest::compare(reference, &digest::of(&bytes))?;
    }
    Ok((Source::Registry(registry), serde_json::from_slice(&bytes).context("the registry's answer")?))
}

/// What there is, for who has asked for something else.
/// In a layout this is all that there is of names; a registry is not asked, since it may have thousands.
fn tags(manifests: &[Value]) -> String {
    let tag =
        |found: &Value| found["annotations"]["org.opencontainers.image.ref.name"].as_str().map(String::from);
    manifests.iter().filter_map(tag).collect::<Vec<_>>().join(", ")
}

/// Down from index to index to a manifest for this machine.
/// One name for all machines is done by an index: a list of manifests with a platform on each.
fn choose(source: &mut Source, mut top: Value) -> Result<Value> {
    let (os, architecture) = platform();
    // Nobody nests deeper, and a ring of them would have no end.
    for _ in 0..4 {
        let Some(manifests) = top["manifests"].as_array() else { return Ok(top) };
        let fits = |found: &&Value| {
            let platform = &found["platform"];
            // Who has one only need not say for what.
            platform.is_null() || (platform["os"] == os && platform["architecture"] == architecture)
        };
        let Some(found) = manifests.iter().find(fits) else {
            let name = |found: &Value| {
                let text = |name: &str| found["platform"][name].as_str().unwrap_or("?").to_owned();
                format!("{}/{}", text("os"), text("architecture"))
            };
            let there: Vec<String> = manifests.iter().map(name).collect();
            bail!("no manifest for {os}/{architecture}; there are: {}", there.join(", "));
        };
        top = source.json(&Blob::new(found)?).context("manifest")?;
    }
    bail!("an index in an index in an index");
}

/// In the words that images have for it.
/// They are those of the language Go (GOOS, GOARCH), which the first tools were written in.
fn platform() -> (&'static str, &'static str) {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    };
    ("linux", architecture)
}

impl Image {
    /// What to run: the entrypoint, with what was typed, or else with what the image has for that.
    /// Two lists, so that an image can be used like a program: what is typed takes the place of Cmd, its
    /// arguments, and not that of Entrypoint.
    pub fn command(&self, typed: &[String]) -> Result<Vec<String>> {
        let words = |name: &str| {
            let words = self.config["config"][name].as_array().into_iter().flatten();
            words.filter_map(|word| word.as_str().map(String::from)).collect::<Vec<_>>()
        };
        let rest = if typed.is_empty() { words("Cmd") } else { typed.to_vec() };
        let command = [words("Entrypoint"), rest].concat();
        ensure!(!command.is_empty(), "the image names no command: give one");
        Ok(command)
    }

    /// What the inside has to know of it.
    /// Env, User, WorkingDir and others, which the specification calls defaults for whoever runs it.
    pub fn settings(&self) -> &Value {
        &self.config["config"]
    }
}

/// On the inside: the image's environment, working directory and user.
/// After the pivot and before the execve. Before the pivot the image's /etc/passwd would be found in the host's
/// tree, that is, the host's would be found.
pub fn apply_config(program: &mut Command, settings: &Value) -> Result<()> {
    let user = settings["User"].as_str().unwrap_or_default();
    let (uid, gid, home) = look_up(user).with_context(|| format!("the image's user {user:?}"))?;
    program.envs(home.map(|home| ("HOME", home)));
    // After ours, and so instead of them where they have the same name: PATH for one.
    // NAME=VALUE, each in one string, as execve(2) takes them.
    let variables = settings["Env"].as_array().into_iter().flatten();
    program.envs(variables.filter_map(|variable| variable.as_str()?.split_once('=')));
    if let Some(directory) = settings["WorkingDir"].as_str().filter(|directory| !directory.is_empty()) {
        // Images name directories that they do not have. The root has been changed by now: this is the image's tree.
        fs::create_dir_all(directory).with_context(|| format!("mkdir({directory})"))?;
        program.current_dir(directory);
    }
    if (uid, gid) == (0, 0) {
        return Ok(());
    }
    // setuid(2) to an id that the map does not have is EINVAL.
    if overlay::in_user_namespace() {
        report::say(format_args!(
            "note: the image wants to be user {user}, and there is one id here: it runs as 0"
        ));
        return Ok(());
    }
    report::trace(format!("setgid({gid}), setuid({uid})   the image's user {user:?}"));
    // Done between here and the execve, the group first: after the user has changed nobody may change the group.
    program.gid(gid).uid(uid);
    Ok(())
}

/// A name or number, and perhaps a group behind a colon, by the image's own files. With the home of who has one.
/// The host's own database would be wrong, and getpwnam(3) would ask it, or a server in the network: a
/// container's users are those of its files.
fn look_up(user: &str) -> Result<(u32, u32, Option<String>)> {
    let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let user = if user.is_empty() { "0" } else { user };
    // name:password:number:…, in /etc/passwd and in /etc/group.
    let line = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let mut lines = text.lines().map(|line| line.split(':').map(String::from).collect::<Vec<_>>());
        lines.find(|fields| fields.len() > 3 && (fields[0] == name || fields[2] == name))
    };
    let number = |fields: &Option<Vec<String>>, at: usize, name: &str| {
        let text = fields.as_ref().map_or(name, |fields| &fields[at]);
        text.parse::<u32>().with_context(|| format!("{name:?} is neither a number nor in the image's files"))
    };
    let found = line("/etc/passwd", user);
    let uid = number(&found, 2, user)?;
    // Who is in no group by name has that of their line, or root's if they have no line either; docker does the same.
    let gid = match group {
        Some(group) => number(&line("/etc/group", group), 2, group)?,
        None => number(&found, 3, "0")?,
    };
    Ok((uid, gid, found.and_then(|fields| fields.get(5).cloned())))
}
