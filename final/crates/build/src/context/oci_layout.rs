//! Images in a directory as a context: `oci-layout://PATH[:TAG][@DIGEST]` (image-spec, image-layout.md).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use hull_engine::Engine;
use hull_image::Digest;
use hull_image::archive::{LoadSource, load};
use serde_json::Value;

use super::child::in_child;
use super::staged::Staged;
use crate::error::IoContext;
use crate::{Error, Result};

/// Bytes of an index.
const LONGEST_INDEX: u64 = 4 << 20;
/// image-spec, annotations.md.
const TAG: &str = "org.opencontainers.image.ref.name";

/// Loads one image of a layout into the store, without a name. Returns its id.
pub fn load_layout(engine: &Engine, text: &str) -> Result<Digest> {
    let (path, tag, digest) = parts(text)?;
    let invalid = |why: String| Error::Invalid { what: format!("image layout {text}"), why };
    let index = Path::new(path).join("index.json");
    let length = fs::metadata(&index).context(|| format!("look at {}", index.display()))?.len();
    if length > LONGEST_INDEX {
        return Err(invalid("its index is longer than 4 MiB".into()));
    }
    let bytes = fs::read(&index).context(|| format!("read {}", index.display()))?;
    let mut index: Value = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
    let Some(manifests) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
        return Err(invalid("its index lists no image".into()));
    };
    let tag_of = |manifest: &Value| manifest["annotations"][TAG].as_str().map(str::to_owned);
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
    let path = fs::canonicalize(path).context(|| format!("look up {path}"))?;
    let action = || format!("make {}", layout.display());
    fs::write(layout.join("index.json"), index.to_string()).context(action)?;
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).context(action)?;
    symlink(path.join("blobs"), layout.join("blobs")).context(action)?;
    let images = engine.images();
    let loaded = in_child(&format!("load {text}"), || {
        let loaded = load(images, LoadSource::Path(layout.clone()), None)?;
        Ok(loaded.into_iter().map(|image| image.id).collect::<Vec<_>>())
    })?;
    loaded.into_iter().next().ok_or_else(|| invalid("it has no image".into()))
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
