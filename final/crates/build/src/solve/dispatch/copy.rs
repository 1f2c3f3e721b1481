//! COPY, ADD and WORKDIR: layers that are written without a container.

use std::fs::File;

use hull_engine::steps::PackedStep;
use hull_image::Hasher;
use hull_sys::sparse::HoleWriter;

use super::super::worker::Worker;
use crate::cache::Inputs;
use crate::dockerfile::{Instruction, Transfer};
use crate::error::IoContext;
use crate::patterns::Patterns;
use crate::transfer::{self, Request, Source};
use crate::Result;

impl Worker<'_> {
    pub(super) fn copy(&mut self, instruction: &Instruction, copy: &Transfer, is_add: bool) -> Result<()> {
        let expand = |text: &String| self.state.expand(text);
        let sources = copy.sources.iter().map(expand).collect::<Result<Vec<_>>>()?;
        let destination = expand(&copy.destination)?;
        let chown = copy.chown.as_ref().map(expand).transpose()?;
        let chmod = copy.chmod.as_ref().map(expand).transpose()?;
        let exclude = Patterns::new(copy.exclude.iter().map(expand).collect::<Result<Vec<_>>>()?)?;
        let mut words = vec![if is_add { "ADD".to_owned() } else { "COPY".into() }];
        words.extend(chown.iter().map(|chown| format!("--chown={chown}")));
        words.extend(chmod.iter().map(|chmod| format!("--chmod={chmod}")));
        words.extend(sources.iter().cloned());
        words.extend(copy.heredocs.iter().map(|heredoc| format!("<<{}", heredoc.name)));
        words.push(destination.clone());
        let created_by = format!("{} # buildkit", words.join(" "));
        let origin = copy.from.as_deref().map(|from| self.origin(from)).transpose()?;
        self.open_tree(origin.as_ref())?;
        let heredocs: Vec<(String, Vec<u8>)> = copy
            .heredocs
            .iter()
            .map(|heredoc| {
                let text = if heredoc.expands { self.state.expand_text(&heredoc.content)? } else { heredoc.content.clone() };
                Ok((heredoc.name.clone(), text.into_bytes()))
            })
            .collect::<Result<_>>()?;
        let parent = (!copy.link).then(|| self.state.key.clone());
        let mut inputs = Inputs::new(parent.as_ref(), words);
        inputs.set("working directory", self.state.working_dir());
        inputs.set("link", copy.link.to_string());
        inputs.set("parents", copy.parents.to_string());
        inputs.set("exclude", copy.exclude.join(" "));
        for (name, bytes) in &heredocs {
            inputs.files.insert(format!("<<{name}"), hull_image::Digest::of(bytes));
        }
        {
            let tree = self.tree(origin.as_ref())?;
            for source in &sources {
                let digest = transfer::digest(tree, source, &exclude)?;
                inputs.files.insert(format!("{source} of {}", tree.name), digest);
            }
        }
        self.step(instruction, inputs, created_by, |worker, _| {
            let tree = worker.tree(origin.as_ref())?;
            let patterns = sources.into_iter().map(|pattern| Source::Pattern { tree, pattern, unpack: is_add });
            let contents = heredocs.into_iter().map(|(name, bytes)| Source::Content { name, bytes });
            let request = Request {
                sources: patterns.chain(contents).collect(),
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

    /// WORKDIR makes the directory, as a layer, if it is missing.
    pub(super) fn workdir(&mut self, instruction: &Instruction, path: &str) -> Result<()> {
        let path = self.state.expand(path)?;
        let path = join(&self.state.working_dir(), &path);
        self.state.config().working_dir = Some(path.clone());
        let created_by = format!("WORKDIR {path}");
        if path == "/" {
            self.state.note(created_by);
            return Ok(());
        }
        let inputs = Inputs::new(Some(&self.state.key), vec!["WORKDIR".into(), path.clone()]);
        self.step(instruction, inputs, created_by, |worker, _| {
            let below = worker.state.directories(&worker.store);
            let epoch = worker.job.request.source_date_epoch;
            worker.write(|diff, tar| transfer::make_directory(&path, &below, epoch, diff, tar))
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
        let mut tar = Hasher::new(HoleWriter::new(File::create_new(&blob).context(context)?));
        let written = fill(layer.diff(), &mut tar)?;
        std::io::Write::flush(&mut tar).context(context)?;
        let size = tar.size;
        Ok(PackedStep { diff_id: tar.finish(), size, bytes: written.bytes, layer })
    }
}

/// A directory relative to another one, without `.` and `..`.
fn join(current: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{current}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
