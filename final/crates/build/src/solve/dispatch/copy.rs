//! COPY, ADD and WORKDIR: layers that are written without a container.

use hull_engine::steps::PackedStep;
use hull_image::{BlobFile, Digest};

use super::super::worker::{Recipe, Worker};
use crate::cache::Inputs;
use crate::context::{self, Fetched, Listing, StatCache};
use crate::dockerfile::{Heredoc, Instruction, Transfer};
use crate::error::IoContext;
use crate::patterns::{Glob, Patterns, clean};
use crate::plan::stages::Origin;
use crate::transfer::{self, Request, Source};
use crate::{Error, Result};

impl Worker<'_> {
    pub(super) fn copy(&mut self, instruction: &Instruction, copy: &Transfer, is_add: bool) -> Result<()> {
        let expand = |text: &String| self.state.expand(text);
        let sources = copy.sources.iter().map(expand).collect::<Result<Vec<_>>>()?;
        let destination = expand(&copy.destination)?;
        let chown = copy.chown.as_ref().map(expand).transpose()?;
        let chmod = copy.chmod.as_ref().map(expand).transpose()?;
        let excluded = copy.exclude.iter().map(expand).collect::<Result<Vec<_>>>()?;
        let heredocs = self.heredocs(copy)?;
        let name = if is_add { "ADD" } else { "COPY" };
        let mut words = vec![name.to_owned()];
        words.extend(copy.parents.then(|| "--parents".to_owned()));
        words.extend(chown.iter().map(|chown| format!("--chown={chown}")));
        words.extend(chmod.iter().map(|chmod| format!("--chmod={chmod}")));
        words.extend(sources.iter().cloned());
        words.extend(heredocs.iter().map(|(name, _)| format!("<<{name}")));
        words.push(destination.clone());
        let created_by = format!("{} # buildkit", words.join(" "));
        let mut inputs = Inputs::new((!copy.link).then_some(&self.state.key), words);
        inputs.set("working directory", self.state.working_dir());
        inputs.set("--link", copy.link.to_string());
        inputs.set("--parents", copy.parents.to_string());
        inputs.set("--exclude", format!("{excluded:?}"));
        let exclude = Patterns::new(excluded)?;
        for (name, bytes) in &heredocs {
            inputs.files.insert(format!("<<{name}"), Digest::of(bytes));
        }
        let origin = copy.from.as_deref().map(|from| self.origin(from)).transpose()?;
        self.open_tree(origin.as_ref())?;
        self.begin()?;
        let fetched = self.fetch(copy, &sources, is_add, &mut inputs)?;
        let local = sources.iter().zip(&fetched).filter(|(_, fetched)| fetched.is_none());
        let globs = local.map(|(source, _)| {
            let glob = if copy.parents { Glob::deep(source) } else { Glob::new(source) };
            Ok((source.clone(), glob?))
        });
        let globs = globs.collect::<Result<Vec<_>>>()?;
        let listing = match globs.is_empty() {
            true => Listing::default(),
            // With --parents the patterns of --exclude are relative to the root of the sources, so all is measured that
            // they may leave.
            false if copy.parents => {
                self.measure(origin.as_ref(), &globs, &Patterns::default(), &mut inputs)?
            }
            false => self.measure(origin.as_ref(), &globs, &exclude, &mut inputs)?,
        };
        self.step(Recipe { instruction, inputs, created_by, listing }, |worker, _| {
            let mut taken = Vec::new();
            for (pattern, fetched) in sources.into_iter().zip(&fetched) {
                taken.push(match fetched {
                    // docker unpacks no archive of a URL by itself.
                    Some(fetched) => Source::Pattern {
                        tree: &fetched.tree,
                        pattern: fetched.source.clone(),
                        unpack: copy.unpack == Some(true),
                    },
                    None => {
                        let tree = worker.tree(origin.as_ref())?;
                        Source::Pattern { tree, pattern, unpack: is_add && copy.unpack != Some(false) }
                    }
                });
            }
            taken.extend(heredocs.into_iter().map(|(name, bytes)| Source::Content { name, bytes }));
            let request = Request {
                sources: taken,
                destination,
                working_dir: worker.state.working_dir(),
                below: if copy.link { vec![] } else { worker.state.directories(&worker.store) },
                chown,
                chmod,
                parents: copy.parents,
                exclude,
                epoch: worker.job.request.source_date_epoch,
            };
            worker.write(|diff, tar| transfer::write(&request, diff, tar))
        })
    }

    /// Fetches the sources of ADD that are on other machines. The others are `None`.
    fn fetch(
        &self,
        copy: &Transfer,
        sources: &[String],
        is_add: bool,
        inputs: &mut Inputs,
    ) -> Result<Vec<Option<Fetched>>> {
        let checksum = copy.checksum.as_ref().map(|text| self.state.expand(text)).transpose()?;
        if checksum.is_some() && sources.len() != 1 {
            let why = "it is for one source, and this instruction has several".into();
            return Err(Error::Invalid { what: "--checksum".into(), why });
        }
        let remote = super::super::definition::remote(self.job.request);
        let fetch = |source: &String| {
            if !is_add && context::is_remote(source) {
                let why = "source can't be a URL for COPY: ADD fetches it".into();
                return Err(Error::Invalid { what: format!("source {source}"), why });
            }
            if !is_add || copy.from.is_some() {
                return Ok(None);
            }
            let root = self.engine.root();
            context::fetch(root, source, checksum.as_deref(), copy.keep_git_dir, &remote)
        };
        let fetched = sources.iter().map(fetch).collect::<Result<Vec<_>>>()?;
        for (source, fetched) in sources.iter().zip(&fetched) {
            if let Some(fetched) = fetched {
                inputs.files.insert(source.clone(), fetched.digest.clone());
            }
        }
        inputs.set("--unpack", format!("{:?}", copy.unpack));
        Ok(fetched)
    }

    /// The files that are written in the Dockerfile itself.
    fn heredocs(&self, copy: &Transfer) -> Result<Vec<(String, Vec<u8>)>> {
        let text = |heredoc: &Heredoc| match heredoc.expands {
            true => self.state.expand_heredoc(&heredoc.content),
            false => Ok(heredoc.content.clone()),
        };
        let file = |heredoc: &Heredoc| Ok((heredoc.name.clone(), text(heredoc)?.into_bytes()));
        copy.heredocs.iter().map(file).collect()
    }

    /// Adds the digests of the sources to the inputs of a step.
    pub(super) fn measure(
        &mut self,
        origin: Option<&Origin>,
        sources: &[(String, Glob)],
        exclude: &Patterns,
        inputs: &mut Inputs,
    ) -> Result<Listing> {
        let name = self.tree(origin)?.name.clone();
        let cache = match self.known_files.remove(&name) {
            Some(cache) => cache,
            None => StatCache::open(self.engine.root(), self.tree(origin)?),
        };
        let mut cache = cache;
        let mut listing = Listing::default();
        for (shown, source) in sources {
            let contents = context::measure(self.tree(origin)?, source, exclude, &mut cache)?;
            inputs.files.insert(format!("{shown} of {name}"), contents.digest);
            listing.0.push_str(&contents.listing.0);
        }
        self.known_files.insert(name, cache);
        Ok(listing)
    }

    /// WORKDIR makes the directory, as a layer, if it is missing. It belongs to the user of the image. An absolute path is
    /// kept as it is written, as docker does, unless it leads up: a directory that it passes may be missing.
    pub(super) fn workdir(&mut self, instruction: &Instruction, path: &str) -> Result<()> {
        let written = self.state.expand(path)?;
        let path = join(&self.state.working_dir(), &written);
        let is_kept = written.starts_with('/') && !written.split('/').any(|part| part == "..");
        let shown = if is_kept { written } else { path.clone() };
        let created_by = format!("WORKDIR {shown}");
        self.state.config().working_dir = Some(shown);
        if path == "/" {
            self.state.note(created_by);
            return Ok(());
        }
        let user = self.state.run_config().user.filter(|user| !user.is_empty());
        let mut inputs = Inputs::new(Some(&self.state.key), vec!["WORKDIR".into(), path.clone()]);
        inputs.set("user", user.clone().unwrap_or_default());
        let recipe = Recipe { instruction, inputs, created_by, listing: Listing::default() };
        self.step(recipe, |worker, _| {
            let below = worker.state.directories(&worker.store);
            let epoch = worker.job.request.source_date_epoch;
            worker
                .write(|diff, tar| transfer::make_directory(&path, &below, user.as_deref(), epoch, diff, tar))
        })
    }

    /// A new layer of what `fill` writes into its directory and its tar.
    fn write(
        &self,
        fill: impl FnOnce(&std::path::Path, &mut dyn std::io::Write) -> Result<transfer::Written>,
    ) -> Result<PackedStep> {
        let layer = self.store.begin_step()?;
        let blob = layer.blob();
        let context = || format!("write {}", blob.display());
        let mut tar = BlobFile::create(&blob).context(context)?;
        let written = fill(layer.diff(), &mut tar)?;
        let (diff_id, size) = tar.finish().context(context)?;
        Ok(PackedStep { diff_id, size, bytes: written.bytes, layer })
    }
}

/// A directory relative to another one, without `.` and `..`.
fn join(current: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("/{current}/{path}") };
    String::from_utf8_lossy(&clean(whole.as_bytes())).into_owned()
}
