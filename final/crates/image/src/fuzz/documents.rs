//! Indexes, manifests and configurations, as a registry sends them: read, chosen from, and pulled.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Random, corpus, fuzz, scramble};
use crate::config::{ImageConfig, Index, Manifest};
use crate::digest::Digest;
use crate::progress::Silent;
use crate::pull::{PullOptions, pull};
use crate::reference::Reference;
use crate::registry::{Access, AccessOptions};
use crate::testing::{Store, in_memory, is_root};

/// By its path: what a registry has.
type Content = HashMap<String, Vec<u8>>;

/// Answers every `GET` and `HEAD` with what there is, on connections that are kept.
struct Registry {
    host: String,
    content: Arc<Mutex<Content>>,
}

impl Registry {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let content: Arc<Mutex<Content>> = Arc::default();
        let shared = content.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let content = shared.clone();
                std::thread::spawn(move || drop(answer(stream, &content)));
            }
        });
        Self { host, content }
    }
}

fn answer(stream: TcpStream, content: &Mutex<Content>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone()?), stream);
    loop {
        let (mut request, mut header) = (String::new(), String::new());
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        while reader.read_line(&mut header)? > 2 {
            header.clear();
        }
        let mut words = request.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let found = content.lock().unwrap().get(path).cloned();
        let (status, body) = match found {
            Some(body) => ("200 OK", body),
            None => ("404 Not Found", Vec::new()),
        };
        let mut reply = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        if method == "GET" {
            reply.extend(body);
        }
        writer.write_all(&reply)?;
    }
}

fn document(name: &str) -> Vec<u8> {
    std::fs::read(corpus("documents").join(name)).unwrap()
}

/// Puts a document where its kind belongs, and good ones around it.
fn arranged(text: &[u8]) -> Content {
    let (mut config, mut manifest) = (document("config.json"), document("manifest.json"));
    let mut top = text.to_vec();
    let value: Value = serde_json::from_slice(text).unwrap_or_default();
    if value.get("manifests").is_some() {
        // The good manifest is what the index lists.
    } else if value.get("rootfs").is_some() {
        config = text.to_vec();
        let mut around: Value = serde_json::from_slice(&manifest).unwrap();
        around["config"]["digest"] = json!(Digest::of(&config));
        around["config"]["size"] = json!(config.len());
        manifest = around.to_string().into_bytes();
        top.clone_from(&manifest);
    }
    let layer = std::fs::read(corpus("layers").join("small.tar")).unwrap();
    let mut content = Content::from([("/v2/".to_owned(), b"{}".to_vec()), ("/v2/x/manifests/1".into(), top)]);
    for blob in [config, layer] {
        content.insert(format!("/v2/x/blobs/{}", Digest::of(&blob)), blob);
    }
    content.insert(format!("/v2/x/manifests/{}", Digest::of(&manifest)), manifest);
    content
}

/// What is kept beside an image is read again by every later command.
fn read_again<T>(text: &[u8])
where
    T: serde::de::DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug,
{
    if let Ok(document) = serde_json::from_slice::<T>(text) {
        let written = serde_json::to_vec(&document).unwrap();
        assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), document);
    }
}

struct World {
    store: Store,
    registry: Registry,
    access: Access,
}

impl World {
    fn new() -> Self {
        // Publishing syncs, which on a disk would be all that this does.
        let store = Store::at(in_memory());
        let access = Access::new(AccessOptions::default()).unwrap();
        Self { store, registry: Registry::start(), access }
    }

    /// The error, if it is one.
    fn pull(&self, text: &[u8]) -> Option<String> {
        *self.registry.content.lock().unwrap() = arranged(text);
        let name = format!("{}/x:1", self.registry.host);
        let candidates = [Reference::parse(&name).unwrap()];
        let options = PullOptions { platform: None, progress: &Silent };
        let images = &self.store.images;
        match pull(images, &self.access, &candidates, &options) {
            Ok(pulled) => {
                self.look_at(&name);
                images.remove(std::slice::from_ref(&name), true, &|_| None).unwrap().remove(0).unwrap();
                assert!(images.list().unwrap().iter().all(|image| image.id != pulled.id));
                None
            }
            Err(error) => {
                assert!(images.list().unwrap().is_empty(), "an image that is none: {error}");
                Some(error.to_string())
            }
        }
    }

    /// Everything that commands show of an image.
    fn look_at(&self, name: &str) {
        let images = &self.store.images;
        images.resolve(name).unwrap();
        images.list().unwrap();
        images.inspect(name).unwrap();
        images.history(name).unwrap();
        images.dockerfile(name).unwrap();
        images.layer_facts(name).unwrap();
    }

    fn check(&self, text: &[u8]) {
        read_again::<Index>(text);
        read_again::<Manifest>(text);
        read_again::<ImageConfig>(text);
        self.pull(text);
    }
}

fn wild(random: &mut Random) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(1.5e300),
        json!(""),
        json!("/"),
        json!("../../x"),
        json!("a\0b"),
        json!("\u{1b}[31mä\u{202e}\n"),
        json!("sha256:"),
        json!(format!("sha256:{}", "0".repeat(64))),
        json!(format!("sha256:{}", "é".repeat(32))),
        json!("sha512:../../../../etc/passwd"),
        json!("x".repeat(70_000)),
        json!([]),
        json!({}),
        json!([[[[]]]]),
        json!({ "manifests": { "config": {} } }),
        json!(vec!["x"; 2_000]),
        json!(crate::config::INDEX),
        json!(crate::config::DOCKER_MANIFEST),
        json!("windows"),
    ];
    random.pick(&values)
}

/// Puts a wild value somewhere into the tree, takes something out, or has it twice.
fn disturb(value: &mut Value, random: &mut Random) {
    let depth = random.below(6);
    match value {
        Value::Object(members) if !members.is_empty() && depth > 0 => {
            let at = random.below(members.len());
            if depth == 1 {
                let key = members.keys().nth(at).unwrap().clone();
                members.remove(&key);
            } else {
                disturb(members.values_mut().nth(at).unwrap(), random);
            }
        }
        Value::Array(items) if !items.is_empty() && depth > 0 => {
            let at = random.below(items.len());
            match depth {
                1 => drop(items.remove(at)),
                2 => items.push(items[at].clone()),
                _ => disturb(&mut items[at], random),
            }
        }
        _ => *value = wild(random),
    }
}

fn changed(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut text = random.pick(seeds);
    if let (Ok(mut value), true) = (serde_json::from_slice::<Value>(&text), random.below(5) != 0) {
        for _ in 0..=random.below(3) {
            disturb(&mut value, random);
        }
        return value.to_string().into_bytes();
    }
    scramble(random, &mut text);
    text
}

#[test]
fn no_document_makes_it_panic_or_leaves_half_an_image() {
    let world = World::new();
    fuzz("documents", changed, |text| world.check(text));
}

#[test]
fn the_corpus_has_documents_of_every_kind_that_are_an_image() {
    if !is_root("the_corpus_has_documents_of_every_kind_that_are_an_image") {
        return;
    }
    let world = World::new();
    for name in ["index.json", "manifest.json", "config.json", "docker.json", "list.json"] {
        assert_eq!(world.pull(&document(name)), None, "{name}");
    }
}
