//! An image consists of tars and JSON documents, each named by the hash of its bytes.
//!
//! ```text
//! tag ──▶ index ──▶ manifest of a platform ──▶ config: env, command, user, diff IDs of the layers
//!         digest    digest                 ├─▶ layer 1: a tar
//!                                          └─▶ layer 2: a tar of what it changes
//! ```
//!
//! Each arrow is a digest: the sha256 of the document or tar that it points to. So the first digest
//! fixes the whole image. The image may come from a directory (an OCI layout, which has
//! `index.json`, and each blob in `blobs/sha256/` under its digest) or from a registry
//! (registry.rs).
//!
//! If you trust the first digest, you can trust the whole image: a registry, a mirror or the
//! network can withhold the image, but cannot change it. The OCI image specification defines the
//! formats. docker's older formats differ only in their media types.

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

/// The media types of the indexes and manifests that this program reads. It also sends them to
/// registries, as the formats that it accepts.
pub const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// An unpacked image. Its directories are removed when the value is dropped. An engine would keep
/// them for the next run. This step keeps nothing, to stay short.
pub struct Image {
    /// One directory for each layer. The uppermost layer is the first, as overlay expects.
    pub lowers: Vec<PathBuf>,
    /// The image's config. The command is below "config", the diff IDs are below "rootfs".
    config: Value,
    _scratch: Scratch,
}

/// A descriptor: the reference by which one document of an image names another one, or a layer.
pub struct Blob {
    /// The media type.
    pub kind: String,
    /// The digest.
    pub digest: String,
    /// The size in bytes. The step refuses a longer blob.
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

/// Checks the form of a digest, because the digest becomes part of a path or of a URL:
/// `sha256:../../etc/passwd` must not pass. The specification also allows sha512, which is hardly
/// used.
fn check(digest: &str) -> Result<()> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let is_hex = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ensure!(is_hex, "{digest:?} is not a sha256 digest");
    Ok(())
}

/// Where an image comes from. Neither source is trusted.
pub enum Source {
    Layout(PathBuf),
    Registry(Registry),
}

impl Source {
    /// Opens a blob: a layout has a file for each blob, and a registry has a URL for each blob.
    fn open(&mut self, blob: &Blob) -> Result<Box<dyn Read>> {
        match self {
            Self::Layout(directory) => {
                // The blob `sha256:ab…` is the file `blobs/sha256/ab…`.
                let path = directory.join("blobs").join(blob.digest.replace(':', "/"));
                let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
                Ok(Box::new(file))
            }
            Self::Registry(registry) => Ok(Box::new(registry.blob(&blob.digest)?)),
        }
    }

    /// Reads an index, a manifest or a config. The digest is checked before the JSON is parsed,
    /// because a parser is a larger attack surface than a hash.
    fn json(&mut self, blob: &Blob) -> Result<Value> {
        let mut bytes = Vec::new();
        match self {
            // A registry has manifests and blobs under different URLs.
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

/// Finds an image and unpacks it into a temporary directory. This runs as the calling user, before
/// any namespace exists. If the user is unprivileged, this user owns all the files, and the user's
/// id is mapped to root inside.
pub fn fetch(reference: &str, name: &str) -> Result<Image> {
    let scratch = overlay::scratch(name)?;
    // A download can take long. So signals are unblocked during the download: ^C ends the program,
    // and the supervisor removes the directory.
    let blocked = SigSet::thread_get_mask().context("sigprocmask")?;
    SigSet::empty().thread_set_mask().context("sigprocmask(SIG_SETMASK, none)")?;
    // The signals are blocked again, also after an error.
    let unpacked = unpack(reference, &scratch.dir);
    blocked.thread_set_mask().context("sigprocmask(SIG_SETMASK, all)")?;
    let (lowers, config) = unpacked.with_context(|| format!("image {reference}"))?;
    if !layer::has_one_id() {
        report::say(
            "warning: this program is a stranger's, and runs as the machine's root with all capabilities",
        );
    }
    Ok(Image { lowers, config, _scratch: scratch })
}

/// Follows the digests from the index to the layers. After any error the caller removes the
/// directory, so no incomplete image is left. The config is read before the layers, because it
/// names the platform and the layers' diff IDs.
fn unpack(reference: &str, directory: &Path) -> Result<(Vec<PathBuf>, Value)> {
    let (mut source, top) = find(reference)?;
    // From here on each document is found by the digest in the document before.
    let manifest = choose(&mut source, top)?;
    let config = source.json(&Blob::new(&manifest["config"])?).context("config")?;
    let (os, architecture) = platform();
    // An index may leave out the platform, but a config may not. Without this check a program for
    // another machine would fail only at execve, with "Exec format error".
    let theirs = (&config["os"], &config["architecture"]);
    ensure!(
        theirs == (&json!(os), &json!(architecture)),
        "it is for {}/{}, not for {os}/{architecture}",
        theirs.0,
        theirs.1
    );
    let layers = manifest["layers"].as_array().context("the manifest has no layers")?;
    // The digest in the manifest is the hash of the compressed bytes, which depend on the
    // compressor. The diff ID in the config is the hash of the tar.
    let diff_ids = config["rootfs"]["diff_ids"].as_array().context("the config has no diff IDs")?;
    ensure!(layers.len() == diff_ids.len(), "{} layers, but {} diff IDs", layers.len(), diff_ids.len());
    let mut lowers = Vec::new();
    let mut lost = Lost::default();
    // The first layer is the lowest. Each layer gets its own directory, and overlay combines the
    // directories.
    for (number, (descriptor, diff_id)) in layers.iter().zip(diff_ids).enumerate() {
        let blob = Blob::new(descriptor)?;
        let lower = directory.join((number + 1).to_string());
        fs::create_dir(&lower).with_context(|| format!("mkdir({})", lower.display()))?;
        // The step fetches one layer after another. Engines fetch several at once.
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
        // The image lists the lowest layer first, and overlay expects the uppermost first.
        lowers.insert(0, lower);
    }
    lowers.insert(0, own_layer(directory)?);
    report_lost(&lost);
    Ok((lowers, config))
}

/// Makes one more layer, the uppermost, with the name servers of this machine. It is a separate
/// layer because a write into the image's own files could follow a link of the image. Overlay needs
/// at least one layer, so this layer is also necessary if the image has none.
fn own_layer(directory: &Path) -> Result<PathBuf> {
    let own = directory.join("own");
    fs::create_dir_all(own.join("etc")).context("mkdir(own/etc)")?;
    veth::name_servers(&own)?;
    Ok(own)
}

/// Says what differs from the image, because the difference has effects: `ls -l` shows root as the
/// owner of www-data's files, and a server cannot change to the user www-data.
fn report_lost(lost: &Lost) {
    if lost.owners > 0 {
        report::say(format_args!(
            "note: {} files of other users belong to you here, because this container has one id",
            lost.owners
        ));
    }
    if lost.devices > 0 {
        report::say(format_args!("note: {} devices are left out: only root can create them", lost.devices));
    }
}

/// Returns the source of an image and its first document: the index of a layout, or the document
/// that a registry has under the tag. `alpine` is short for docker.io/library/alpine:latest.
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
        // index.json is the only document of a layout that no digest names.
        let mut index: Value = serde_json::from_slice(&bytes).context("index.json")?;
        // A layout stores a tag as an annotation of a descriptor.
        if let (Some(tag), Some(manifests)) = (tag, index["manifests"].as_array_mut()) {
            let all = tags(manifests);
            manifests.retain(|found| found["annotations"]["org.opencontainers.image.ref.name"] == *tag);
            ensure!(!manifests.is_empty(), "no tag {tag} in {path}; there are: {all}");
        }
        return Ok((Source::Layout(path.into()), index));
    }
    // A name in a registry cannot begin with these characters, so this is a path.
    if reference.starts_with(['.', '/']) {
        fs::metadata(reference).with_context(|| format!("stat({reference})"))?;
        bail!("{reference} is not an OCI layout: it has no file oci-layout");
    }
    let (repository, reference) = match reference.split_once('@') {
        Some((repository, digest)) => (repository, digest),
        None => match reference.rsplit_once(':') {
            // A colon with a slash after it belongs to a port.
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (reference, "latest"),
        },
    };
    let mut registry = Registry::new(repository)?;
    // A tag cannot be checked: the registry decides which image the tag names today. A digest
    // always names the same image.
    let bytes = registry.manifest(reference)?;
    // With a digest instead of a tag this first answer can be checked too.
    if reference.contains(':') {
        check(reference)?;
        digest::compare(reference, &digest::of(&bytes))?;
    }
    Ok((Source::Registry(registry), serde_json::from_slice(&bytes).context("the registry's answer")?))
}

/// The tags of a layout, as text for an error.
fn tags(manifests: &[Value]) -> String {
    let tag =
        |found: &Value| found["annotations"]["org.opencontainers.image.ref.name"].as_str().map(String::from);
    manifests.iter().filter_map(tag).collect::<Vec<_>>().join(", ")
}

/// Follows an index to the manifest for this platform. An index lists manifests, or other indexes,
/// and names the platform of each.
pub fn choose(source: &mut Source, mut top: Value) -> Result<Value> {
    let (os, architecture) = platform();
    // A limit, because a hostile index could name another index without end.
    for _ in 0..4 {
        // A document without a list of manifests is the manifest itself.
        let Some(manifests) = top["manifests"].as_array() else { return Ok(top) };
        let fits = |found: &&Value| {
            let platform = &found["platform"];
            // An index with a single manifest may leave out the platform.
            platform.is_null() || (platform["os"] == os && platform["architecture"] == architecture)
        };
        let Some(found) = manifests.iter().find(fits) else {
            bail!("no manifest for {os}/{architecture}; there are: {}", platforms(manifests));
        };
        top = source.json(&Blob::new(found)?).context("manifest")?;
    }
    bail!("more than four indexes, each in another one");
}

/// The platforms that an index lists, as text for an error.
fn platforms(manifests: &[Value]) -> String {
    let name = |found: &Value| {
        let text = |name: &str| found["platform"][name].as_str().unwrap_or("?").to_owned();
        format!("{}/{}", text("os"), text("architecture"))
    };
    manifests.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// This machine's platform. The image specification uses the names of Go (GOOS, GOARCH).
pub fn platform() -> (&'static str, &'static str) {
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
    /// The command to run: Entrypoint, then the typed arguments, or Cmd if there are none.
    pub fn command(&self, typed: &[String]) -> Result<Vec<String>> {
        let words = |name: &str| {
            let words = self.config["config"][name].as_array().into_iter().flatten();
            words.filter_map(|word| word.as_str().map(String::from)).collect::<Vec<_>>()
        };
        let rest = if typed.is_empty() { words("Cmd") } else { typed.to_vec() };
        let command = [words("Entrypoint"), rest].concat();
        ensure!(!command.is_empty(), "the image names no command: type one after the image");
        Ok(command)
    }

    /// The settings that the child applies: Env, User, WorkingDir and others.
    pub fn settings(&self) -> &Value {
        &self.config["config"]
    }
}

/// Applies the image's environment, working directory and user. This runs in the child after the
/// pivot, because before the pivot /etc/passwd is the host's file.
pub fn apply_config(program: &mut Command, settings: &Value) -> Result<()> {
    let user = settings["User"].as_str().unwrap_or_default();
    let (uid, gid, home) = look_up(user).with_context(|| format!("the image's user {user:?}"))?;
    program.envs(home.map(|home| ("HOME", home)));
    // The image's variables are set last, so that its PATH is used.
    let variables = settings["Env"].as_array().into_iter().flatten();
    program.envs(variables.filter_map(|variable| variable.as_str()?.split_once('=')));
    if let Some(directory) = settings["WorkingDir"].as_str().filter(|directory| !directory.is_empty()) {
        // An image may name a directory that it does not contain.
        fs::create_dir_all(directory).with_context(|| format!("mkdir({directory})"))?;
        program.current_dir(directory);
    }
    if (uid, gid) == (0, 0) {
        return Ok(());
    }
    // setuid(2) to an id without a mapping fails with EINVAL.
    if overlay::in_user_namespace() {
        report::say(format_args!(
            "note: the image's user is {user}, but this container has one id: it runs as 0"
        ));
        return Ok(());
    }
    report::trace(format!("setgid({gid}), setuid({uid})   the image's user {user:?}"));
    // Both happen just before the execve. The group comes first, because a process without root's id
    // may not change its group.
    program.gid(gid).uid(uid);
    Ok(())
}

/// Looks up "user" or "user:group", by name or number, in the image's own files. Returns the user
/// id, the group id and the home directory. getpwnam(3) could also ask a server on the network.
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
    // If no group is named, the user gets the group of their own entry, or group 0 without an
    // entry, as in docker.
    let gid = match group {
        Some(group) => number(&line("/etc/group", group), 2, group)?,
        None => number(&found, 3, "0")?,
    };
    Ok((uid, gid, found.and_then(|fields| fields.get(5).cloned())))
}
