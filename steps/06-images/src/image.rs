//! An image: tars and JSON, each named by the hash of its bytes.
//!
//! ```text
//! tag ──▶ index ──▶ manifest of a platform ──▶ config: env, command, user, diff IDs of the layers
//!         digest    digest                 ├─▶ layer 1: a tar
//!                                          └─▶ layer 2: a tar of what it changes
//! ```
//!
//! Each arrow is a digest: the sha256 of what it points to. The first digest fixes the whole image,
//! wherever it comes from: a directory (an OCI layout: `index.json`, and blobs by digest in
//! `blobs/sha256/`) or a registry (registry.rs).
//!
//! So trusting an image means trusting 64 hexadecimal digits: a registry, a mirror or the network
//! in between can withhold it and cannot change it. The formats are those of the OCI image
//! specification; docker's older ones differ in their media types only.

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

/// The media types of indexes and manifests that this program reads. They are also sent to
/// registries as what it accepts.
pub const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// An unpacked image. Dropping it removes its directories. Nothing is cached between runs, which an
/// engine could not afford, and which keeps the lesson short.
pub struct Image {
    /// One directory for each layer, the uppermost first, as overlay expects them.
    pub lowers: Vec<PathBuf>,
    /// The image's configuration: what to run is below "config", the diff IDs are below "rootfs".
    config: Value,
    _scratch: Scratch,
}

/// A descriptor of the specification, the only kind of reference in it: it describes content before
/// one has it.
pub struct Blob {
    /// Its media type.
    pub kind: String,
    /// Its digest.
    pub digest: String,
    /// Its size. No more than this is read.
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

/// Checks a digest, because it becomes a path or part of a URL: `sha256:../../etc/passwd` must not
/// pass. The specification also allows sha512, which nobody uses.
fn check(digest: &str) -> Result<()> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let is_hex = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ensure!(is_hex, "{digest:?} is not a sha256 digest");
    Ok(())
}

/// Where an image comes from. Neither source is trusted.
enum Source {
    Layout(PathBuf),
    Registry(Registry),
}

// A layout has a file for each blob, a registry a URL.
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

    /// Reads an index, a manifest or a configuration. It is parsed only after its digest has been
    /// checked, because a parser is a larger attack surface than a hash.
    fn json(&mut self, blob: &Blob) -> Result<Value> {
        let mut bytes = Vec::new();
        match self {
            // Registries have manifests and blobs at different URLs.
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

/// Finds an image and unpacks it into a temporary directory. This runs as the calling user, outside
/// of any namespace: which ids the files have inside is decided when the layers are mounted. For an
/// unprivileged user their own id is root inside.
pub fn fetch(reference: &str, name: &str) -> Result<Image> {
    let scratch = overlay::scratch(name)?;
    // A download can take long, so signals are unblocked meanwhile: ^C ends the program as usual,
    // and the supervisor cleans up.
    let blocked = SigSet::thread_get_mask().context("sigprocmask")?;
    SigSet::empty().thread_set_mask().context("sigprocmask(SIG_SETMASK, none)")?;
    // The signals are blocked again before any error is returned.
    let unpacked = unpack(reference, &scratch.dir);
    blocked.thread_set_mask().context("sigprocmask(SIG_SETMASK, all)")?;
    let (lowers, config) = unpacked.with_context(|| format!("image {reference}"))?;
    if !layer::has_one_id() {
        report::say("warning: a stranger's programs, and here they run as root with every capability");
    }
    Ok(Image { lowers, config, _scratch: scratch })
}

/// Follows the digests from the top to the layers. Any error ends it and removes the directory, so
/// an image is complete or not there. The configuration is read before the layers: it names their
/// diff IDs, and the platform.
fn unpack(reference: &str, directory: &Path) -> Result<(Vec<PathBuf>, Value)> {
    let (mut source, top) = find(reference)?;
    // From here on everything is found by the digest that the previous document gave.
    let manifest = choose(&mut source, top)?;
    let config = source.json(&Blob::new(&manifest["config"])?).context("config")?;
    let (os, architecture) = platform();
    // An image with a single manifest need not state its platform there, but its configuration has
    // to. A program for another machine would only fail at execve with "Exec format error".
    let theirs = (&config["os"], &config["architecture"]);
    ensure!(
        theirs == (&json!(os), &json!(architecture)),
        "it is for {}/{}, not for {os}/{architecture}",
        theirs.0,
        theirs.1
    );
    let layers = manifest["layers"].as_array().context("the manifest has no layers")?;
    // The manifest's digest is of the compressed bytes, which depend on the compressor. The
    // configuration names the uncompressed tars, by their diff IDs.
    let diff_ids = config["rootfs"]["diff_ids"].as_array().context("the config has no diff IDs")?;
    ensure!(layers.len() == diff_ids.len(), "{} layers, but {} diff IDs", layers.len(), diff_ids.len());
    let mut lowers = Vec::new();
    let mut lost = Lost::default();
    // The first layer is the lowest. Each gets a directory; overlay puts them together.
    for (number, (descriptor, diff_id)) in layers.iter().zip(diff_ids).enumerate() {
        let blob = Blob::new(descriptor)?;
        let lower = directory.join((number + 1).to_string());
        fs::create_dir(&lower).with_context(|| format!("mkdir({})", lower.display()))?;
        // One after another. Engines fetch several at once.
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
        // overlay expects the uppermost first, the image lists the lowest first.
        lowers.insert(0, lower);
    }
    // One more layer on top, for the name servers, which depend on the host. It is a layer of its
    // own because writing through the merged tree could follow a link of the image's. It also
    // provides the one layer that overlay needs if the image has none.
    let own = directory.join("own");
    fs::create_dir_all(own.join("etc")).context("mkdir(own/etc)")?;
    veth::name_servers(&own)?;
    lowers.insert(0, own);
    // Reported because it has effects: `ls -l` shows root for files of www-data, and a server
    // cannot change to that user.
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

/// Where to look, and the first document there: the index of a layout, or what a registry has under
/// the tag. `alpine` is short for docker.io/library/alpine:latest.
fn find(reference: &str) -> Result<(Source, Value)> {
    let is_layout = |path: &str| Path::new(path).join("oci-layout").is_file();
    // A path may contain colons.
    let (path, tag) = match reference.rsplit_once(':') {
        Some((path, tag)) if !is_layout(reference) && is_layout(path) => (path, Some(tag)),
        _ => (reference, None),
    };
    if is_layout(path) {
        let index = Path::new(path).join("index.json");
        let bytes = fs::read(&index).with_context(|| format!("read {}", index.display()))?;
        // index.json is the one file of a layout without a digest.
        let mut index: Value = serde_json::from_slice(&bytes).context("index.json")?;
        // In a layout a tag is an annotation of a descriptor.
        if let (Some(tag), Some(manifests)) = (tag, index["manifests"].as_array_mut()) {
            let all = tags(manifests);
            manifests.retain(|found| found["annotations"]["org.opencontainers.image.ref.name"] == *tag);
            ensure!(!manifests.is_empty(), "no tag {tag} in {path}; there are: {all}");
        }
        return Ok((Source::Layout(path.into()), index));
    }
    // Names in registries cannot begin like this, so it is meant as a path.
    if reference.starts_with(['.', '/']) {
        fs::metadata(reference).with_context(|| format!("stat({reference})"))?;
        bail!("{reference} has no file oci-layout, and so is no OCI layout");
    }
    let (repository, reference) = match reference.split_once('@') {
        Some((repository, digest)) => (repository, digest),
        None => match reference.rsplit_once(':') {
            // With a slash after it the colon belongs to a port.
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (reference, "latest"),
        },
    };
    let mut registry = Registry::new(repository)?;
    // A tag is the one thing that cannot be checked: the registry decides what it stands for. A
    // digest always names the same image.
    let bytes = registry.manifest(reference)?;
    // If a digest was given, this first answer is checked too.
    if reference.contains(':') {
        check(reference)?;
        digest::compare(reference, &digest::of(&bytes))?;
    }
    Ok((Source::Registry(registry), serde_json::from_slice(&bytes).context("the registry's answer")?))
}

/// The tags of a layout, for the error message.
fn tags(manifests: &[Value]) -> String {
    let tag =
        |found: &Value| found["annotations"]["org.opencontainers.image.ref.name"].as_str().map(String::from);
    manifests.iter().filter_map(tag).collect::<Vec<_>>().join(", ")
}

/// Chooses a manifest for this platform: an index lists manifests, or further indexes, with the
/// platform of each.
fn choose(source: &mut Source, mut top: Value) -> Result<Value> {
    let (os, architecture) = platform();
    // A limit, because indexes could be nested without end.
    for _ in 0..4 {
        let Some(manifests) = top["manifests"].as_array() else { return Ok(top) };
        let fits = |found: &&Value| {
            let platform = &found["platform"];
            // A single manifest need not state its platform.
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

/// This platform in the image specification's terms, which are those of Go (GOOS, GOARCH).
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
    /// The command to run: Entrypoint, followed by the given arguments or else by Cmd.
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

    /// The settings that the child applies: Env, User, WorkingDir and others.
    pub fn settings(&self) -> &Value {
        &self.config["config"]
    }
}

/// Applies the image's environment, working directory and user, in the child and after the pivot:
/// before, the host's /etc/passwd would be read.
pub fn apply_config(program: &mut Command, settings: &Value) -> Result<()> {
    let user = settings["User"].as_str().unwrap_or_default();
    let (uid, gid, home) = look_up(user).with_context(|| format!("the image's user {user:?}"))?;
    program.envs(home.map(|home| ("HOME", home)));
    // Set after our own variables, so that the image's PATH wins.
    let variables = settings["Env"].as_array().into_iter().flatten();
    program.envs(variables.filter_map(|variable| variable.as_str()?.split_once('=')));
    if let Some(directory) = settings["WorkingDir"].as_str().filter(|directory| !directory.is_empty()) {
        // Images may name a directory that they do not contain. The root is the image's by now.
        fs::create_dir_all(directory).with_context(|| format!("mkdir({directory})"))?;
        program.current_dir(directory);
    }
    if (uid, gid) == (0, 0) {
        return Ok(());
    }
    // setuid(2) to an id that is not mapped fails with EINVAL.
    if overlay::in_user_namespace() {
        report::say(format_args!(
            "note: the image wants to be user {user}, and there is one id here: it runs as 0"
        ));
        return Ok(());
    }
    report::trace(format!("setgid({gid}), setuid({uid})   the image's user {user:?}"));
    // Both happen just before the execve, the group first: without root's id the group can no
    // longer be changed.
    program.gid(gid).uid(uid);
    Ok(())
}

/// Looks up a user, and a group after a colon, by name or number in the image's own files. Returns
/// uid, gid and home. getpwnam(3) would use the host's database or a server on the network.
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
    // Without a group it is the user's own, or root's if the user has no entry, as in docker.
    let gid = match group {
        Some(group) => number(&line("/etc/group", group), 2, group)?,
        None => number(&found, 3, "0")?,
    };
    Ok((uid, gid, found.and_then(|fields| fields.get(5).cloned())))
}
