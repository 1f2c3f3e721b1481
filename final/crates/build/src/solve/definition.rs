//! The Dockerfile of a build, and the contexts that it takes files from.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use hull_image::Digest;

use crate::cache::remote::Imports;
use crate::context::{self, Tree};
use crate::dockerfile::{self, Dockerfile};
use crate::error::IoContext;
use crate::progress::{Event, Outcome, Reporter, Step, StepId};
use crate::request::{ContextSource, FileSource, Request};
use crate::{Error, Result};

/// Bytes of a Dockerfile. docker's limit is that of a gRPC message.
const LONGEST_DOCKERFILE: u64 = 16 << 20;

/// The numbers before those of the stages' steps: loading the Dockerfile, the context, base images; the export.
pub(super) const INTERNAL_STEPS: StepId = 8;

pub(super) struct Definition {
    pub file: Dockerfile,
    pub context: Option<Tree>,
    pub named_contexts: BTreeMap<String, Tree>,
    /// What identifies the Dockerfile and its context from build to build: for `--why`.
    pub identity: Digest,
}

pub(super) fn load(
    request: &Request,
    stdin: &mut dyn Read,
    reporter: &mut dyn Reporter,
) -> Result<Definition> {
    let directory = match &request.context {
        ContextSource::Directory(path) => path.clone(),
        other => return Err(Error::Unsupported(format!("a build context like {other:?}"))),
    };
    let mut own_file: Option<PathBuf> = None;
    let (name, text) = match &request.file {
        Some(FileSource::Stdin) => ("Dockerfile".to_owned(), read(stdin, "the standard input")?),
        Some(FileSource::Inline(text)) => ("Dockerfile".into(), text.clone().into_bytes()),
        Some(FileSource::Path(path)) => {
            own_file = Some(path.clone());
            let mut file = std::fs::File::open(path).context(|| format!("open {}", path.display()))?;
            (file_name(path), read(&mut file, &path.display().to_string())?)
        }
        Some(FileSource::Url(url)) => return Err(Error::Unsupported(format!("a Dockerfile from {url}"))),
        None => {
            let tree = Tree::open(&directory, "the build context")?;
            let found = tree.read_file(Path::new("Dockerfile"), LONGEST_DOCKERFILE)?;
            let found = match found {
                Some(found) => Some(found),
                None => tree.read_file(Path::new("Containerfile"), LONGEST_DOCKERFILE)?,
            };
            own_file = Some(directory.join("Dockerfile"));
            let missing =
                || Error::NoSuchFile { path: "Dockerfile".into(), place: directory.display().to_string() };
            ("Dockerfile".into(), found.ok_or_else(missing)?)
        }
    };
    // Before it is parsed: an error of the parser is shown with its lines.
    let shown = String::from_utf8_lossy(&text).into_owned();
    reporter.report(&Event::Dockerfile { name: name.clone(), text: shown });
    let file = dockerfile::parse(&name, &text)?;
    let context = Some(context::open_directory(&directory, own_file.as_deref())?);
    let identity = Digest::of(format!("{:?} {:?}", request.context, request.file).as_bytes());
    Ok(Definition { file, context, named_contexts: BTreeMap::new(), identity })
}

/// Asks the caches that the request names what they have.
pub(super) fn import_caches(request: &Request, reporter: &mut dyn Reporter) -> Result<Imports> {
    let step = INTERNAL_STEPS - 1;
    if request.cache_from.is_empty() {
        return Ok(Imports::default());
    }
    let name = "importing cache manifests".to_owned();
    reporter.report(&Event::Planned(Step { id: step, name, stage: None, span: None, inputs: vec![] }));
    let began = Instant::now();
    reporter.report(&Event::Started { step, at: SystemTime::now() });
    let imports = Imports::fetch(request, &mut |note| {
        let bytes = format!("{note}\n").into_bytes();
        reporter.report(&Event::Output { step, stderr: true, bytes });
    });
    let outcome = match &imports {
        Ok(_) => Outcome::Done(None),
        Err(error) => Outcome::Failed(error.to_string()),
    };
    reporter.report(&Event::Finished { step, at: SystemTime::now(), took: began.elapsed(), outcome });
    imports
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn read(from: &mut dyn Read, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LONGEST_DOCKERFILE + 1).read_to_end(&mut bytes).context(|| format!("read {name}"))?;
    match bytes.len() as u64 > LONGEST_DOCKERFILE {
        true => Err(Error::Invalid { what: name.into(), why: "a Dockerfile has 16 MiB at most".into() }),
        false => Ok(bytes),
    }
}
