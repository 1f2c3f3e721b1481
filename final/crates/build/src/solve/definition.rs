//! The Dockerfile of a build, and the contexts that it takes files from.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use hull_engine::Engine;
use hull_image::Digest;

use super::internal;
use crate::cache::remote::Imports;
use crate::context::{self, Loaded, Remote, Tree};
use crate::dockerfile::{self, Dockerfile};
use crate::error::IoContext;
use crate::patterns::Patterns;
use crate::progress::{Event, Reporter};
use crate::request::{ContextSource, FileSource, Request};
use crate::{Error, Result};

pub(super) struct Definition {
    pub file: Dockerfile,
    pub context: Option<Tree>,
    pub named_contexts: BTreeMap<String, Tree>,
    /// The images that `--build-context` gives names, and how the store or a registry calls them.
    pub images: BTreeMap<String, String>,
    /// What identifies the Dockerfile and its context from build to build: for `--why`.
    pub identity: Digest,
}

/// Reads the Dockerfile, and opens the contexts that it uses.
pub(super) fn load(
    engine: &Engine,
    request: &Request,
    stdin: &mut dyn Read,
    reporter: &mut dyn Reporter,
) -> Result<Definition> {
    let remote = remote(request);
    let loader = Loader { engine, request, remote };
    let opened = match &request.context {
        ContextSource::Directory(_) => None,
        source => Some(loader.remote_context(source, stdin, reporter)?),
    };
    let (name, text, own_file) = loader.dockerfile(opened.as_ref(), stdin)?;
    // Before it is parsed: an error of the parser is shown with its lines.
    let shown = String::from_utf8_lossy(&text).into_owned();
    reporter.report(&Event::Dockerfile { name: name.clone(), text: shown });
    let file = dockerfile::parse(&name, &text)?;
    note_syntax(&file, reporter)?;
    let context = match (opened, &request.context) {
        // What came was a Dockerfile, so there is no context.
        (Some(loaded), _) => loaded.dockerfile.is_none().then_some(loaded.tree),
        (None, ContextSource::Directory(directory)) => {
            Some(loader.directory(directory, own_file.as_deref())?)
        }
        (None, _) => None,
    };
    let (named_contexts, images) = loader.named(&file, stdin)?;
    let identity = Digest::of(format!("{:?} {:?}", request.context, request.file).as_bytes());
    Ok(Definition { file, context, named_contexts, images, identity })
}

/// How sources on other machines are reached.
pub(super) fn remote(request: &Request) -> Remote {
    let agent = request.ssh.get("default").and_then(|paths| paths.first());
    Remote {
        registry: request.registry.clone(),
        trusts_redirects: request.trusts_redirects,
        ssh_agent: agent.filter(|path| is_socket(path)).cloned(),
    }
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

struct Loader<'a> {
    engine: &'a Engine,
    request: &'a Request,
    remote: Remote,
}

impl Loader<'_> {
    fn remote_context(
        &self,
        source: &ContextSource,
        stdin: &mut dyn Read,
        reporter: &mut dyn Reporter,
    ) -> Result<Loaded> {
        let dockerfile = match &self.request.file {
            Some(FileSource::Path(path)) => Some(path.as_path()),
            _ => None,
        };
        internal::step(reporter, internal::CONTEXT, "load remote build context", |_| {
            context::load(self.engine.root(), source, "the build context", dockerfile, &self.remote, stdin)
        })
    }

    /// The name of the Dockerfile, its text, and its path if it is a file of this machine.
    fn dockerfile(
        &self,
        opened: Option<&Loaded>,
        stdin: &mut dyn Read,
    ) -> Result<(String, Vec<u8>, Option<PathBuf>)> {
        let plain = |text| Ok(("Dockerfile".to_owned(), text, None));
        if let Some(text) = opened.and_then(|loaded| loaded.dockerfile.clone()) {
            return match self.request.file {
                None => plain(text),
                Some(_) => Err(Error::Invalid {
                    what: "--file".into(),
                    why: "the context is a Dockerfile itself, and not an archive with one".into(),
                }),
            };
        }
        match (&self.request.file, opened) {
            (Some(FileSource::Stdin), _) => plain(context::read_dockerfile(stdin, "the standard input")?),
            (Some(FileSource::Inline(text)), _) => plain(text.clone().into_bytes()),
            (Some(FileSource::Url(url)), _) => {
                plain(context::fetch_dockerfile(self.engine.root(), url, &self.remote)?)
            }
            (Some(FileSource::Path(path)), None) => {
                let action = || format!("open the Dockerfile {}", path.display());
                let mut file = std::fs::File::open(path).context(action)?;
                let text = context::read_dockerfile(&mut file, &path.display().to_string())?;
                Ok((file_name(path), text, Some(path.clone())))
            }
            (Some(FileSource::Path(path)), Some(loaded)) => {
                let (path, text) = in_tree(&loaded.tree, &[path.as_path()])?;
                Ok((file_name(path), text, None))
            }
            (None, Some(loaded)) => {
                let (path, text) = in_tree(&loaded.tree, &DEFAULTS.map(Path::new))?;
                Ok((file_name(path), text, None))
            }
            (None, None) => {
                let ContextSource::Directory(directory) = &self.request.context else {
                    return Err(no_dockerfile("the build context"));
                };
                let tree = Tree::open(directory, directory.display().to_string())?;
                let (path, text) = in_tree(&tree, &DEFAULTS.map(Path::new))?;
                Ok((file_name(path), text, Some(directory.join(path))))
            }
        }
    }

    fn directory(&self, directory: &Path, own_file: Option<&Path>) -> Result<Tree> {
        let tree = context::open_directory(directory, own_file)?;
        let Some(path) = &self.request.ignore_file else { return Ok(tree) };
        let text = std::fs::read(path).context(|| format!("read {}", path.display()))?;
        Ok(Tree { ignore: Patterns::parse_ignore_file(&text)?, ..tree })
    }

    /// Opens the contexts of `--build-context` that the Dockerfile may use, and finds the images among them.
    fn named(
        &self,
        file: &Dockerfile,
        stdin: &mut dyn Read,
    ) -> Result<(BTreeMap<String, Tree>, BTreeMap<String, String>)> {
        let (mut trees, mut images) = (BTreeMap::new(), BTreeMap::new());
        for (name, source) in &self.request.contexts {
            // The name may also be the value of a variable.
            if !file.text.contains(name.as_str()) && !file.text.contains('$') {
                continue;
            }
            match source {
                ContextSource::Image(image) => drop(images.insert(name.clone(), image.clone())),
                ContextSource::OciLayout(layout) => {
                    let id = context::load_layout(self.engine, layout)?;
                    images.insert(name.clone(), id.to_string());
                }
                source => {
                    let shown = format!("the context {name:?}");
                    let root = self.engine.root();
                    let loaded = context::load(root, source, &shown, None, &self.remote, stdin)?;
                    if loaded.dockerfile.is_some() {
                        let why = "it is neither a directory, a repository nor an archive".into();
                        return Err(Error::Invalid { what: format!("--build-context {name}"), why });
                    }
                    trees.insert(name.clone(), loaded.tree);
                }
            }
        }
        Ok((trees, images))
    }
}

const DEFAULTS: [&str; 3] = ["Dockerfile", "Containerfile", "dockerfile"];

/// The first of some files that a tree has, and its text.
fn in_tree<'a>(tree: &Tree, paths: &[&'a Path]) -> Result<(&'a Path, Vec<u8>)> {
    for path in paths.iter().copied() {
        if let Some(text) = tree.read_file(path, dockerfile::LARGEST as u64)? {
            return Ok((path, text));
        }
    }
    let path = paths.first().copied().unwrap_or(Path::new("Dockerfile")).to_owned();
    Err(Error::NoSuchFile { path, place: tree.name.clone() })
}

fn no_dockerfile(place: &str) -> Error {
    Error::NoSuchFile { path: "Dockerfile".into(), place: place.into() }
}

/// Asks the caches that the request names what they have.
pub(super) fn import_caches(request: &Request, reporter: &mut dyn Reporter) -> Result<Imports> {
    if request.cache_from.is_empty() {
        return Ok(Imports::default());
    }
    internal::step(reporter, internal::CACHES, "importing cache manifests", |note| {
        Imports::fetch(request, &mut |text| note(text))
    })
}

/// `# syntax=` names an image with another parser of Dockerfiles. It is not run: it could do everything that a step can.
fn note_syntax(file: &Dockerfile, reporter: &mut dyn Reporter) -> Result<()> {
    let Some((_, image, _)) = file.directives.iter().find(|(name, ..)| name == "syntax") else {
        return Ok(());
    };
    let name = format!("load build definition from {}", file.name);
    internal::step(reporter, internal::DEFINITION, &name, |note| {
        note(&format!(
            "# syntax={image} is ignored: hull reads the Dockerfile itself, as docker/dockerfile 1 does"
        ));
        Ok(())
    })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
