//! A registry that a test makes up: images in memory, and a hook to interfere with each answer.

// No suite uses all of this module.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::Write;

use hull_test_support::server::{Reply, Request, Server};
use hull_test_support::{Outcome, Scenario};
use serde_json::{Value, json};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Blobs and manifests by digest, manifests also by tag.
#[derive(Debug, Clone, Default)]
pub struct Content {
    pub blobs: BTreeMap<String, Vec<u8>>,
    pub manifests: BTreeMap<String, (String, Vec<u8>)>,
}

pub fn digest(bytes: &[u8]) -> String {
    let mut child = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("sha256sum is everywhere");
    child.stdin.take().expect("it is piped").write_all(bytes).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    format!("sha256:{}", &String::from_utf8_lossy(&output.stdout)[..64])
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A tar of files.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_mtime(1_000_000_000);
        builder.append_data(&mut header, path, *content).expect("memory");
    }
    builder.into_inner().expect("memory")
}

/// Bytes that do not compress.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

impl Content {
    pub fn descriptor(&mut self, kind: &str, bytes: Vec<u8>) -> Value {
        let digest = digest(&bytes);
        let size = bytes.len();
        self.blobs.insert(digest.clone(), bytes);
        json!({ "mediaType": kind, "digest": digest, "size": size })
    }

    /// Adds an image of gzip layers made of these tars under a tag, and returns its manifest as it is sent.
    pub fn image(&mut self, tag: &str, tars: &[Vec<u8>]) -> Value {
        let layers: Vec<Value> = tars
            .iter()
            .map(|tar| self.descriptor("application/vnd.oci.image.layer.v1.tar+gzip", gzip(tar)))
            .collect();
        let diff_ids: Vec<String> = tars.iter().map(|tar| digest(tar)).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": { "Cmd": ["/x"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = self.descriptor("application/vnd.oci.image.config.v1+json", config.to_string().into());
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        self.tag(tag, MANIFEST, &manifest);
        manifest
    }

    pub fn tag(&mut self, tag: &str, kind: &str, manifest: &Value) -> String {
        let bytes = manifest.to_string().into_bytes();
        let digest = digest(&bytes);
        self.manifests.insert(digest.clone(), (kind.into(), bytes.clone()));
        self.manifests.insert(tag.into(), (kind.into(), bytes));
        digest
    }

    /// The answer of an honest registry.
    pub fn answer(&self, request: &Request) -> Reply {
        let path = request.path.split('?').next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        if path == "/v2/" {
            return Reply::new(200, "{}");
        }
        if path.contains("/manifests/")
            && let Some((kind, bytes)) = self.manifests.get(last)
        {
            let reply = Reply::new(200, bytes.clone()).header("content-type", kind);
            return reply.header("docker-content-digest", digest(bytes));
        }
        if path.contains("/blobs/")
            && let Some(bytes) = self.blobs.get(last)
        {
            let from =
                request.header("range").strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
            return match from.and_then(|from| from.parse::<usize>().ok()) {
                Some(from) => Reply::new(206, &bytes[from..])
                    .header("content-range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
                None => Reply::new(200, bytes.clone()),
            };
        }
        Reply::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#)
    }

    /// Answers as an honest registry, except where `interfere` answers.
    pub fn serve(
        self,
        interfere: impl Fn(&Request, &Content) -> Option<Reply> + Send + Sync + 'static,
    ) -> Server {
        Server::start("127.0.0.1:0", move |request| {
            interfere(request, &self).unwrap_or_else(|| self.answer(request))
        })
    }
}

/// An image `x:1` of one layer with a file.
pub fn simple() -> Content {
    let mut content = Content::default();
    content.image("1", &[tar(&[("x", &noise(50_000, 7))])]);
    content
}

/// Pulls, with little memory.
pub fn pull(t: &Scenario, server: &Server, image: &str) -> Outcome {
    let command = t.command(&["pull", &format!("{}/{image}", server.host)]);
    let mut limited = hull_test_support::outcome::wrapped(&["prlimit", "--data=100000000"], &command);
    hull_test_support::outcome::run(limited.current_dir(t.path("")))
}

/// Nothing of a failed pull is visible.
#[track_caller]
pub fn nothing_visible(t: &Scenario) {
    assert_eq!(t.ok(&["images", "-aq"]), "");
    for directory in ["blobs/sha256", "layers"] {
        let names = std::fs::read_dir(t.data_root().join(directory)).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.is_empty(), "{directory}: {names:?}");
    }
}

/// The pull fails with these words and leaves nothing visible.
#[track_caller]
pub fn assert_fails_with(
    t: &Scenario,
    content: Content,
    interfere: impl Fn(&Request, &Content) -> Option<Reply> + Send + Sync + 'static,
    words: &str,
) -> Outcome {
    let server = content.serve(interfere);
    let outcome = pull(t, &server, "x:1");
    assert!(outcome.fails(1).contains(words), "{words:?} is not said: {outcome}");
    nothing_visible(t);
    outcome
}

/// The layer that the request asks for, if it asks for one.
pub fn layer_asked(request: &Request, content: &Content) -> Option<Vec<u8>> {
    let digest = request.path.rsplit('/').next().unwrap_or_default();
    let blob = content.blobs.get(digest).filter(|_| request.path.contains("/blobs/"))?;
    (blob.first() == Some(&0x1f) && request.header("range").is_empty()).then(|| blob.clone())
}
