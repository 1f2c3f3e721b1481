//! Watched files, as a part of the loop of `up --watch` and of `watch`. What a change asks for is done by a child, so that the
//! loop goes on meanwhile; changes that come then are the next batch.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Result;
use hull_compose::labels;
use hull_compose::observe::observe;
use hull_compose::plan::{PlanOptions, Recreate};
use hull_compose::progress::Progress;
use hull_compose::scope::Scope;
use hull_compose::timeline::Timeline;
use hull_compose::up::UpOptions;
use hull_compose::watch::{self, Actions, Batch, Rules, Tree};
use hull_composefile::model::Project;
use rustix::event::{PollFd, PollFlags};

use super::build;
use super::work::{Settings, Work};
use crate::ui::compose::progress::{Child, Said};
use crate::ui::errors;

/// What a change asks for, and with what.
#[derive(Clone, Copy)]
pub struct Reaction<'w> {
    pub work: &'w Work<'w>,
    pub project: &'w Project,
    /// Images that a rebuild leaves without a name are removed.
    pub prune: bool,
    pub report: fn(&anyhow::Error) -> u8,
}

pub struct Watching<'w> {
    reaction: Reaction<'w>,
    rules: Rules,
    tree: Tree,
    batch: Batch,
    /// What `initial_sync` asks for, until it is done.
    first: Option<Actions>,
    child: Option<Child>,
}

impl<'w> Watching<'w> {
    /// Begins to watch the files of these services, or of all.
    pub fn begin(reaction: Reaction<'w>, services: &[String], may_build: bool) -> Result<Self> {
        let mut warn = |text: &str| errors::warn_only(text);
        let rules = Rules::of(reaction.project, services, may_build, &mut warn)?;
        let tree = Tree::watch(&rules)?;
        Ok(Self { reaction, rules, tree, batch: Batch::default(), first: None, child: None })
    }

    /// Looks which files `initial_sync` is to copy. The containers have to exist.
    pub fn look_at_present_files(&mut self) -> Result<()> {
        let Reaction { work, project, .. } = self.reaction;
        let actions = watch::initial_files(&work.engine, project, &self.rules)?;
        self.first = (!actions.is_empty()).then_some(actions);
        Ok(())
    }

    pub fn interests(&self) -> impl Iterator<Item = PollFd<'_>> {
        let fds = [Some(self.tree.as_fd()), self.child.as_ref().map(AsFd::as_fd)];
        fds.into_iter().flatten().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
    }

    /// When [`Self::turn`] has something to do without anything to read.
    pub fn timeout(&self) -> Option<Duration> {
        let due = self.batch.due().filter(|_| self.child.is_none());
        let due = due.map(|due| due.saturating_duration_since(Instant::now()));
        if self.first.is_some() && self.child.is_none() { Some(Duration::ZERO) } else { due }
    }

    /// Containers may be gone for a moment.
    pub fn is_busy(&self) -> bool {
        self.child.is_some() || self.first.is_some()
    }

    /// Takes the changes, and does what they ask for. Gives what is said of it.
    pub fn turn(&mut self, say: &mut dyn FnMut(Said)) -> Result<()> {
        let now = Instant::now();
        self.batch.add(self.tree.changed(&self.rules)?, now);
        if let Some(child) = &mut self.child {
            let mut has_ended = false;
            for said in child.read()? {
                match said {
                    Said::Failed => child.let_it_report(),
                    Said::Ended(_) => has_ended = true,
                    said => say(said),
                }
            }
            if has_ended {
                self.child = None;
            }
        }
        if self.child.is_none()
            && let Some(actions) = self.first.take().or_else(|| self.batch.take(&self.rules, now))
        {
            let (reaction, rules) = (self.reaction, &self.rules);
            self.child = Some(Child::start(reaction.report, |progress| {
                // A failure does not end the watch: the next change may repair it.
                if let Err(error) = reaction.to(&actions, rules, progress) {
                    progress.note(&format!("Error handling changed files: {error:#}"));
                }
                Ok(())
            })?);
        }
        Ok(())
    }
}

impl Reaction<'_> {
    fn to(self, actions: &Actions, rules: &Rules, progress: &mut dyn Progress) -> Result<()> {
        let engine = &self.work.engine;
        if !actions.rebuild.is_empty() {
            let services: Vec<String> = actions.rebuild.iter().cloned().collect();
            self.rebuild(&services, progress)?;
        }
        for (service, files) in &actions.sync {
            progress
                .note(&format!("Syncing service {service:?} after {} changes were detected", files.len()));
            watch::sync(engine, self.project, service, files)?;
        }
        if !actions.restart.is_empty() {
            let services: Vec<String> = actions.restart.iter().cloned().collect();
            let observed = observe(engine, &self.project.name)?;
            let scope = Scope::of_files(self.project)?;
            let mut apply = self.work.apply(Settings::default(), progress);
            apply.restart_services(&scope, &observed, &services, true)?;
            progress.note(&format!("service(s) {} restarted", quoted(&services)));
        }
        for (service, which) in &actions.exec {
            for index in which {
                watch::exec(engine, self.project, service, &rules.get(*index).exec, progress)?;
            }
        }
        Ok(())
    }

    fn rebuild(self, services: &[String], progress: &mut dyn Progress) -> Result<()> {
        let work = self.work;
        progress.note(&format!("Rebuilding service(s) {} after changes were detected...", quoted(services)));
        let names: Vec<&str> = services.iter().map(String::as_str).collect();
        let built = build::default_options().and_then(|options| {
            build::build_services(work.session, &work.engine, self.project, &names, &options, None, true)
        });
        if let Err(error) = built {
            progress.note(&format!("Build failed. Error: {error:#}"));
            return Ok(());
        }
        progress.note(&format!("service(s) {} successfully built", quoted(services)));
        let plan = PlanOptions {
            services: services.to_vec(),
            recreate: Recreate::Always,
            recreate_dependencies: Recreate::Never,
            ..PlanOptions::default()
        };
        let options = UpOptions { plan, ignore_orphans: true, ..UpOptions::default() };
        let mut apply = work.apply(Settings::default(), progress);
        let prepared = apply.prepare(&options, &mut |_| Ok(false))?;
        apply.start_prepared(&prepared, &options, &mut Timeline::new(Instant::now()))?;
        if self.prune {
            self.remove_unnamed_images();
        }
        Ok(())
    }

    /// Images of the project that have lost their name to a newer one. One that cannot be removed stays.
    fn remove_unnamed_images(self) {
        let engine = &self.work.engine;
        let is_ours = |id: &hull_image::Digest| {
            let found = engine.images().inspect(&id.to_string()).ok();
            let label = found.and_then(|image| image.config.config?.labels?.get(labels::PROJECT).cloned());
            label.as_ref() == Some(&self.project.name)
        };
        let _ = engine.prune_images(false, &is_ours);
    }
}

/// `["web" "db"]`, as Go prints a list.
fn quoted(services: &[String]) -> String {
    let quoted: Vec<String> = services.iter().map(|service| format!("{service:?}")).collect();
    format!("[{}]", quoted.join(" "))
}
