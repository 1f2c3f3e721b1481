//! What a client of docker's classic builder is told of each instruction: [`Request::narrates`](crate::request::Request).

use super::worker::Worker;
use crate::Result;
use crate::dockerfile::{Dockerfile, Instruction, Kind};
use crate::plan::{Base, Stages};
use crate::progress::{Event, Reporter};

/// The numbers of instructions: those before the first FROM, and then those of the stages that are built.
pub(super) struct Numbering<'a> {
    pub file: &'a Dockerfile,
    pub stages: &'a Stages,
    /// The stages that are built, lowest number first.
    pub needed: &'a [usize],
}

impl Numbering<'_> {
    fn before_stages(&self) -> usize {
        self.file.instructions.iter().take_while(|one| !matches!(one.kind, Kind::From(_))).count()
    }

    fn length(&self, stage: usize) -> usize {
        1 + self.stages.stages[stage].instructions.len()
    }

    fn count(&self) -> usize {
        self.before_stages() + self.needed.iter().map(|stage| self.length(*stage)).sum::<usize>()
    }

    /// The number of a stage's FROM.
    fn from(&self, stage: usize) -> usize {
        let before = self.needed.iter().take_while(|number| **number != stage);
        self.before_stages() + before.map(|stage| self.length(*stage)).sum::<usize>() + 1
    }

    /// Tells of the instructions up to the first FROM: its image may have to be pulled.
    pub fn begin(&self, reporter: &mut dyn Reporter) {
        let Some(first) = self.needed.first() else { return };
        let count = self.count();
        for (at, one) in self.file.instructions.iter().take(self.before_stages()).enumerate() {
            reporter.report(&Event::Instruction { number: Some(at + 1), count, text: one.original.clone() });
        }
        let (number, text) = (Some(self.from(*first)), self.text_of_from(*first));
        reporter.report(&Event::Instruction { number, count, text });
    }

    fn text_of_from(&self, stage: usize) -> String {
        let span = self.stages.stages[stage].span;
        let from = self.file.instructions.iter().find(|one| one.span == span);
        from.map(|one| one.original.clone()).unwrap_or_default()
    }
}

impl Worker<'_> {
    fn numbering(&self) -> Numbering<'_> {
        Numbering { file: self.job.file, stages: &self.job.stages, needed: &self.job.needed }
    }

    /// Tells of the line FROM, and what it stands for.
    pub(super) fn narrate_base(&mut self) -> Result<()> {
        if !self.job.request.narrates {
            return Ok(());
        }
        if self.job.needed.first() != Some(&self.number) {
            let numbering = self.numbering();
            let (number, count) = (Some(numbering.from(self.number)), numbering.count());
            let text = numbering.text_of_from(self.number);
            self.send(Event::Instruction { number, count, text })?;
        }
        let digest = match &self.stage().base {
            Base::Scratch => None,
            Base::Image(_) => self.state.base.as_ref().map(|(_, id)| id.clone()),
            Base::Stage(_) | Base::Context(_) => Some(self.state.digest()),
        };
        let is_image = matches!(self.stage().base, Base::Image(_));
        self.send(Event::Stands { digest, is_image })
    }

    /// Tells that the stage's instruction at this place begins. Those that the base has kept come first.
    pub(super) fn narrate(&mut self, at: usize, instruction: &Instruction) -> Result<()> {
        if !self.job.request.narrates {
            return Ok(());
        }
        let numbering = self.numbering();
        let (from, count) = (numbering.from(self.number), numbering.count());
        let kept = self.stage().triggers.as_ref().map_or(0, Vec::len);
        let number = at.checked_sub(kept).map(|at| from + 1 + at);
        self.send(Event::Instruction { number, count, text: instruction.original.clone() })
    }

    /// Tells that the instruction has ended.
    pub(super) fn narrate_end(&mut self) -> Result<()> {
        match self.job.request.narrates {
            true => self.send(Event::Stands { digest: Some(self.state.digest()), is_image: false }),
            false => Ok(()),
        }
    }
}
