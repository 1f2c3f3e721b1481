//! The process of one stage: applies the stage's instructions in order. It has one thread, because the containers of RUN
//! are cloned from it.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use hull_engine::Engine;
use hull_engine::steps::PackedStep;
use hull_image::Digest;
use hull_image::config::{Descriptor, LAYER};
use hull_storage::layers::LayerStore;

use super::job::{Job, adds_layer, has_base_step};
use super::state::State;
use super::wire::{FromWorker, Link, StageResult};
use crate::cache::record::FORMAT;
use crate::cache::remote::import::Wanted;
use crate::cache::{Inputs, Key, LayerOfStep, Record, why};
use crate::context::{Listing, StatCache, Tree};
use crate::dockerfile::{Instruction, Kind};
use crate::plan::{Globals, Stage};
use crate::progress::{Event, Outcome, StepId};
use crate::run::SharedNetwork;
use crate::{Error, Result};

pub(super) struct Worker<'a> {
    pub job: &'a Job<'a>,
    pub engine: &'a Engine,
    pub globals: &'a Globals,
    pub state: State,
    /// The stage's number.
    pub number: usize,
    pub link: Link,
    /// The results of other stages that this one has asked for.
    pub others: BTreeMap<usize, StageResult>,
    /// Trees of stages and images, which are opened once.
    pub trees: BTreeMap<crate::plan::stages::Origin, Tree>,
    pub store: LayerStore,
    /// The network of its steps.
    pub network: SharedNetwork,
    /// What is known of the files of the build contexts, by their names.
    pub known_files: BTreeMap<String, StatCache>,
    next_step: StepId,
    /// The step that has begun, and when.
    begun: Option<(StepId, Instant)>,
}

/// A step with a layer: what it depends on, and how it is recorded.
pub(super) struct Recipe<'a> {
    pub instruction: &'a Instruction,
    pub inputs: Inputs,
    /// For the image's history.
    pub created_by: String,
    /// The files that it reads.
    pub listing: Listing,
}

impl<'a> Worker<'a> {
    pub(super) fn new(job: &'a Job<'a>, number: usize, link: Link, base: StageResult) -> Self {
        Self {
            job,
            engine: job.engine,
            globals: &job.globals,
            state: State::new(base, job.file.escape),
            number,
            link,
            others: BTreeMap::new(),
            trees: BTreeMap::new(),
            network: SharedNetwork::default(),
            known_files: BTreeMap::new(),
            store: LayerStore::new(job.engine.root()),
            next_step: job.first_step(number),
            begun: None,
        }
    }

    pub(super) fn stage(&self) -> &'a Stage {
        &self.job.stages.stages[self.number]
    }

    /// Builds the stage, and tells the coordinator how it went.
    pub(super) fn run_stage(mut self) {
        let message = match self.instructions() {
            Ok(()) => FromWorker::Done(Box::new(self.state.finish())),
            Err(error) => FromWorker::Failed(super::wire::Report::new(&error)),
        };
        // If the coordinator has gone, nobody needs the result.
        let _ = self.link.send(&message);
    }

    fn instructions(&mut self) -> Result<()> {
        let stage = self.stage();
        self.narrate_base()?;
        self.pass_base()?;
        // They are run now.
        self.state.config().on_build = None;
        self.state.ensure_path();
        for (at, instruction) in stage.all().enumerate() {
            self.narrate(at, instruction)?;
            if let Err(error) = self.dispatch(instruction) {
                if adds_layer(&instruction.kind) {
                    let (id, began) = self.begin()?;
                    self.finished(id, began, Outcome::Failed(error.to_string()))?;
                }
                return Err(error.at(&self.job.file.name, instruction.span));
            }
            self.narrate_end()?;
        }
        Ok(())
    }

    /// The step of the line FROM, which has nothing to do.
    fn pass_base(&mut self) -> Result<()> {
        if !has_base_step(self.stage()) {
            return Ok(());
        }
        let (id, began) = self.begin()?;
        self.begun = None;
        self.finished(id, began, Outcome::Cached)
    }

    /// Begins the next step, unless it has begun. Reading a build context may take long, and is part of the step; waiting
    /// for another stage is not.
    pub(super) fn begin(&mut self) -> Result<(StepId, Instant)> {
        if let Some(begun) = self.begun {
            return Ok(begun);
        }
        let begun = (self.next_id(), Instant::now());
        self.begun = Some(begun);
        self.started(begun.0)?;
        Ok(begun)
    }

    /// The number of the next step. All steps have been announced, in this order.
    fn next_id(&mut self) -> StepId {
        let id = self.next_step;
        self.next_step += 1;
        id
    }

    pub(super) fn send(&mut self, event: Event) -> Result<()> {
        self.link.send(&FromWorker::Event(event))
    }

    fn started(&mut self, step: StepId) -> Result<()> {
        self.send(Event::Started { step, at: SystemTime::now() })
    }

    fn finished(&mut self, step: StepId, began: Instant, outcome: Outcome) -> Result<()> {
        self.send(Event::Finished { step, at: SystemTime::now(), took: began.elapsed(), outcome })
    }

    /// A step with a layer: taken from the cache, or made by `make`.
    pub(super) fn step(
        &mut self,
        recipe: Recipe<'_>,
        make: impl FnOnce(&mut Self, StepId) -> Result<PackedStep>,
    ) -> Result<()> {
        let (id, began) = self.begin()?;
        let outcome = self.find_or_make(id, recipe, make)?;
        self.begun = None;
        self.finished(id, began, outcome)
    }

    fn find_or_make(
        &mut self,
        id: StepId,
        recipe: Recipe<'_>,
        make: impl FnOnce(&mut Self, StepId) -> Result<PackedStep>,
    ) -> Result<Outcome> {
        let job = self.job;
        self.state.check_depth()?;
        let Recipe { instruction, mut inputs, created_by, listing } = recipe;
        if let Some(epoch) = job.request.source_date_epoch {
            // A step that was made without it, or with another one, has other times.
            inputs.set("SOURCE_DATE_EPOCH", epoch.to_string());
        }
        let key = inputs.key();
        let uses_cache = job.uses_cache(self.stage());
        let place = job.place(self.number, id);
        if uses_cache && let Some(found) = self.find_cached(&key) {
            return self.adopt(id, found, key, created_by, &place);
        }
        // Another build, or another stage, may be running the same step.
        let _lock = job.cache.lock(&key)?;
        if uses_cache && let Some(found) = self.find_cached(&key) {
            return self.adopt(id, found, key, created_by, &place);
        }
        if uses_cache && let Some(found) = self.import(id, &key, &inputs, instruction)? {
            self.state.imported = Some(found.1.layer.chain_id.clone());
            return self.adopt(id, found, key, created_by, &place);
        }
        self.explain(id, &inputs, &listing, &place, uses_cache)?;
        if matches!(instruction.kind, Kind::Run(_)) {
            super::foreign::check(&self.stage().platform)?;
            if job.request.narrates {
                self.send(Event::Running { name: key.short().to_owned() })?;
            }
        }
        let made = make(self, id)?;
        let chain = Digest::chain(self.state.chain().as_ref(), &made.diff_id);
        let record = Record {
            format: FORMAT,
            created: job.created(),
            description: instruction.original.clone(),
            inputs,
            layer: LayerOfStep {
                descriptor: Descriptor::new(LAYER, made.diff_id.clone(), made.size),
                diff_id: made.diff_id,
                chain_id: chain.clone(),
                bytes: made.bytes,
            },
        };
        let stored = self.state.stored_key(&key);
        let recording = job.cache.begin_record()?;
        job.cache.add(&recording, &stored, &record, &listing)?;
        made.layer.publish(&self.store, chain.hex(), made.bytes)?;
        drop(recording);
        job.cache.set_last(&place, &stored)?;
        self.state.add(&record.layer, &record.created, created_by, key);
        Ok(Outcome::Done(Some(record.layer.diff_id)))
    }

    fn adopt(
        &mut self,
        id: StepId,
        (stored, record): (Key, Record),
        key: Key,
        created_by: String,
        place: &Digest,
    ) -> Result<Outcome> {
        self.job.cache.set_last(place, &stored)?;
        if self.job.request.why {
            self.send(Event::Why { step: id, reason: "in the cache".into() })?;
        }
        self.state.add(&record.layer, &record.created, created_by, key);
        Ok(Outcome::Cached)
    }

    /// The record of a key, and the key that it is stored under.
    fn find_cached(&self, key: &Key) -> Option<(Key, Record)> {
        let find = |key: &Key| Some((key.clone(), self.job.cache.find(key)?));
        find(key).or_else(|| find(&self.state.stored_key(key)))
    }

    /// The step from a cache that the build has named.
    fn import(
        &mut self,
        id: StepId,
        key: &Key,
        inputs: &Inputs,
        instruction: &Instruction,
    ) -> Result<Option<(Key, Record)>> {
        let imports = self.job.imports;
        if imports.is_empty() {
            return Ok(None);
        }
        let wanted = Wanted {
            key,
            inputs,
            below: &self.state.image.rootfs.diff_ids,
            directories: &self.state.directories(&self.store),
            description: &instruction.original,
            created: &self.job.created(),
        };
        let mut notes = Vec::new();
        let taken = imports
            .take(self.engine, &self.job.cache, wanted, &mut |note| notes.push(format!("{note}\n")))?;
        for note in notes {
            self.send(Event::Output { step: id, stderr: true, bytes: note.into_bytes() })?;
        }
        Ok(taken)
    }

    /// `--why`: what differs from the step that was here the last time.
    fn explain(
        &mut self,
        step: StepId,
        inputs: &Inputs,
        listing: &Listing,
        place: &Digest,
        uses_cache: bool,
    ) -> Result<()> {
        if !self.job.request.why {
            return Ok(());
        }
        let cache = &self.job.cache;
        let before = cache.last_at(place).and_then(|key| Some((cache.read(&key)?, cache.listing(&key))));
        let reasons = match before {
            _ if !uses_cache => vec!["the cache is not used".to_owned()],
            None => vec!["it was not built here before".into()],
            Some((before, files)) => why::reasons(&before.inputs, inputs, &files, listing),
        };
        for reason in reasons {
            self.send(Event::Why { step, reason })?;
        }
        Ok(())
    }

    /// The result of another stage, for which the worker waits.
    pub(super) fn other(&mut self, stage: usize) -> Result<&StageResult> {
        if !self.others.contains_key(&stage) {
            self.link.send(&FromWorker::Needs(stage))?;
            let result: StageResult = self.link.receive()?.ok_or(Error::Cancelled)?;
            self.others.insert(stage, result);
        }
        Ok(&self.others[&stage])
    }
}
