//! One `--output`, checked: what is written, and where.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hull_image::reference::Reference;
use hull_image::{LayerCompression, Recompression};

use super::Annotations;
use crate::request::{Output, OutputKind};
use crate::{Error, Result};

/// Where an archive goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    File(PathBuf),
    Stdout,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Image(ImageOptions),
    /// An archive as `docker save` writes it.
    DockerArchive(Place),
    OciArchive(Place),
    /// The directory of an OCI layout.
    OciLayout(PathBuf),
    /// The files, as a tar. `split`: several platforms have a directory each.
    Tar {
        place: Place,
        split: bool,
    },
    /// The files, in a directory. `delete`: what else is there is removed.
    Directory {
        path: PathBuf,
        split: bool,
        delete: bool,
    },
    Nothing,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ImageOptions {
    pub push: bool,
    /// Push without a tag.
    pub by_digest: bool,
    /// Also names of the form `NAME@DIGEST`.
    pub canonical: bool,
    /// The repository of an image without a name, which is then called `PREFIX@DIGEST`.
    pub dangling_prefix: Option<Reference>,
}

/// One result that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub kind: Kind,
    pub names: Vec<Reference>,
    pub annotations: Annotations,
    /// `None`: as the store has them.
    pub compression: Option<Recompression>,
    pub docker_types: bool,
}

impl Target {
    /// Checks all attributes. `tags` go before the attribute `name`, and `annotations` are for every result.
    pub(super) fn new(output: &Output, tags: &[Reference], annotations: &Annotations) -> Result<Self> {
        let mut attributes = Attributes::new(output);
        let mut annotations = annotations.clone();
        let is_image = !matches!(output.kind, OutputKind::Tar | OutputKind::Local | OutputKind::CacheOnly);
        if is_image {
            attributes.take_annotations(&mut annotations)?;
        }
        let compression = if is_image { attributes.compression()? } else { None };
        // docker's documents have no annotations, so these ask for OCI's, as in BuildKit.
        let docker_types = is_image && attributes.docker_types()? && annotations.is_empty();
        let names = if is_image { attributes.names(tags)? } else { vec![] };
        let kind = attributes.kind(output, &names)?;
        attributes.finish()?;
        Ok(Self { kind, names, annotations, compression, docker_types })
    }

    pub(super) fn is_image(&self) -> bool {
        !matches!(self.kind, Kind::Tar { .. } | Kind::Directory { .. } | Kind::Nothing)
    }
}

/// The attributes of an output that were not looked at yet.
struct Attributes<'a> {
    kind: &'static str,
    left: BTreeMap<&'a str, &'a str>,
}

impl<'a> Attributes<'a> {
    fn new(output: &'a Output) -> Self {
        let kind = match output.kind {
            OutputKind::Image => "image",
            OutputKind::Registry => "registry",
            OutputKind::Docker => "docker",
            OutputKind::Oci => "oci",
            OutputKind::Tar => "tar",
            OutputKind::Local => "local",
            OutputKind::CacheOnly => "cacheonly",
        };
        let left = output.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        Self { kind, left }
    }

    fn invalid(&self, key: &str, why: impl Into<String>) -> Error {
        Error::Invalid { what: format!("attribute {key} of the output {}", self.kind), why: why.into() }
    }

    fn take_annotations(&mut self, annotations: &mut Annotations) -> Result<()> {
        let mut taken = Vec::new();
        for (key, value) in &self.left {
            if annotations.add_attribute(key, value)? {
                taken.push(*key);
            }
        }
        self.left.retain(|key, _| !taken.contains(key));
        Ok(())
    }

    /// Go's strconv.ParseBool; an attribute without a value is set.
    fn flag(&mut self, key: &str) -> Result<Option<bool>> {
        match self.left.remove(key) {
            None => Ok(None),
            Some("" | "1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(Some(true)),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(Some(false)),
            Some(other) => Err(self.invalid(key, format!("expected true or false, not {other:?}"))),
        }
    }

    fn compression(&mut self) -> Result<Option<Recompression>> {
        let force = self.flag("force-compression")?.unwrap_or(false);
        let level = self.left.remove("compression-level");
        let compression = match self.left.remove("compression") {
            // A level, and force, are for gzip.
            None if level.is_some() || force => LayerCompression::Gzip,
            None => return Ok(None),
            Some("uncompressed") => LayerCompression::Plain,
            Some("gzip") => LayerCompression::Gzip,
            Some("zstd") => LayerCompression::Zstd,
            Some("estargz") => return Err(self.invalid("compression", "hull writes no estargz")),
            Some(other) => {
                let why = format!("expected uncompressed, gzip or zstd, not {other:?}");
                return Err(self.invalid("compression", why));
            }
        };
        let most = if compression == LayerCompression::Zstd { 22 } else { 9 };
        let level = level.map(|text| text.parse().ok().filter(|level: &u32| *level <= most).ok_or(most));
        let why = |most| format!("expected a number from 0 to {most}");
        let level = level.transpose().map_err(|most| self.invalid("compression-level", why(most)))?;
        Ok(Some(Recompression { compression, level, force }))
    }

    fn docker_types(&mut self) -> Result<bool> {
        Ok(!self.flag("oci-mediatypes")?.unwrap_or(true))
    }

    fn names(&mut self, tags: &[Reference]) -> Result<Vec<Reference>> {
        let own = self.left.remove("name").unwrap_or_default();
        if !tags.is_empty() {
            return Ok(tags.to_vec());
        }
        let own = own.split(',').map(str::trim).filter(|name| !name.is_empty());
        let parse = |name| Reference::parse(name).map_err(|error| self.invalid("name", error.to_string()));
        own.map(parse).collect()
    }

    fn kind(&mut self, output: &Output, names: &[Reference]) -> Result<Kind> {
        let place = || output.destination.clone().map_or(Place::Stdout, Place::File);
        Ok(match output.kind {
            OutputKind::Image | OutputKind::Registry => Kind::Image(self.image(output, names)?),
            OutputKind::Docker => {
                self.archive()?;
                Kind::DockerArchive(place())
            }
            OutputKind::Oci => match (self.archive()?, &output.destination) {
                (true, _) => Kind::OciArchive(place()),
                (false, Some(path)) => Kind::OciLayout(path.clone()),
                (false, None) => return Err(self.invalid("tar", "a directory needs dest=PATH")),
            },
            OutputKind::Tar => Kind::Tar { place: place(), split: self.split()? },
            OutputKind::Local => {
                let path = output.destination.clone();
                let path = path.ok_or_else(|| self.invalid("dest", "it is missing"))?;
                let delete = match self.left.remove("mode") {
                    None | Some("copy") => false,
                    Some("delete") => true,
                    Some(other) => {
                        return Err(self.invalid("mode", format!("expected copy or delete, not {other:?}")));
                    }
                };
                Kind::Directory { path, split: self.split()?, delete }
            }
            OutputKind::CacheOnly => Kind::Nothing,
        })
    }

    /// Whether an archive is written, and not a directory.
    fn archive(&mut self) -> Result<bool> {
        let tar = self.flag("tar")?.unwrap_or(true);
        match self.kind {
            "docker" if !tar => {
                Err(self.invalid("tar", "docker's format is an archive; oci has a directory"))
            }
            _ => Ok(tar),
        }
    }

    fn split(&mut self) -> Result<bool> {
        Ok(self.flag("platform-split")?.unwrap_or(true))
    }

    fn image(&mut self, output: &Output, names: &[Reference]) -> Result<ImageOptions> {
        let push = self.flag("push")?.unwrap_or(false) || output.kind == OutputKind::Registry;
        let by_digest = self.flag("push-by-digest")?.unwrap_or(false);
        if push && names.is_empty() {
            return Err(self.invalid("push", "a name is needed: --tag, or name=NAME"));
        }
        if by_digest && let Some(tagged) = names.iter().find(|name| name.digest().is_some()) {
            return Err(self.invalid("push-by-digest", format!("{} has a digest", tagged.familiar())));
        }
        if self.flag("store")? == Some(false) {
            return Err(self.invalid("store", "hull pushes from its store, and cannot do without it"));
        }
        if self.flag("registry.insecure")? == Some(true) {
            let why = "hull takes it from --tls-verify=false, or from registries.conf";
            return Err(self.invalid("registry.insecure", why));
        }
        // Layers of hull's store are unpacked.
        self.flag("unpack")?;
        let prefix = self.left.remove("dangling-name-prefix").map(Reference::parse);
        let prefix = prefix.transpose();
        let dangling_prefix =
            prefix.map_err(|error| self.invalid("dangling-name-prefix", error.to_string()))?;
        let canonical = self.flag("name-canonical")?.unwrap_or(false);
        Ok(ImageOptions { push, by_digest, canonical, dangling_prefix })
    }

    /// What is left is not known.
    fn finish(&mut self) -> Result<()> {
        // hull's steps write no times after SOURCE_DATE_EPOCH, so this is so already.
        self.flag("rewrite-timestamp")?;
        match self.left.keys().next() {
            None => Ok(()),
            Some(key) if key.starts_with("attest") => Err(self.invalid(key, "hull writes no attestations")),
            Some(key) => Err(self.invalid(key, "there is none of this name")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(kind: OutputKind, dest: Option<&str>, attributes: &[(&str, &str)]) -> Result<Target> {
        let attributes = attributes.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let output = Output { kind, destination: dest.map(Into::into), attributes };
        Target::new(&output, &[], &Annotations::default())
    }

    #[test]
    fn attributes_say_how_a_result_is_written() {
        use OutputKind::{Image, Local, Oci, Registry, Tar};
        let image =
            target(Image, None, &[("name", "a,b:1"), ("push", "true"), ("compression", "zstd")]).unwrap();
        assert!(matches!(image.kind, Kind::Image(ImageOptions { push: true, .. })));
        assert_eq!(image.names.len(), 2);
        assert_eq!(image.compression.unwrap().compression, LayerCompression::Zstd);
        assert!(target(Registry, None, &[("name", "a"), ("oci-mediatypes", "false")]).unwrap().docker_types);
        let layout = target(Oci, Some("d"), &[("tar", "false"), ("annotation.a", "b")]).unwrap();
        assert_eq!(layout.kind, Kind::OciLayout("d".into()));
        let files = target(Local, Some("d"), &[("mode", "delete"), ("platform-split", "false")]).unwrap();
        assert_eq!(files.kind, Kind::Directory { path: "d".into(), split: false, delete: true });
        assert_eq!(target(Tar, None, &[]).unwrap().kind, Kind::Tar { place: Place::Stdout, split: true });
    }

    #[test]
    fn what_hull_cannot_do_is_refused_by_name() {
        use OutputKind::{Docker, Image, Local, Oci, Registry, Tar};
        for (kind, dest, key, value) in [
            (Image, None, "compression", "estargz"),
            (Image, None, "compression", "lzma"),
            (Image, None, "compression-level", "10"),
            (Image, None, "store", "false"),
            (Image, None, "push", "perhaps"),
            (Image, None, "push", "true"),
            (Image, None, "mode", "delete"),
            (Image, None, "name", "A B"),
            (Image, None, "registry.insecure", "true"),
            (Image, None, "annotation-layer.x", "y"),
            (Registry, None, "compression", "gzip"),
            (Docker, Some("x"), "tar", "false"),
            (Oci, None, "tar", "false"),
            (Oci, None, "attest:sbom", ""),
            (Tar, None, "compression", "gzip"),
            (Local, Some("x"), "mode", "move"),
            (Local, Some("x"), "name", "x"),
        ] {
            let error = target(kind, dest, &[(key, value)]).unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{key}={value}: {error}");
        }
    }
}
