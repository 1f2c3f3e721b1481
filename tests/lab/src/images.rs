//! Images and a registry of the test's own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use flate2::{Compression, write::GzEncoder};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::{Lab, copy_program};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A tar that is being written, with entries that no honest program would make.
pub struct Tar(Builder<Vec<u8>>);

impl Default for Tar {
    fn default() -> Self {
        Self::new()
    }
}

impl Tar {
    pub fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub fn entry(
        mut self,
        kind: EntryType,
        name: &str,
        link: &str,
        bytes: &[u8],
        change: impl Fn(&mut Header),
    ) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        // Not by set_path, which refuses what is to be tried.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        change(&mut header);
        header.set_cksum();
        self.0.append(&header, bytes).unwrap();
        self
    }

    pub fn file(self, name: &str, text: &str) -> Self {
        self.entry(EntryType::Regular, name, "", text.as_bytes(), |_| {})
    }

    pub fn program(self, name: &str, bytes: &[u8]) -> Self {
        self.entry(EntryType::Regular, name, "", bytes, |header| header.set_mode(0o755))
    }

    pub fn directory(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name, "", b"", |_| {})
    }

    pub fn link(self, name: &str, to: &str) -> Self {
        self.entry(EntryType::Symlink, name, to, b"", |_| {})
    }

    pub fn end(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// An OCI layout.
pub struct Layout(pub PathBuf);

impl Layout {
    pub fn new(path: PathBuf) -> Self {
        fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self(path)
    }

    pub fn path(&self, digest: &str) -> PathBuf {
        self.0.join("blobs").join(digest.replace(':', "/"))
    }

    /// Writes a blob, and answers what is said of it.
    pub fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        fs::write(self.path(&digest), bytes).unwrap();
        json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
    }

    pub fn json(&self, kind: &str, value: &Value) -> Value {
        self.blob(kind, value.to_string().as_bytes())
    }

    pub fn layer(&self, tar: &[u8]) -> Value {
        self.blob(LAYER, &gzip(tar))
    }

    /// An image of these layers; the answer is its manifest's descriptor.
    pub fn manifest(&self, tars: &[Vec<u8>], settings: &Value) -> Value {
        let layers: Vec<Value> = tars.iter().map(|tar| self.layer(tar)).collect();
        let diff_ids: Vec<String> = tars.iter().map(|tar| digest(tar)).collect();
        self.manifest_of(layers, &json!(diff_ids), settings)
    }

    pub fn manifest_of(&self, layers: Vec<Value>, diff_ids: &Value, settings: &Value) -> Value {
        let architecture = architecture();
        let config = json!({
            "os": "linux", "architecture": architecture, "config": settings,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = self.json(CONFIG, &config);
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        self.json(MANIFEST, &manifest)
    }

    /// Makes these all there is, each with a tag.
    pub fn publish(&self, tagged: &[(&str, &Value)]) -> &Self {
        let entry = |(tag, manifest): &(&str, &Value)| {
            let mut entry = (*manifest).clone();
            entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
            entry
        };
        let manifests: Vec<Value> = tagged.iter().map(entry).collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        fs::write(self.0.join("index.json"), index.to_string()).unwrap();
        self
    }

    pub fn name(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The static program that the lessons' root file systems are made of.
const BUSYBOX: &str = "/usr/bin/busybox";

/// Whether it is installed. If not, the test is skipped.
fn has_busybox() -> bool {
    let is_there = Path::new(BUSYBOX).is_file();
    if !is_there {
        crate::skip("without /usr/bin/busybox (package busybox-static)");
    }
    is_there
}

/// A root file system in the lab: a shell, links to it with these names, and these empty directories. Its path.
pub fn busybox_root(lab: &Lab, links: &[&str], directories: &[&str]) -> Option<String> {
    if !has_busybox() {
        return None;
    }
    // The directory is the user's, and what is in it is not: so is most of what a user has in a base.
    let root = lab.make("busybox");
    for name in ["bin"].iter().chain(directories) {
        fs::create_dir_all(root.join(name)).expect("own files");
    }
    copy_program(Path::new(BUSYBOX), &root.join("bin/sh"));
    links.iter().for_each(|name| symlink("sh", root.join("bin").join(name)).expect("own files"));
    Some(root.to_string_lossy().into_owned())
}

/// A tar with a shell and a few commands, all of them one static program.
pub fn busybox() -> Option<Tar> {
    let bytes = has_busybox().then(|| fs::read(BUSYBOX).expect("a program can be read"))?;
    let mut tar = Tar::new().directory("bin/").directory("tmp/").program("bin/busybox", &bytes);
    for name in [
        "sh", "cat", "ls", "id", "pwd", "env", "stat", "sleep", "mknod", "hostname", "readlink", "grep",
        "touch", "mount", "umount", "unshare", "chmod", "true",
    ] {
        tar = tar.link(&format!("bin/{name}"), "busybox");
    }
    Some(tar)
}

/// Status, headers beside the length, body.
pub type Answer = (u16, String, Vec<u8>);

/// Answers each request by its path and its `authorization`, as long as the test runs.
pub fn serve(listener: TcpListener, answer: impl Fn(&str, &str) -> Answer + Send + 'static) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = converse(stream, &answer);
        }
    });
}

/// The same over TLS, with the `server.crt` and `server.key` of [`certificates`].
pub fn serve_tls(
    listener: TcpListener,
    directory: &Path,
    answer: impl Fn(&str, &str) -> Answer + Send + 'static,
) {
    let chain = CertificateDer::pem_file_iter(directory.join("server.crt")).unwrap().map(Result::unwrap);
    let key = PrivateKeyDer::from_pem_file(directory.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain.collect(), key).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            // A client that does not trust the certificate closes the connection.
            let _ = converse(StreamOwned::new(connection, stream), &answer);
        }
    });
}

/// One request and its answer.
fn converse(mut stream: impl Read + Write, answer: impl Fn(&str, &str) -> Answer) -> std::io::Result<()> {
    let mut lines = BufReader::new(&mut stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let mut authorization = String::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (key, value) = line.split_once(": ").unwrap_or_default();
        if key.eq_ignore_ascii_case("authorization") {
            authorization = value.to_owned();
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (status, headers, body) = answer(path, &authorization);
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)?;
    stream.flush()
}

/// An authority of the test's own, `ca.crt`, and a server's certificate for this address that it has signed.
pub fn certificates(directory: &Path, address: &str) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    let request = format!("req -x509 {key} -days 30");
    let extensions =
        format!("-addext subjectAltName=IP:{address} -addext basicConstraints=critical,CA:false");
    for arguments in [
        format!("{request} -keyout ca.key -out ca.crt -subj /CN=authority"),
        format!(
            "{request} -CA ca.crt -CAkey ca.key -keyout server.key -out server.crt -subj /CN=server {extensions}"
        ),
    ] {
        let made = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output();
        let made = made.expect("openssl is installed");
        assert!(made.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&made.stderr));
    }
}

/// What a registry answers that has this layout under `name`.
pub fn registry(layout: &Path, name: &str) -> impl Fn(&str) -> Answer + Send + 'static + use<> {
    let (layout, name) = (layout.to_owned(), name.to_owned());
    move |path| {
        let missing = (404, String::new(), b"{}".to_vec());
        let Some(path) = path.strip_prefix(&format!("/v2/{name}/")) else { return missing };
        let (kind, reference) = path.split_once('/').unwrap_or_default();
        let digest = match reference.contains(':') {
            true => Some(reference.to_owned()),
            false if kind == "manifests" => tagged(&layout, reference),
            false => None,
        };
        let found =
            digest.and_then(|digest| fs::read(layout.join("blobs").join(digest.replace(':', "/"))).ok());
        found.map_or(missing, |bytes| (200, String::new(), bytes))
    }
}

fn tagged(layout: &Path, tag: &str) -> Option<String> {
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).ok()?).ok()?;
    let manifests = index["manifests"].as_array()?;
    let found =
        manifests.iter().find(|found| found["annotations"]["org.opencontainers.image.ref.name"] == tag)?;
    found["digest"].as_str().map(String::from)
}
