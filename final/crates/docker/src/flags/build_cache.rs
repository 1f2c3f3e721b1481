//! `--cache-to` and `--cache-from` of `build`: `type=TYPE[,KEY=VALUE]`, or names of images
//! (<https://docs.docker.com/reference/cli/docker/buildx/build/#cache-from>).

use std::collections::BTreeMap;

use crate::csv;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// `registry`, `local` or `inline`.
    pub kind: String,
    pub attributes: BTreeMap<String, String>,
}

const KINDS: [&str; 3] = ["registry", "local", "inline"];

/// Parses one flag, which may name several images.
pub fn parse(text: &str) -> Result<Vec<Location>, String> {
    let fields = csv::fields(text)?;
    if fields.iter().all(|field| !field.contains('=')) {
        let image = |name: &String| Location {
            kind: "registry".into(),
            attributes: BTreeMap::from([("ref".into(), name.clone())]),
        };
        return match fields.iter().any(String::is_empty) {
            true => Err("expected the name of an image, or type=TYPE".into()),
            false => Ok(fields.iter().map(image).collect()),
        };
    }
    let (mut kind, mut attributes) = (None, BTreeMap::new());
    for field in &fields {
        let (key, value) = field.split_once('=').ok_or_else(|| format!("invalid value {field}"))?;
        match key.to_ascii_lowercase().as_str() {
            "type" => kind = Some(value.to_owned()),
            key => drop(attributes.insert(key.to_owned(), value.to_owned())),
        }
    }
    let kind = kind.ok_or_else(|| format!("type required form> {text:?}"))?;
    let needed = match kind.as_str() {
        "registry" => Some("ref"),
        _ => None,
    };
    if !KINDS.contains(&&*kind) {
        return Err(format!("there is no type {kind:?}: it is one of {}", KINDS.join(", ")));
    }
    match needed.filter(|key| !attributes.contains_key(*key)) {
        Some(key) => Err(format!("{key} is required for type={kind}")),
        None => Ok(vec![Location { kind, attributes }]),
    }
}

#[test]
fn a_cache_is_in_a_registry_or_a_directory() {
    let shown = |text| {
        parse(text).map(|all| {
            let all = all.iter().map(|Location { kind, attributes }| format!("{kind} {attributes:?}"));
            all.collect::<Vec<_>>().join(" ")
        })
    };
    for (text, wanted) in [
        ("a/b", r#"registry {"ref": "a/b"}"#),
        ("a,b:1", r#"registry {"ref": "a"} registry {"ref": "b:1"}"#),
        ("type=registry,ref=a,mode=max", r#"registry {"mode": "max", "ref": "a"}"#),
        ("type=local,dest=d", r#"local {"dest": "d"}"#),
        ("type=inline", "inline {}"),
    ] {
        assert_eq!(shown(text).as_deref(), Ok(wanted), "{text}");
    }
    for wrong in ["", "ref=a", "type=gha", "type=registry", "type=local,x"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
