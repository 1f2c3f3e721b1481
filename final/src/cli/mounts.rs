//! `-v`, `--mount` and `--tmpfs`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hull_engine::options::MountOption;

use hull_docker::{bools, csv};

/// All mounts of a command line; where two have the same target, the engine says so.
pub fn all(volumes: &[String], mounts: &[String], tmpfs: &[String]) -> Result<Vec<MountOption>> {
    let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let mut all = Vec::new();
    for text in volumes {
        all.push(volume(text, &here).with_context(|| format!("invalid volume specification {text:?}"))?);
    }
    for text in mounts {
        all.push(mount(text, &here).with_context(|| format!("invalid --mount {text:?}"))?);
    }
    for text in tmpfs {
        let (target, options) = text.split_once(':').unwrap_or((text, ""));
        let options = options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect();
        all.push(MountOption::Tmpfs { target: absolute(target)?, options, from_mount_flag: false });
    }
    Ok(all)
}

/// `TARGET`, `SOURCE:TARGET` or `SOURCE:TARGET:OPTIONS`. A source that is a path is a bind mount, a name a volume.
fn volume(text: &str, here: &Path) -> Result<MountOption> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options),
        _ => bail!("expected [SOURCE:]TARGET[:OPTIONS]"),
    };
    let target = absolute(target)?;
    let (mut read_only, mut copy_up, mut propagation) = (false, true, None);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            "rw" => read_only = false,
            "nocopy" => copy_up = false,
            // Hints to docker's virtual machines and to SELinux; without either there is nothing to do.
            "z" | "Z" | "cached" | "delegated" | "consistent" => {}
            _ if is_propagation(option) => propagation = Some(option.to_owned()),
            "shared" | "rshared" => bail!("{option}: mounts made in a container never reach the host"),
            _ => bail!("there is no option {option:?}"),
        }
    }
    let Some(source) = source else {
        return Ok(MountOption::Volume { name: None, target, read_only, copy_up, from_mount_flag: false });
    };
    if source.starts_with(['/', '.', '~']) {
        let source = here_or_absolute(source, here)?;
        return Ok(MountOption::Bind { source, target, read_only, propagation, create_source: true });
    }
    if source.contains('/') {
        bail!("{source:?} is neither an absolute path nor the name of a volume; write ./{source}");
    }
    Ok(MountOption::Volume {
        name: Some(volume_name(source)?),
        target,
        read_only,
        copy_up,
        from_mount_flag: false,
    })
}

/// The keys of `--mount`, before they are known to fit together.
#[derive(Default)]
struct Keys {
    kind: Option<String>,
    source: Option<String>,
    target: Option<PathBuf>,
    read_only: bool,
    no_copy: bool,
    propagation: Option<String>,
    tmpfs: Vec<String>,
}

fn mount(text: &str, here: &Path) -> Result<MountOption> {
    let mut keys = Keys::default();
    for field in csv::fields(text).map_err(anyhow::Error::msg)? {
        let (key, value) = field.split_once('=').unwrap_or((&field, "true"));
        keys.set(&key.trim().to_ascii_lowercase(), value)?;
    }
    let Some(target) = keys.target else { bail!("target is required") };
    let read_only = keys.read_only;
    let kind = keys.kind.as_deref().unwrap_or("volume");
    if kind != "tmpfs" && !keys.tmpfs.is_empty() {
        bail!("tmpfs-size and tmpfs-mode belong to type=tmpfs");
    }
    if kind != "bind" && keys.propagation.is_some() {
        bail!("bind-propagation belongs to type=bind");
    }
    match (kind, keys.source) {
        ("bind", Some(source)) => Ok(MountOption::Bind {
            source: here_or_absolute(&source, here)?,
            target,
            read_only,
            propagation: keys.propagation,
            create_source: false,
        }),
        ("bind", None) => bail!("source is required for type=bind"),
        ("volume", source) => {
            let name = source.map(|name| volume_name(&name)).transpose()?;
            Ok(MountOption::Volume { name, target, read_only, copy_up: !keys.no_copy, from_mount_flag: true })
        }
        ("tmpfs", Some(_)) => bail!("a tmpfs has no source"),
        ("tmpfs", None) => {
            let mut options = keys.tmpfs;
            if read_only {
                options.push("ro".into());
            }
            Ok(MountOption::Tmpfs { target, options, from_mount_flag: true })
        }
        (kind, _) => bail!("there is no type {kind:?}: expected bind, volume or tmpfs"),
    }
}

impl Keys {
    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let flag = || bools::parse(value).map_err(|why| anyhow::anyhow!("{key}: {why}"));
        match key {
            "type" => self.kind = Some(value.to_owned()),
            "source" | "src" => self.source = Some(value.to_owned()),
            "target" | "dst" | "destination" => self.target = Some(absolute(value)?),
            "readonly" | "ro" => self.read_only = flag()?,
            "volume-nocopy" => self.no_copy = flag()?,
            "bind-propagation" if is_propagation(value) => self.propagation = Some(value.to_owned()),
            "bind-propagation" => bail!("there is no propagation {value:?}"),
            "tmpfs-size" => {
                let bytes = super::values::size(value).map_err(anyhow::Error::msg)?;
                self.tmpfs.push(format!("size={bytes}"));
            }
            "tmpfs-mode" => {
                if u32::from_str_radix(value, 8).is_err() {
                    bail!("tmpfs-mode {value:?} is not octal");
                }
                self.tmpfs.push(format!("mode={value}"));
            }
            "consistency" => {}
            _ => bail!("there is no key {key:?}"),
        }
        Ok(())
    }
}

/// Mounts come in from the host and never go out to it: the monitor's mount namespace is a slave of the host's, so
/// `shared` could not be what it says.
fn is_propagation(text: &str) -> bool {
    ["private", "rprivate", "slave", "rslave"].contains(&text)
}

fn absolute(target: &str) -> Result<PathBuf> {
    if !target.starts_with('/') {
        bail!("the target {target:?} must be an absolute path");
    }
    let clean: PathBuf = Path::new(target).components().collect();
    if clean.components().any(|part| part == std::path::Component::ParentDir) {
        bail!("the target {target:?} must not contain ..");
    }
    if clean == Path::new("/") {
        bail!("the target can't be '/'");
    }
    Ok(clean)
}

fn here_or_absolute(source: &str, here: &Path) -> Result<PathBuf> {
    if source.starts_with('~') {
        bail!("{source:?} begins with ~, which only a shell expands");
    }
    Ok(here.join(source).components().collect())
}

fn volume_name(name: &str) -> Result<String> {
    if !hull_storage::names::is_valid(name) {
        bail!("{name:?} is not the name of a volume: expected letters, digits, '_', '.' and '-'");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> &'static Path {
        Path::new("/home/me")
    }

    #[test]
    fn a_source_is_a_path_or_a_name() {
        let bind = |text| match volume(text, here()).unwrap() {
            MountOption::Bind { source, read_only, .. } => (source, read_only),
            other => panic!("{other:?}"),
        };
        assert_eq!(bind("/a:/b"), ("/a".into(), false));
        assert_eq!(bind("./a:/b:ro"), ("/home/me/a".into(), true));
        assert_eq!(bind("/:/host:ro,rslave").0, PathBuf::from("/"));
        let named = MountOption::Volume {
            name: Some("data".into()),
            target: "/b".into(),
            read_only: false,
            copy_up: false,
            from_mount_flag: false,
        };
        assert_eq!(volume("data:/b:nocopy", here()).unwrap(), named);
        for wrong in [
            "",
            "/",
            "/a:/b:rshared",
            "a/b:/x",
            "/a:b",
            "/a:/b:xx",
            "/a:/b:ro:c",
            "-:/x",
            "/a:/b/../c",
            "~/x:/y",
        ] {
            assert!(volume(wrong, here()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mount_keys_must_fit_their_type() {
        assert_eq!(
            mount("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770", here()).unwrap(),
            MountOption::Tmpfs {
                target: "/t".into(),
                options: vec!["size=1048576".into(), "mode=1770".into()],
                from_mount_flag: true,
            }
        );
        assert!(matches!(
            mount("type=bind,src=/a,target=/b,readonly", here()).unwrap(),
            MountOption::Bind { read_only: true, create_source: false, .. }
        ));
        let quoted = mount("type=bind,\"src=/a,b\",dst=/b,ro=T", here()).unwrap();
        assert!(
            matches!(quoted, MountOption::Bind { source, read_only: true, .. } if source == Path::new("/a,b"))
        );
        assert!(matches!(mount("target=/b", here()).unwrap(), MountOption::Volume { name: None, .. }));
        for wrong in [
            "type=bind,target=/b",
            "type=wrong,target=/x",
            "type=volume,target=/b,tmpfs-size=1m",
            "type=tmpfs,source=a,target=/b",
            "source=a",
            "type=bind,source=/a,target=/b,colour=blue",
            "type=bind,source=/a,target=/b,ro=maybe",
        ] {
            assert!(mount(wrong, here()).is_err(), "{wrong}");
        }
    }
}
