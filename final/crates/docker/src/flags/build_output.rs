//! `--output [PATH|-|type=TYPE[,KEY=VALUE]]` of `build`
//! (<https://docs.docker.com/reference/cli/docker/buildx/build/#output>).

use std::collections::BTreeMap;

use crate::csv;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// `local`, `tar`, `oci`, `docker`, `image` or `cacheonly`; `registry` is an image with `push=true`.
    pub kind: String,
    /// `None`: not given. `-` is the standard output.
    pub destination: Option<String>,
    pub attributes: BTreeMap<String, String>,
}

const KINDS: [&str; 7] = ["local", "tar", "oci", "docker", "image", "registry", "cacheonly"];

/// Parses one `--output`.
pub fn parse(text: &str) -> Result<Output, String> {
    let fields = csv::fields(text)?;
    let plain = |kind: &str| Output {
        kind: kind.into(),
        destination: Some(text.into()),
        attributes: BTreeMap::new(),
    };
    match fields.as_slice() {
        [only] if only == "-" => return Ok(plain("tar")),
        [only] if only == text && !only.is_empty() && !only.starts_with("type=") => {
            return Ok(plain("local"));
        }
        _ => {}
    }
    let (mut kind, mut destination, mut attributes) = (None, None, BTreeMap::new());
    for field in &fields {
        let (key, value) = field.split_once('=').ok_or_else(|| format!("invalid value {field}"))?;
        match key.trim().to_ascii_lowercase().as_str() {
            "type" => kind = Some(value.to_owned()),
            "dest" => destination = Some(value.to_owned()),
            key => drop(attributes.insert(key.to_owned(), value.to_owned())),
        }
    }
    let mut kind = kind.filter(|kind| !kind.is_empty()).ok_or("type is required for output")?;
    if !KINDS.contains(&&*kind) {
        return Err(format!("there is no type {kind:?}: it is one of {}", KINDS.join(", ")));
    }
    if kind == "registry" {
        kind = "image".into();
        attributes.insert("push".into(), "true".into());
    }
    check(&kind, destination.as_deref())?;
    Ok(Output { kind, destination, attributes })
}

fn check(kind: &str, destination: Option<&str>) -> Result<(), String> {
    match (kind, destination) {
        ("local", None | Some("")) => Err("dest is required for local output".into()),
        ("local", Some("-")) => Err("dest cannot be stdout for local output".into()),
        ("image" | "cacheonly", Some(_)) => Err(format!("dest is not allowed for type {kind}")),
        _ => Ok(()),
    }
}

#[test]
fn a_path_alone_is_a_directory_and_a_dash_a_tar() {
    let shown = |text| {
        parse(text).map(|Output { kind, destination, attributes }| {
            let attributes: Vec<_> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{kind} {} {}", destination.unwrap_or_default(), attributes.join(","))
        })
    };
    for (text, wanted) in [
        ("out", "local out "),
        ("./a=b", "local ./a=b "),
        ("-", "tar - "),
        ("type=local,dest=out", "local out "),
        ("type=tar", "tar  "),
        ("type=oci,dest=a.tar,compression=zstd", "oci a.tar compression=zstd"),
        ("type=docker", "docker  "),
        ("type=image,name=a/b,push=true", "image  name=a/b,push=true"),
        ("type=registry,ref=x", "image  push=true,ref=x"),
        ("type=cacheonly", "cacheonly  "),
        ("\"type=image\",\"name=a,b\"", "image  name=a,b"),
        ("TYPE=oci, Dest=x", "oci x "),
    ] {
        assert_eq!(shown(text).as_deref(), Ok(wanted), "{text}");
    }
    for wrong in
        ["", "type=", "dest=a,push=true", "type=zip", "type=local", "type=local,dest=-", "type=oci,x"]
    {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
