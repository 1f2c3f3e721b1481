//! `-v` and `HostConfig.Binds`: `[SOURCE:]TARGET[:OPTIONS]`
//! (<https://docs.docker.com/engine/storage/volumes/#options-for---volume>).

use std::fmt;
use std::path::{Path, PathBuf};

use crate::{names, path};

/// A directory of the host or a volume, and its mount point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub source: Source,
    pub target: PathBuf,
    pub read_only: bool,
    /// Copy what the image has at the target into an empty volume.
    pub copy_up: bool,
    pub propagation: Option<String>,
    /// docker's `z` or `Z`: a label for SELinux, without which there is nothing to do.
    pub relabel: Option<char>,
    /// podman's `U`: the source is given to the container's user.
    pub chown: bool,
    /// podman's `O`: changes go to a directory of the container's own, which the next run finds empty.
    pub overlay: bool,
    /// podman's `idmap`: the source's ids are the container's, for a container with a user namespace of its own.
    pub idmap: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A new volume without a name.
    Anonymous,
    Named(String),
    Host(PathBuf),
}

/// Parses a `-v`. A source that is a path is a directory of the host, relative to `here`; a name is a volume.
pub fn parse(text: &str, here: &Path) -> Result<Volume, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, options] if !options.is_empty() => (Some(source), target, options),
        _ => return Err("expected [SOURCE:]TARGET[:OPTIONS]".into()),
    };
    let mut volume = Volume {
        source: Source::Anonymous,
        target: path::target(target)?,
        read_only: false,
        copy_up: true,
        propagation: None,
        relabel: None,
        chown: false,
        overlay: false,
        idmap: false,
    };
    check_together(options)?;
    options.split(',').filter(|option| !option.is_empty()).try_for_each(|option| volume.set(option))?;
    if let Some(source) = source {
        volume.source = parse_source(source, here)?;
    }
    // Only a volume is filled from the image, and only a directory of the host's has mounts that propagate.
    match volume.source {
        Source::Host(_) => volume.copy_up = true,
        Source::Named(_) | Source::Anonymous => volume.propagation = None,
    }
    Ok(volume)
}

/// The text of a `-v` whose source does not depend on where the command runs: `./a:/b` becomes `/home/me/a:/b`.
pub fn absolute(text: &str, here: &Path) -> Result<String, String> {
    let volume = parse(text, here)?;
    match (volume.source, text.split_once(':')) {
        (Source::Host(path), Some((source, rest))) if !source.starts_with('/') => {
            Ok(format!("{}:{rest}", path.display()))
        }
        _ => Ok(text.to_owned()),
    }
}

fn parse_source(source: &str, here: &Path) -> Result<Source, String> {
    if source.starts_with(['/', '.', '~']) {
        return path::source(source, here).map(Source::Host);
    }
    if source.contains('/') {
        return Err(format!(
            "{source:?} is neither an absolute path nor the name of a volume; write ./{source}"
        ));
    }
    name(source).map(Source::Named)
}

/// The name of a volume.
pub fn name(text: &str) -> Result<String, String> {
    match names::is_valid(text) {
        true => Ok(text.to_owned()),
        false => {
            Err(format!("{text:?} is not the name of a volume: expected letters, digits, '_', '.' and '-'"))
        }
    }
}

/// Refuses `shared`: the monitor's mount namespace is a slave of the host's one, so mounts propagate from the host into the
/// container, but never back.
pub fn is_propagation(text: &str) -> bool {
    ["private", "rprivate", "slave", "rslave"].contains(&text)
}

/// docker's rule: one option of each kind.
fn check_together(options: &str) -> Result<(), String> {
    const KINDS: [&[&str]; 5] = [
        &["ro", "rw"],
        &["z", "Z"],
        &["private", "rprivate", "slave", "rslave", "shared", "rshared"],
        &["nocopy"],
        &["cached", "delegated", "consistent"],
    ];
    for kind in KINDS {
        if options.split(',').filter(|option| kind.contains(option)).count() > 1 {
            return Err(format!("invalid mode: {options}"));
        }
    }
    Ok(())
}

impl Volume {
    fn set(&mut self, option: &str) -> Result<(), String> {
        match option {
            "ro" => self.read_only = true,
            "rw" => self.read_only = false,
            "nocopy" => self.copy_up = false,
            // Options for docker's virtual machines, which have no effect on Linux.
            "cached" | "delegated" | "consistent" => {}
            "z" => self.relabel = Some('z'),
            "Z" => self.relabel = Some('Z'),
            "U" => self.chown = true,
            "O" => self.overlay = true,
            "idmap" => self.idmap = true,
            _ if is_propagation(option) => self.propagation = Some(option.to_owned()),
            "shared" | "rshared" => {
                return Err(format!("{option}: mounts made in a container never reach the host"));
            }
            _ => return Err(format!("there is no option {option:?}")),
        }
        Ok(())
    }
}

impl Volume {
    /// What follows the target's colon.
    pub fn options(&self) -> String {
        let flags = [
            (self.read_only, "ro"),
            (!self.copy_up, "nocopy"),
            (self.relabel == Some('z'), "z"),
            (self.relabel == Some('Z'), "Z"),
            (self.chown, "U"),
            (self.overlay, "O"),
            (self.idmap, "idmap"),
        ];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word);
        flags.chain(self.propagation.as_deref()).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Anonymous => {}
            Source::Named(name) => write!(f, "{name}:")?,
            Source::Host(path) => write!(f, "{}:", path.display())?,
        }
        write!(f, "{}", self.target.display())?;
        let options = self.options();
        if options.is_empty() { Ok(()) } else { write!(f, ":{options}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Volume, String> {
        parse(text, Path::new("/home/me"))
    }

    #[test]
    fn a_source_is_a_path_or_a_name() {
        let host = |text| match read(text).unwrap() {
            Volume { source: Source::Host(path), read_only, .. } => (path, read_only),
            other => panic!("{other:?}"),
        };
        assert_eq!(host("/a:/b"), ("/a".into(), false));
        assert_eq!(host("./a:/b:ro"), ("/home/me/a".into(), true));
        assert_eq!(host("/:/host:ro,rslave").0, PathBuf::from("/"));
        let named = read("data:/b:nocopy").unwrap();
        assert_eq!((named.source, named.copy_up), (Source::Named("data".into()), false));
        assert_eq!(read("/x").unwrap().source, Source::Anonymous);
        for wrong in [
            "",
            "/",
            "/a:/b:rshared",
            "a/b:/x",
            "/a:b",
            "/a:/b:xx",
            "/a:/b:",
            "/a:/b:ro:c",
            "/a:/b:ro,rw",
            "/a:/b:z,Z",
            "/a:/b:slave,private",
            "-:/x",
            "/a:/b/../c",
            "~/x:/y",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(
            source in "|/[a-z]{1,5}:|[a-z]{2,5}:",
            target in "/[a-z]{1,5}(/[a-z]{1,5})?",
            options in "|:ro|:nocopy|:ro,nocopy|:rslave|:ro,private|:z|:ro,Z|:U,O",
        ) {
            prop_assume!(!source.is_empty() || options.is_empty());
            let volume = read(&format!("{source}{target}{options}")).unwrap();
            prop_assert_eq!(read(&volume.to_string()), Ok(volume));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a-z:/.,~-]{0,16}") {
            let _ = read(&text);
        }
    }
}
