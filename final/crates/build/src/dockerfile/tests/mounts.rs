use super::super::device::Device;
use super::super::mount::{Mount, MountKind, Sharing, source};
use crate::Result;

fn mount(text: &str) -> Mount {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn parse(text: &str) -> Result<Mount> {
    Mount::parse(text, '\\', &|_| None)
}

#[test]
fn the_source_is_known_before_variables_are() {
    for text in
        ["from=x,target=/y", "target=$T,FROM=x", "type=cache,uid=$U,from=x,target=/y", "from=a,\"from='x'\""]
    {
        assert_eq!(source(text).as_deref(), Some("x"), "{text}");
    }
    for text in ["target=/y", "from=,target=/y", "from", "", "\"from=x"] {
        assert_eq!(source(text), None, "{text}");
    }
}

#[test]
fn kinds_have_their_defaults() {
    let bind = mount("target=/x");
    assert_eq!(bind.kind, MountKind::Bind { from: None, source: None });
    assert!(bind.read_only && bind.target.as_deref() == Some("/x"));
    let cache = mount("type=cache,target=/x");
    let shared = MountKind::Cache { id: None, sharing: Sharing::Shared, from: None, source: None };
    assert_eq!((cache.kind, cache.read_only), (shared, false));
    assert!(!mount("type=tmpfs,target=/x").read_only);
    assert_eq!(mount("type=ssh").kind, MountKind::Ssh { id: None });
    assert!(mount("TYPE=Secret,id=a").read_only);
}

#[test]
fn keys_have_aliases() {
    for text in ["source=a,target=b", "src=a,dst=b", "SRC=a,destination=b"] {
        let mount = mount(text);
        assert_eq!(mount.kind, MountKind::Bind { from: None, source: Some("a".into()) });
        assert_eq!(mount.target.as_deref(), Some("b"));
    }
    for (text, read_only) in [("rw", false), ("readwrite", false), ("ro", true), ("readonly", true)] {
        assert_eq!(mount(&format!("target=/x,{text}")).read_only, read_only, "{text}");
        assert_eq!(mount(&format!("target=/x,{text}=0")).read_only, !read_only, "{text}=0");
    }
}

#[test]
fn all_options_are_read() {
    let cache = mount("type=cache,id=i,from=f,source=s,target=t,sharing=Locked,mode=0755,uid=1,gid=2,ro");
    let (id, from, source) = (Some("i".into()), Some("f".into()), Some("s".into()));
    assert_eq!(cache.kind, MountKind::Cache { id, sharing: Sharing::Locked, from, source });
    assert_eq!((cache.mode, cache.uid, cache.gid, cache.read_only), (Some(0o755), Some(1), Some(2), true));
    assert_eq!(mount("type=tmpfs,target=/x,size=1m").kind, MountKind::Tmpfs { size: Some(1 << 20) });
    let secret = mount("type=secret,id=a,env=B,required,mode=400");
    assert_eq!(secret.kind, MountKind::Secret { id: Some("a".into()), env: Some("B".into()) });
    assert!(secret.required && secret.mode == Some(0o400));
    assert!(!mount("type=secret,id=a,required=false").required);
    assert!(mount("type=ssh,required=true").required);
    let quoted = mount("type=bind,\"source=a,b\",target=/x");
    assert_eq!(quoted.kind, MountKind::Bind { from: None, source: Some("a,b".into()) });
}

#[test]
fn variables_are_expanded_field_by_field() {
    let lookup = |name: &str| (name == "A").then(|| "x,required".to_owned());
    let found = Mount::parse("type=secret,id=${A},target=/run/$B/'c d'", '\\', &lookup).unwrap();
    assert_eq!(found.kind, MountKind::Secret { id: Some("x,required".into()), env: None });
    assert!(!found.required, "a value makes no new key");
    assert_eq!(found.target.as_deref(), Some("/run//c d"));
}

#[test]
fn mistakes_are_named() {
    let wrong = [
        ("type=bind,from=a,required", "unexpected key 'required' for mount type 'bind'"),
        ("type=cache,target=/x,uid=-1", "invalid value -1 for uid"),
        ("type=cache,target=/x,gid=+1", "invalid value +1 for gid"),
        ("type=cache,target=/x,mode=08", "invalid value 08 for mode"),
        ("type=cache,target=/x,uid=4294967296", "invalid value 4294967296 for uid"),
        ("type=tmpfs,target=/x,uid=1", "uid not allowed for \"tmpfs\" type mounts"),
        ("type=ssh,source=x", "ssh does not support source"),
        ("type=ssh,env=x", "unexpected key 'env' for mount type 'ssh'"),
        ("type=bind,\"target=/x", "failed to parse csv mounts: a quotation mark is not closed"),
        ("type=bind,,target=/x", "invalid field '' must be a key=value pair"),
        ("type=bind,tarrget=/x", "unexpected key 'tarrget' in 'tarrget=/x' (did you mean target?)"),
    ];
    for (text, why) in wrong {
        assert_eq!(parse(text).unwrap_err().to_string(), why, "{text}");
    }
}

#[test]
fn devices() {
    let device = |name: &str, required| Ok(Device { name: name.into(), required });
    assert_eq!(Device::parse("vendor.example/gpu=all"), device("vendor.example/gpu=all", false));
    assert_eq!(Device::parse("vendor.example/gpu,required"), device("vendor.example/gpu", true));
    assert_eq!(Device::parse("required=true,name=a"), device("a", true));
    assert!(Device::parse("name=a,name=b").is_err() && Device::parse("a,required=x").is_err());
}
