//! Writes the results that were asked for.

use std::io::Write;

use hull_engine::{CopyTarget, Engine, LayersToExport};
use hull_image::archive::{SaveFormat, Unstored};
use hull_image::assemble::{Assembled, Assembly};
use hull_image::reference::Reference;
use hull_image::registry::{Access, AccessOptions};
use hull_image::{Digest, LayerCompression, Recompressed, Recompression};
use serde_json::{Map, Value};

use super::annotations::Place as AnnotationPlace;
use super::destination::write_file;
use super::image::assembly;
use super::target::{ImageOptions, Kind, Place, Target};
use super::{Annotations, Built, metadata};
use crate::cache::remote::{self, Exports, Imports};
use crate::request::{Output, OutputKind, Request};
use crate::{Error, Result};

/// The results that a build is asked for, checked before anything is built.
#[derive(Debug, Clone)]
pub struct Outputs {
    targets: Vec<Target>,
    caches: Exports,
    registry: AccessOptions,
}

/// What the caller has: its standard output, and who is told what happens.
pub struct Caller<'a> {
    pub stdout: &'a mut dyn Write,
    /// Is told what is done, in BuildKit's words: `exporting layers`, `pushing manifest for NAME`.
    pub note: &'a mut dyn FnMut(&str),
}

/// What was written.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// The image's id, if the result is an image: for `--iidfile` and `--quiet`.
    pub id: Option<Digest>,
    /// What `--metadata-file` gets.
    pub metadata: Map<String, Value>,
}

impl Outputs {
    /// Checks the outputs of a request. Without any, an image is stored under the request's tags.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] names the attribute that is wrong, or that hull cannot do.
    pub fn new(request: &Request) -> Result<Self> {
        let default = Output { kind: OutputKind::Image, destination: None, attributes: Default::default() };
        let outputs =
            if request.outputs.is_empty() { std::slice::from_ref(&default) } else { &request.outputs };
        let annotations = Annotations::parse(&request.annotations)?;
        let several = request.platforms.len() > 1;
        let target = |output: &Output| {
            let target = Target::new(output, &request.tags, &annotations)?;
            if several && matches!(target.kind, Kind::DockerArchive(_)) {
                let why = "docker's archives have one platform: type=oci takes several";
                return Err(Error::Invalid { what: "output docker".into(), why: why.into() });
            }
            if target.is_image() {
                target.annotations.check(several)?;
            }
            Ok(target)
        };
        let targets: Vec<Target> = outputs.iter().map(target).collect::<Result<_>>()?;
        let to_stdout = targets.iter().filter(|target| target.is_to_stdout()).count();
        if to_stdout > 1 {
            let why = "only one result can go to the standard output";
            return Err(Error::Invalid { what: "outputs".into(), why: why.into() });
        }
        Imports::check(request)?;
        Ok(Self { targets, caches: Exports::new(request)?, registry: request.registry.clone() })
    }

    /// Whether a result goes to the standard output, where nothing else may be written then.
    pub fn use_stdout(&self) -> bool {
        self.targets.iter().any(Target::is_to_stdout)
    }

    /// What the writing of the results is called, in BuildKit's words.
    pub fn name(&self) -> &'static str {
        match &*self.targets {
            [target] => target.kind.name(),
            _ => "exporting the results",
        }
    }

    /// Writes all results. This uses threads, so the process cannot start containers afterwards.
    pub fn write(&self, engine: &Engine, built: &[Built], caller: &mut Caller<'_>) -> Result<Results> {
        let mut results = Results { metadata: metadata::of_build(built), ..Results::default() };
        for target in &self.targets {
            if target.is_image() {
                self.write_image(engine, built, target, caller, &mut results)?;
            } else {
                write_files(engine, built, target, caller)?;
            }
        }
        remote::export(engine, &self.caches, built, &self.registry, caller.note)?;
        Ok(results)
    }

    fn write_image(
        &self,
        engine: &Engine,
        built: &[Built],
        target: &Target,
        caller: &mut Caller<'_>,
        results: &mut Results,
    ) -> Result<()> {
        (caller.note)("exporting layers");
        let mut assembly = assembly(built, &target.annotations)?;
        assembly.docker_types = target.docker_types;
        for (part, one) in assembly.parts.iter_mut().zip(built) {
            part.config.inline_cache = if self.caches.inline { remote::inline_records(one) } else { None };
        }
        let recompressed = recompress(engine, &assembly, target)?;
        let assembly = recompressed.as_ref().map_or(&assembly, |recompressed| &recompressed.assembly);
        let made = match &target.kind {
            Kind::Image(options) => self.store(engine, assembly, target, options, caller)?,
            kind => write_archive(engine, assembly, target, kind, caller)?,
        };
        results.id = Some(made.id().clone());
        metadata::add_image(&mut results.metadata, &made, &target.names);
        Ok(())
    }

    /// Stores the image under its names, and pushes it.
    fn store(
        &self,
        engine: &Engine,
        assembly: &Assembly,
        target: &Target,
        options: &ImageOptions,
        caller: &mut Caller<'_>,
    ) -> Result<Assembled> {
        let digest = assembly.describe()?.top.digest;
        let mut names = target.names.clone();
        if options.by_digest {
            names = names.iter().map(|name| name.by_digest(&digest)).collect();
        } else if options.canonical {
            names.extend(target.names.iter().map(|name| name.by_digest(&digest)));
        }
        if names.is_empty() {
            names.extend(options.dangling_prefix.iter().map(|prefix| prefix.by_digest(&digest)));
        }
        let made = engine.assemble_image(assembly, &names)?;
        (caller.note)(&format!("writing image {}", made.id()));
        names.iter().for_each(|name| (caller.note)(&format!("naming to {}", name.canonical())));
        if options.push {
            (caller.note)("pushing layers");
            let access = Access::new(self.registry.clone())?;
            for name in names.iter().filter(|name| !options.canonical || name.digest().is_none()) {
                (caller.note)(&format!("pushing manifest for {}@{digest}", name.canonical()));
                engine.push_built_image(&access, name)?;
            }
        }
        Ok(made)
    }
}

impl Target {
    fn is_to_stdout(&self) -> bool {
        matches!(
            &self.kind,
            Kind::DockerArchive(Place::Stdout)
                | Kind::OciArchive(Place::Stdout)
                | Kind::Tar { place: Place::Stdout, .. }
        )
    }
}

/// Compresses the layers as asked. Registries and OCI archives have compressed layers.
fn recompress(engine: &Engine, assembly: &Assembly, target: &Target) -> Result<Option<Recompressed>> {
    let gzip = Recompression { compression: LayerCompression::Gzip, level: None, force: false };
    let usual = match &target.kind {
        Kind::Image(options) if options.push => Some(gzip),
        Kind::OciArchive(_) | Kind::OciLayout(_) => Some(gzip),
        _ => None,
    };
    match target.compression.or(usual) {
        None => Ok(None),
        Some(wanted) => Ok(Some(engine.images().recompress(assembly, wanted)?)),
    }
}

fn write_archive(
    engine: &Engine,
    assembly: &Assembly,
    target: &Target,
    kind: &Kind,
    caller: &mut Caller<'_>,
) -> Result<Assembled> {
    let made = assembly.describe()?;
    let annotations = target.annotations.of(AnnotationPlace::IndexDescriptor, None);
    let names: &[Reference] = &target.names;
    let unstored = Unstored { assembly, made: &made, names, annotations: &annotations };
    let (place, format) = match kind {
        Kind::OciLayout(path) => {
            unstored.save_in(engine.images(), path)?;
            return Ok(made);
        }
        Kind::OciArchive(place) => (place, SaveFormat::OciArchive),
        Kind::DockerArchive(place) => (place, SaveFormat::DockerArchive),
        _ => return Ok(made),
    };
    (caller.note)("sending tarball");
    match place {
        Place::Stdout => unstored.save(engine.images(), &mut *caller.stdout, format)?,
        Place::File(path) => {
            write_file(path, &mut |file| Ok(unstored.save(engine.images(), file, format)?))?;
        }
    }
    Ok(made)
}

/// Writes the files of the result.
fn write_files(engine: &Engine, built: &[Built], target: &Target, caller: &mut Caller<'_>) -> Result<()> {
    let split = |split: bool| built.len() > 1 && split;
    match &target.kind {
        Kind::Directory { path, split: wanted, delete } => {
            (caller.note)("copying files");
            let images = to_export(engine, built, split(*wanted));
            engine.export_layers(&images, CopyTarget::Host(path), *delete)?;
        }
        Kind::Tar { place, split: wanted } => {
            (caller.note)("sending tarball");
            let images = to_export(engine, built, split(*wanted));
            match place {
                Place::Stdout => {
                    engine.export_layers(&images, CopyTarget::Tar(&mut *caller.stdout), false)?
                }
                Place::File(path) => write_file(path, &mut |mut file| {
                    Ok(engine.export_layers(&images, CopyTarget::Tar(&mut file), false)?)
                })?,
            }
        }
        _ => {}
    }
    Ok(())
}

/// With `split` each platform has a directory: `linux_arm64`.
fn to_export(engine: &Engine, built: &[Built], split: bool) -> Vec<LayersToExport> {
    let layers = engine.images().layers();
    let one = |built: &Built| {
        let chain = hull_image::chain_ids(&built.config);
        let layers = built.layers.iter().zip(chain).map(|(layer, chain)| match &layer.step_blob {
            // The files are beside the blob. Those of a copy with --link may be under another chain ID.
            Some(blob) => blob.with_file_name("diff"),
            None => layers.path(chain.hex()),
        });
        let prefix = if split { built.platform.to_string().replace('/', "_") } else { String::new() };
        LayersToExport { prefix: prefix.into(), layers: layers.collect() }
    };
    built.iter().map(one).collect()
}
