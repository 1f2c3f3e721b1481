//! One `--output`, checked: what is written, and where.

use std::path::PathBuf;

use hull_image::Recompression;
use hull_image::reference::Reference;

use super::Annotations;
use crate::attributes::Attributes;
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

impl Kind {
    /// BuildKit's name of the step that writes it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Image(_) => "exporting to image",
            Self::DockerArchive(_) => "exporting to docker image format",
            Self::OciArchive(_) | Self::OciLayout(_) => "exporting to oci image format",
            Self::Tar { .. } => "exporting to client tarball",
            Self::Directory { .. } => "exporting to client directory",
            Self::Nothing => "exporting cache",
        }
    }
}

impl Target {
    /// Checks all attributes. `tags` go before the attribute `name`, and `annotations` are for every result.
    pub(super) fn new(output: &Output, tags: &[Reference], annotations: &Annotations) -> Result<Self> {
        let mut attributes =
            Attributes::new(format!("the output {}", kind_name(output.kind)), &output.attributes);
        let mut annotations = annotations.clone();
        let is_image = !matches!(output.kind, OutputKind::Tar | OutputKind::Local | OutputKind::CacheOnly);
        if is_image {
            attributes.take_all(|key, value| annotations.add_attribute(key, value))?;
        }
        let compression = if is_image { attributes.compression()? } else { None };
        // docker's documents have no annotations, so these ask for OCI's, as in BuildKit.
        let docker_types = is_image && attributes.docker_types()? && annotations.is_empty();
        let names = if is_image { attributes.names(tags)? } else { vec![] };
        let kind = attributes.kind(output, &names)?;
        // hull's steps write no times after SOURCE_DATE_EPOCH, so this is so already.
        attributes.flag("rewrite-timestamp")?;
        attributes.finish()?;
        Ok(Self { kind, names, annotations, compression, docker_types })
    }

    pub(super) fn is_image(&self) -> bool {
        !matches!(self.kind, Kind::Tar { .. } | Kind::Directory { .. } | Kind::Nothing)
    }
}

fn kind_name(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::Image => "image",
        OutputKind::Registry => "registry",
        OutputKind::Docker => "docker",
        OutputKind::Oci => "oci",
        OutputKind::Tar => "tar",
        OutputKind::Local => "local",
        OutputKind::CacheOnly => "cacheonly",
    }
}

/// What only outputs have.
impl Attributes<'_> {
    fn docker_types(&mut self) -> Result<bool> {
        Ok(!self.flag("oci-mediatypes")?.unwrap_or(true))
    }

    fn names(&mut self, tags: &[Reference]) -> Result<Vec<Reference>> {
        let own = self.take("name").unwrap_or_default();
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
                self.archive(output.kind)?;
                Kind::DockerArchive(place())
            }
            OutputKind::Oci => match (self.archive(output.kind)?, &output.destination) {
                (true, _) => Kind::OciArchive(place()),
                (false, Some(path)) => Kind::OciLayout(path.clone()),
                (false, None) => return Err(self.invalid("tar", "a directory needs dest=PATH")),
            },
            OutputKind::Tar => Kind::Tar { place: place(), split: self.split()? },
            OutputKind::Local => {
                let path = output.destination.clone();
                let path = path.ok_or_else(|| self.invalid("dest", "it is missing"))?;
                let delete = match self.take("mode") {
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
    fn archive(&mut self, kind: OutputKind) -> Result<bool> {
        let tar = self.flag("tar")?.unwrap_or(true);
        if kind == OutputKind::Docker && !tar {
            return Err(self.invalid("tar", "docker's format is an archive; oci has a directory"));
        }
        Ok(tar)
    }

    fn split(&mut self) -> Result<bool> {
        Ok(self.flag("platform-split")?.unwrap_or(true))
    }

    fn image(&mut self, output: &Output, names: &[Reference]) -> Result<ImageOptions> {
        let push = self.flag("push")?.unwrap_or(false) || output.kind == OutputKind::Registry;
        let by_digest = self.flag("push-by-digest")?.unwrap_or(false);
        if push && names.is_empty() {
            let why = "a name is needed to push an image: add --tag NAME, or name=NAME to the output";
            return Err(Error::Syntax(why.into()));
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
        let prefix = self.take("dangling-name-prefix").map(Reference::parse);
        let prefix = prefix.transpose();
        let dangling_prefix =
            prefix.map_err(|error| self.invalid("dangling-name-prefix", error.to_string()))?;
        let canonical = self.flag("name-canonical")?.unwrap_or(false);
        Ok(ImageOptions { push, by_digest, canonical, dangling_prefix })
    }
}

#[cfg(test)]
mod tests {
    use hull_image::LayerCompression;

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
            assert!(matches!(error, Error::Invalid { .. } | Error::Syntax(_)), "{key}={value}: {error}");
        }
    }
}
