//! Images in a directory as a context: `oci-layout://PATH[:TAG][@DIGEST]` (image-spec, image-layout.md).

use std::fs::{self, File};
use std::path::Path;

use hull_engine::Engine;
use hull_image::Digest;
use hull_image::archive::{LoadSource, load};
use hull_image::config::REF_NAME;
use serde_json::Value;

use super::Tree;
use super::child::in_child;
use super::staged::Staged;
use crate::error::IoContext;
use crate::patterns::Patterns;
use crate::{Error, Result};

/// Bytes of an index.
const LONGEST_INDEX: u64 = 4 << 20;
/// An index, a manifest, and the blobs.
const DEEPEST: u32 = 2;

/// Loads one image of a layout into the store, without a name. Returns its id.
pub fn load_layout(engine: &Engine, text: &str) -> Result<Digest> {
    let (path, tag, digest) = parts(text)?;
    let invalid = |why: String| Error::Invalid { what: format!("image layout {text}"), why };
    let source = Tree::open(Path::new(path), format!("the image layout {path}"))?;
    let name = Path::new("index.json");
    let missing = || Error::NoSuchFile { path: name.to_owned(), place: source.name.clone() };
    let bytes = source.read_file(name, LONGEST_INDEX)?.ok_or_else(missing)?;
    let mut index: Value = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
    let Some(manifests) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
        return Err(invalid("its index lists no image".into()));
    };
    let tag_of = |manifest: &Value| manifest["annotations"][REF_NAME].as_str().map(str::to_owned);
    let is_wanted = |manifest: &Value| match (&digest, tag) {
        (Some(digest), _) => manifest["digest"] == digest.to_string(),
        (None, Some(tag)) => tag_of(manifest).as_deref() == Some(tag),
        (None, None) => true,
    };
    let all: Vec<String> = manifests.iter().filter_map(tag_of).collect();
    manifests.retain(is_wanted);
    // Without a tag, one image is meant, or the one that is called latest.
    if manifests.len() > 1 {
        manifests.retain(|manifest| tag_of(manifest).as_deref() == Some("latest"));
    }
    if manifests.len() != 1 {
        return Err(invalid(format!("it has no such image, or several; its tags are: {}", all.join(", "))));
    }
    // The store would take the tag for a name.
    if let Some(annotations) = manifests[0].get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.clear();
    }
    let staged = Staged::new(engine.root())?;
    let layout = staged.make_tree()?;
    let wanted = digest_of(&manifests[0], text)?;
    fs::create_dir_all(layout.join("blobs/sha256")).context(|| format!("make {}", layout.display()))?;
    take(&source, &wanted, &layout, DEEPEST)?;
    let action = || format!("make {}", layout.display());
    fs::write(layout.join("index.json"), index.to_string()).context(action)?;
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).context(action)?;
    let images = engine.images();
    let loaded = in_child(&format!("load {text}"), || {
        let loaded = load(images, LoadSource::Path(layout.clone()), None)?;
        Ok(loaded.into_iter().map(|image| image.id).collect::<Vec<_>>())
    })?;
    loaded.into_iter().next().ok_or_else(|| invalid("it has no image".into()))
}

/// Takes a blob of the layout, and the blobs that it names if it is an index or a manifest. Those of other platforms may
/// be missing.
fn take(source: &Tree, digest: &Digest, layout: &Path, depth: u32) -> Result<()> {
    let name = Path::new("blobs/sha256").join(digest.hex());
    let none = Patterns::default();
    let Some(entry) = source.walk(&name, &none)?.next_entry()? else { return Ok(()) };
    let mut file = entry.open()?;
    let target = layout.join(&name);
    if target.exists() {
        return Ok(());
    }
    if hull_sys::fs::link_open_file(&file, rustix::fs::CWD, &target).is_err() {
        let copied = File::create_new(&target).and_then(|mut to| std::io::copy(&mut file, &mut to));
        copied.context(|| format!("copy {}", name.display()))?;
    }
    if depth == 0 || entry.size() > LONGEST_INDEX {
        return Ok(());
    }
    let bytes = source.read_file(&name, LONGEST_INDEX)?.unwrap_or_default();
    let Ok(document) = serde_json::from_slice::<Value>(&bytes) else { return Ok(()) };
    let lists = ["manifests", "layers"].into_iter().filter_map(|name| document[name].as_array()).flatten();
    for blob in lists.chain(document.get("config").filter(|config| config.is_object())) {
        if let Some(Ok(digest)) = blob["digest"].as_str().map(Digest::parse) {
            match take(source, &digest, layout, depth - 1) {
                Err(Error::NoSuchFile { .. }) => {}
                taken => taken?,
            }
        }
    }
    Ok(())
}

fn digest_of(manifest: &Value, text: &str) -> Result<Digest> {
    let digest = manifest["digest"].as_str().unwrap_or_default();
    Digest::parse(digest).map_err(|_| Error::Invalid {
        what: format!("image layout {text}"),
        why: format!("its index has no valid digest: {digest:?}"),
    })
}

/// The path, the tag and the digest.
fn parts(text: &str) -> Result<(&str, Option<&str>, Option<Digest>)> {
    let (text, digest) = match text.split_once('@') {
        Some((text, digest)) => (text, Some(Digest::parse(digest)?)),
        None => (text, None),
    };
    let (path, tag) = match text.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') && !tag.is_empty() => (path, Some(tag)),
        _ => (text, None),
    };
    Ok((path, tag, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_has_a_path_and_may_have_a_tag_and_a_digest() {
        let digest = Digest::of(b"");
        let both = format!("a/b:v1@{digest}");
        assert_eq!(parts("a/b").unwrap(), ("a/b", None, None));
        assert_eq!(parts("/a:b/c").unwrap(), ("/a:b/c", None, None));
        assert_eq!(parts("./a:v1").unwrap(), ("./a", Some("v1"), None));
        assert_eq!(parts(&both).unwrap(), ("a/b", Some("v1"), Some(digest)));
        assert!(parts("a@md5:x").is_err());
    }
}
