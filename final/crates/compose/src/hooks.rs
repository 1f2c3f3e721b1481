//! Hooks: commands that run in a container after its start (`post_start`) and before its stop (`pre_stop`).

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};

use hull_composefile::model::{Hook, Service};
use hull_engine::options::ExecOptions;
use hull_engine::{AttachEvent, AttachStream, Engine};

use crate::error::{Context, Error, Result};
use crate::follow::Lines;
use crate::names;
use crate::progress::Progress;

/// The hooks of one container, which run one after the other while the caller does other things.
pub(crate) struct Hooks {
    container: String,
    /// By which the output is shown.
    source: String,
    service: String,
    left: VecDeque<Hook>,
    running: Option<AttachStream>,
    lines: Lines,
}

impl Hooks {
    /// Begins to run hooks. `None` if there are none.
    pub(crate) fn begin(
        engine: &Engine,
        project: &str,
        service: &Service,
        hooks: &[Hook],
        (id, name): (&str, &str),
    ) -> Result<Option<Self>> {
        let mut begun = Self {
            container: id.to_owned(),
            source: format!("{} ->", names::without_project(project, &service.name, name)),
            service: service.name.clone(),
            left: hooks.iter().cloned().collect(),
            running: None,
            lines: Lines::default(),
        };
        begun.next(engine)?;
        Ok(begun.running.is_some().then_some(begun))
    }

    /// Readable when there is something for [`Self::turn`].
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().map(AsFd::as_fd)
    }

    /// Waits for more.
    pub(crate) fn wait(&self) {
        if let Some(running) = self.descriptor() {
            let _ = hull_sys::wait::until_readable(running, None);
        }
    }

    fn next(&mut self, engine: &Engine) -> Result<()> {
        self.running = None;
        let Some(hook) = self.left.pop_front() else { return Ok(()) };
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        let entry = |(name, value): (&String, &Option<String>)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        };
        let options = ExecOptions {
            command: hook.command.0.clone().unwrap_or_default(),
            env: hook.environment.iter().map(entry).collect(),
            working_dir: given(&hook.working_dir),
            user: given(&hook.user),
            privileged: hook.privileged,
            ..ExecOptions::default()
        };
        let what = || format!("{} hook", self.service);
        self.running = engine.exec(&self.container, &options).context(what)?;
        Ok(())
    }

    /// Takes what has come. True when all hooks have ended; a hook that fails is an error, and ends them.
    pub(crate) fn turn(&mut self, engine: &Engine, progress: &mut dyn Progress) -> Result<bool> {
        let mut buffer = Vec::new();
        while let Some(running) = &mut self.running {
            let source = &self.source;
            let mut take = |_, line: &[u8]| progress.output(source, line);
            match running.receive(&mut buffer).context(|| format!("{} hook", self.service))? {
                Some(AttachEvent::Output { stream, bytes }) => self.lines.feed(stream, bytes, &mut take),
                Some(AttachEvent::Uncleaned(_)) => {}
                Some(AttachEvent::Exited(code)) => {
                    self.lines.finish(&mut take);
                    if code != 0 {
                        let text = format!("{} hook exited with status {code}", self.service);
                        return Err(Error::Invalid(text));
                    }
                    self.next(engine)?;
                }
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}
