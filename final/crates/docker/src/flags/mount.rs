//! `--mount KEY=VALUE,…` and `HostConfig.Mounts` (<https://docs.docker.com/reference/cli/docker/container/run/#mount>).

use std::fmt;
use std::path::Path;

use crate::wire::host_config::{Mount, TmpfsOptions};
use crate::{bools, csv, path, size};

use super::volume;

/// Parses one `--mount`. A relative source is relative to `here`.
pub fn parse(text: &str, here: &Path) -> Result<Mount, String> {
    let mut mount = Mount { kind: "volume".into(), ..Mount::default() };
    for field in csv::fields(text)? {
        let (key, value) = field.split_once('=').unwrap_or((&field, "true"));
        set(&mut mount, &key.to_ascii_lowercase(), value)?;
    }
    if mount.kind == "bind" && !mount.source.is_empty() {
        mount.source = path::source(&mount.source, here)?.display().to_string();
    }
    check(&mount).map(|()| mount)
}

fn set(mount: &mut Mount, key: &str, value: &str) -> Result<(), String> {
    let flag = || bools::parse(value).map_err(|why| format!("{key}: {why}"));
    match key {
        "type" => mount.kind = value.to_ascii_lowercase(),
        "source" | "src" => mount.source = value.to_owned(),
        "target" | "dst" | "destination" => mount.target = value.to_owned(),
        "readonly" | "ro" => mount.read_only = flag()?,
        "volume-nocopy" => mount.volume_options.get_or_insert_default().no_copy = flag()?,
        "bind-propagation" if volume::is_propagation(value) => {
            mount.bind_options.get_or_insert_default().propagation = value.to_owned();
        }
        "bind-propagation" => return Err(format!("there is no propagation {value:?}")),
        "tmpfs-size" => {
            let bytes = i64::try_from(size::parse(value)?).unwrap_or(i64::MAX);
            mount.tmpfs_options.get_or_insert_default().size_bytes = Some(bytes);
        }
        "tmpfs-mode" => {
            let mode = u32::from_str_radix(value, 8);
            mount.tmpfs_options.get_or_insert_default().mode =
                Some(mode.map_err(|_| format!("tmpfs-mode {value:?} is not octal"))?);
        }
        "consistency" => mount.consistency = value.to_owned(),
        _ => return Err(format!("there is no key {key:?}")),
    }
    Ok(())
}

/// Checks that hull supports the mount's options and that they can be combined, for flags and requests alike.
pub fn check(mount: &Mount) -> Result<(), String> {
    if mount.target.is_empty() {
        return Err("target is required".into());
    }
    path::target(&mount.target)?;
    if mount.kind != "tmpfs" && mount.tmpfs_options.is_some() {
        return Err("tmpfs-size and tmpfs-mode belong to type=tmpfs".into());
    }
    if mount.kind != "bind" && mount.bind_options.is_some() {
        return Err("bind-propagation belongs to type=bind".into());
    }
    if mount.kind != "volume" && mount.volume_options.is_some() {
        return Err("volume-nocopy belongs to type=volume".into());
    }
    let bind_options = mount.bind_options.clone().unwrap_or_default();
    let volume_options = mount.volume_options.clone().unwrap_or_default();
    let driver = volume_options.driver_config.unwrap_or_default();
    for (is_set, key) in [
        (bind_options.non_recursive, "bind-recursive"),
        (!volume_options.labels.is_empty(), "volume-label"),
        (!volume_options.subpath.is_empty(), "volume-subpath"),
        (!["", "local"].contains(&&*driver.name), "volume-driver"),
        (!driver.options.is_empty(), "volume-opt"),
    ] {
        if is_set {
            return Err(format!("hull does not have {key}"));
        }
    }
    let propagation = bind_options.propagation;
    if !propagation.is_empty() && !volume::is_propagation(&propagation) {
        return Err(format!("there is no propagation {propagation:?}"));
    }
    match (mount.kind.as_str(), mount.source.as_str()) {
        ("bind", "") => Err("source is required for type=bind".into()),
        ("bind", source) if !source.starts_with('/') => Err(format!("{source:?} is not an absolute path")),
        ("bind", _) | ("tmpfs", "") | ("volume", "") => Ok(()),
        ("volume", name) => volume::name(name).map(drop),
        ("tmpfs", _) => Err("a tmpfs has no source".into()),
        (kind, _) => Err(format!("there is no type {kind:?}: expected bind, volume or tmpfs")),
    }
}

fn tmpfs_texts(options: &TmpfsOptions) -> (Option<String>, Option<String>) {
    (options.size_bytes.map(|bytes| bytes.to_string()), options.mode.map(|mode| format!("{mode:o}")))
}

/// The options of mount(8) for a tmpfs of `--mount`: `size=67108864`, `mode=1777`.
pub fn tmpfs_options(mount: &Mount) -> Vec<String> {
    let (size, mode) = mount.tmpfs_options.as_ref().map(tmpfs_texts).unwrap_or_default();
    let mut options: Vec<String> = size.map(|size| format!("size={size}")).into_iter().collect();
    options.extend(mode.map(|mode| format!("mode={mode}")));
    if mount.read_only {
        options.push("ro".into());
    }
    options
}

/// The text that a `--mount` parses to this mount.
impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = vec![format!("type={}", self.kind)];
        let mut add = |key: &str, value: &str| {
            if !value.is_empty() {
                fields.push(format!("{key}={value}"));
            }
        };
        add("source", &self.source);
        add("target", &self.target);
        add("readonly", if self.read_only { "true" } else { "" });
        add("consistency", &self.consistency);
        if let Some(options) = &self.bind_options {
            add("bind-propagation", &options.propagation);
        }
        if let Some(options) = &self.volume_options {
            add("volume-nocopy", &options.no_copy.to_string());
        }
        if let Some(options) = &self.tmpfs_options {
            let (size, mode) = tmpfs_texts(options);
            add("tmpfs-size", &size.unwrap_or_default());
            add("tmpfs-mode", &mode.unwrap_or_default());
        }
        f.write_str(&csv::print(&fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::host_config::DriverConfig;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Mount, String> {
        parse(text, Path::new("/home/me"))
    }

    #[test]
    fn keys_are_read() {
        let tmpfs = read("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770").unwrap();
        assert_eq!(tmpfs.tmpfs_options, Some(TmpfsOptions { size_bytes: Some(1 << 20), mode: Some(0o1770) }));
        let bind = read("type=bind,\"src=/a,b\",dst=/b,ro=T").unwrap();
        assert_eq!((bind.source.as_str(), bind.read_only), ("/a,b", true));
        assert_eq!(read("type=bind,src=./a,dst=/b").unwrap().source, "/home/me/a");
        assert_eq!(read("target=/b").unwrap().kind, "volume");
    }

    #[test]
    fn keys_must_fit_their_type() {
        for wrong in [
            "type=bind,target=/b",
            "type=wrong,target=/x",
            "type=volume,target=/b,tmpfs-size=1m",
            "type=volume,target=/b,bind-propagation=slave",
            "type=tmpfs,target=/b,volume-nocopy",
            "type=tmpfs,source=a,target=/b",
            "source=a",
            "type=bind,source=/a,target=/b,colour=blue",
            "type=bind,source=/a,target=/b,ro=maybe",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_volume_has_no_driver_but_local() {
        let with = |name: &str, option: Option<&str>| {
            let options = option.map(|key| (key.to_owned(), "tmpfs".to_owned())).into_iter().collect();
            let mut mount = read("source=data,target=/b").unwrap();
            mount.volume_options.get_or_insert_default().driver_config =
                Some(DriverConfig { name: name.into(), options });
            check(&mount)
        };
        assert_eq!((with("", None), with("local", None)), (Ok(()), Ok(())));
        assert!(with("nfs", None).unwrap_err().contains("volume-driver"));
        assert!(with("local", Some("type")).unwrap_err().contains("volume-opt"));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(
            text in "type=bind,source=/[a-z]{1,4},|type=volume,|type=volume,source=[a-z]{2,4},volume-nocopy=(true|false),|type=tmpfs,tmpfs-size=[1-9]m,tmpfs-mode=[1-7]{3},",
            target in "/[a-z \"]{1,6}",
            read_only in any::<bool>(),
        ) {
            let mut mount = read(&format!("{text}target=/t,readonly={read_only}")).unwrap();
            mount.target = target;
            prop_assert_eq!(read(&mount.to_string()), Ok(mount));
        }
    }
}
