//! `--mount KEY=VALUE,…` and `HostConfig.Mounts` (<https://docs.docker.com/reference/cli/docker/container/run/#mount>).

use std::fmt;
use std::path::{Component, Path};

use crate::wire::host_config::{BindOptions, DriverConfig, ImageOptions, Mount, TmpfsOptions, VolumeOptions};
use crate::{bools, csv, path, size};

use super::{local_driver, volume};

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
    check(&mount)?;
    let forced = mount.bind_options.as_ref().filter(|options| options.read_only_force_recursive);
    // docker's command line wants it written out; a request may leave it to the default.
    if forced.is_some_and(|options| options.propagation.is_empty()) {
        return Err(NEEDS_PRIVATE.into());
    }
    Ok(mount)
}

const NEEDS_PRIVATE: &str =
    "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction";

fn set(mount: &mut Mount, key: &str, value: &str) -> Result<(), String> {
    let flag = || bools::parse(value).map_err(|why| format!("{key}: {why}"));
    match key {
        "type" => mount.kind = value.to_ascii_lowercase(),
        "source" | "src" => mount.source = value.to_owned(),
        "target" | "dst" | "destination" => mount.target = value.to_owned(),
        "readonly" | "ro" => mount.read_only = flag()?,
        "volume-nocopy" => volume_options(mount).no_copy = flag()?,
        "volume-subpath" => volume_options(mount).subpath = value.to_owned(),
        "volume-label" => {
            let (key, value) = value.split_once('=').unwrap_or((value, ""));
            volume_options(mount).labels.insert(key.to_owned(), value.to_owned());
        }
        "volume-driver" => driver(mount).name = value.to_owned(),
        "volume-opt" => {
            let (key, value) = value.split_once('=').unwrap_or((value, ""));
            driver(mount).options.insert(key.to_owned(), value.to_owned());
        }
        "bind-recursive" => set_recursion(mount.bind_options.get_or_insert_default(), value)?,
        // Deprecated by docker in favour of bind-recursive.
        "bind-nonrecursive" => mount.bind_options.get_or_insert_default().non_recursive = flag()?,
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
        "image-subpath" => {
            mount.image_options = Some(ImageOptions { subpath: value.to_owned() });
        }
        "consistency" => mount.consistency = value.to_owned(),
        _ => return Err(format!("there is no key {key:?}")),
    }
    Ok(())
}

fn volume_options(mount: &mut Mount) -> &mut VolumeOptions {
    mount.volume_options.get_or_insert_default()
}

fn driver(mount: &mut Mount) -> &mut DriverConfig {
    volume_options(mount).driver_config.get_or_insert_default()
}

fn set_recursion(options: &mut BindOptions, value: &str) -> Result<(), String> {
    match value {
        "enabled" => {}
        "disabled" => options.non_recursive = true,
        "writable" => options.read_only_non_recursive = true,
        "readonly" => options.read_only_force_recursive = true,
        _ => {
            return Err(format!(
                "invalid value for bind-recursive: {value} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
            ));
        }
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
        return Err("bind-propagation and bind-recursive belong to type=bind".into());
    }
    if mount.kind != "volume" && mount.volume_options.is_some() {
        return Err("volume-nocopy, volume-subpath and the like belong to type=volume".into());
    }
    if mount.kind != "image" && mount.image_options.is_some() {
        return Err("image-subpath belongs to type=image".into());
    }
    check_bind(mount)?;
    check_volume(mount)?;
    if let Some(options) = &mount.image_options
        && !is_local(Path::new(&options.subpath))
    {
        return Err("subpath must be a relative path within the image".into());
    }
    if let Some(options) = &mount.tmpfs_options {
        check_tmpfs(options)?;
    }
    match (mount.kind.as_str(), mount.source.as_str()) {
        ("bind" | "image", "") => Err(format!("source is required for type={}", mount.kind)),
        ("bind", source) if !source.starts_with('/') => Err(format!("{source:?} is not an absolute path")),
        ("bind" | "image", _) | ("tmpfs", "") | ("volume", "") => Ok(()),
        ("volume", name) => volume::name(name).map(drop),
        ("tmpfs", _) => Err("a tmpfs has no source".into()),
        (kind, _) => Err(format!("there is no type {kind:?}: expected bind, volume, tmpfs or image")),
    }
}

fn check_bind(mount: &Mount) -> Result<(), String> {
    let Some(options) = &mount.bind_options else { return Ok(()) };
    let propagation = &*options.propagation;
    if !propagation.is_empty() && !volume::is_propagation(propagation) {
        return Err(format!("there is no propagation {propagation:?}"));
    }
    let recursion =
        [options.non_recursive, options.read_only_non_recursive, options.read_only_force_recursive];
    if recursion.iter().filter(|is_set| **is_set).count() > 1 {
        return Err(
            "only one of NonRecursive, ReadOnlyNonRecursive and ReadOnlyForceRecursive can be set".into()
        );
    }
    for (is_set, value) in
        [(options.read_only_non_recursive, "writable"), (options.read_only_force_recursive, "readonly")]
    {
        if is_set && !mount.read_only {
            return Err(format!(
                "option 'bind-recursive={value}' requires 'readonly' to be specified in conjunction"
            ));
        }
    }
    if options.read_only_force_recursive && !["", "rprivate"].contains(&propagation) {
        return Err(NEEDS_PRIVATE.into());
    }
    Ok(())
}

fn check_volume(mount: &Mount) -> Result<(), String> {
    let Some(options) = &mount.volume_options else { return Ok(()) };
    let driver = options.driver_config.clone().unwrap_or_default();
    local_driver::check_name(&driver.name)?;
    local_driver::parse(&driver.options)?;
    if options.subpath.is_empty() {
        return Ok(());
    }
    if mount.source.is_empty() {
        return Err("must not set Subpath when using anonymous volumes".into());
    }
    match is_local(Path::new(&options.subpath)) {
        true => Ok(()),
        false => Err("subpath must be a relative path within the volume".into()),
    }
}

/// Whether a path cannot lead out of its directory by its own text: relative, and never more `..` than names before it.
fn is_local(path: &Path) -> bool {
    let depth = path.components().try_fold(0usize, |depth, component| match component {
        Component::Normal(_) => Some(depth + 1),
        Component::CurDir => Some(depth),
        Component::ParentDir => depth.checked_sub(1),
        Component::RootDir | Component::Prefix(_) => None,
    });
    depth.is_some()
}

/// The tmpfs options that a request may carry beside size and mode: docker's list.
fn check_tmpfs(options: &TmpfsOptions) -> Result<(), String> {
    for option in &options.options {
        match &option[..] {
            [name] if name == "exec" || name == "noexec" => {}
            _ => return Err(format!("invalid tmpfs option {:?}: it is exec or noexec", option.join("="))),
        }
    }
    Ok(())
}

fn tmpfs_texts(options: &TmpfsOptions) -> (Option<String>, Option<String>) {
    (options.size_bytes.map(|bytes| bytes.to_string()), options.mode.map(|mode| format!("{mode:o}")))
}

/// The options of mount(8) for a tmpfs of `--mount`: `size=67108864`, `mode=1777`.
pub fn tmpfs_options(mount: &Mount) -> Vec<String> {
    let (size, mode) = mount.tmpfs_options.as_ref().map(tmpfs_texts).unwrap_or_default();
    let mut options: Vec<String> = size.map(|size| format!("size={size}")).into_iter().collect();
    options.extend(mode.map(|mode| format!("mode={mode}")));
    options
        .extend(mount.tmpfs_options.iter().flat_map(|tmpfs| &tmpfs.options).map(|option| option.join("=")));
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
            let recursion = [
                (options.non_recursive, "disabled"),
                (options.read_only_non_recursive, "writable"),
                (options.read_only_force_recursive, "readonly"),
            ];
            for (_, value) in recursion.iter().filter(|(is_set, _)| *is_set) {
                add("bind-recursive", value);
            }
        }
        if let Some(options) = &self.volume_options {
            add("volume-nocopy", &options.no_copy.to_string());
            add("volume-subpath", &options.subpath);
            for (key, value) in &options.labels {
                add("volume-label", &format!("{key}={value}"));
            }
            let driver = options.driver_config.clone().unwrap_or_default();
            add("volume-driver", &driver.name);
            for (key, value) in &driver.options {
                add("volume-opt", &format!("{key}={value}"));
            }
        }
        if let Some(options) = &self.image_options {
            add("image-subpath", &options.subpath);
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
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Mount, String> {
        parse(text, Path::new("/home/me"))
    }

    #[test]
    fn keys_are_read() {
        let tmpfs = read("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770").unwrap();
        assert_eq!(
            tmpfs.tmpfs_options,
            Some(TmpfsOptions { size_bytes: Some(1 << 20), mode: Some(0o1770), options: vec![] })
        );
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
        let with = |text: &str| read(&format!("source=data,target=/b,{text}")).map(drop);
        assert_eq!((with("volume-driver="), with("volume-driver=local")), (Ok(()), Ok(())));
        assert!(with("volume-driver=nfs").unwrap_err().contains("nfs"));
        assert!(with("volume-opt=type=tmpfs").unwrap_err().contains("device"));
        assert_eq!(
            with("volume-opt=type=tmpfs,volume-opt=device=tmpfs,\"volume-opt=o=size=1m,mode=700\""),
            Ok(())
        );
    }

    #[test]
    fn a_subpath_stays_in_a_named_volume() {
        let with =
            |source: &str, path: &str| read(&format!("{source}target=/b,volume-subpath={path}")).map(drop);
        for good in ["a", "a/b", "a/../b", "."] {
            assert_eq!(with("source=data,", good), Ok(()), "{good}");
        }
        for wrong in ["/a", "..", "a/../../b"] {
            assert!(with("source=data,", wrong).is_err(), "{wrong}");
        }
        assert!(with("", "a").is_err());
    }

    #[test]
    fn a_tmpfs_of_a_request_has_options() {
        let mut mount = read("type=tmpfs,target=/t").unwrap();
        mount.tmpfs_options =
            Some(TmpfsOptions { options: vec![vec!["exec".into()]], ..TmpfsOptions::default() });
        assert_eq!((check(&mount), tmpfs_options(&mount)), (Ok(()), vec!["exec".to_owned()]));
        mount.tmpfs_options.as_mut().unwrap().options.push(vec!["uid".into(), "7".into()]);
        assert!(check(&mount).unwrap_err().contains("uid=7"));
    }

    #[test]
    fn recursion_is_dockers() {
        let with = |text: &str| read(&format!("type=bind,source=/a,target=/b,{text}"));
        assert!(with("bind-recursive=disabled").unwrap().bind_options.unwrap().non_recursive);
        assert!(with("bind-recursive=enabled,ro").is_ok() && with("bind-recursive=writable,ro").is_ok());
        assert!(with("bind-recursive=readonly,ro,bind-propagation=rprivate").is_ok());
        for wrong in ["writable", "readonly,ro", "readonly,bind-propagation=rprivate", "maybe"] {
            assert!(with(&format!("bind-recursive={wrong}")).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(
            text in "type=bind,source=/[a-z]{1,4},|type=volume,|type=volume,source=[a-z]{2,4},volume-nocopy=(true|false),(volume-subpath=[a-z]/[a-z],)?(volume-label=[a-z]=[a-z],)?|type=bind,source=/a,bind-recursive=disabled,|type=tmpfs,tmpfs-size=[1-9]m,tmpfs-mode=[1-7]{3},",
            target in "/[a-z \"]{1,6}",
            read_only in any::<bool>(),
        ) {
            let mut mount = read(&format!("{text}target=/t,readonly={read_only}")).unwrap();
            mount.target = target;
            prop_assert_eq!(read(&mount.to_string()), Ok(mount));
        }
    }
}
