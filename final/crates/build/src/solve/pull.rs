//! Base images that the store lacks are pulled side by side, each in a process of its own: pulling uses threads.

use std::sync::Mutex;
use std::time::{Instant, SystemTime};

use hull_engine::{Engine, Pull, PullPolicy};
use hull_image::Digest;
use hull_image::platform::Platform;
use hull_image::progress::{Progress, Step as LayerStep};

use super::processes::Processes;
use super::wire::{FromWorker, Link, Report};
use crate::dockerfile::Span;
use crate::progress::{Event, Outcome, Reporter, Step, StepId};
use crate::request::Request;
use crate::{Error, Result};

/// An image that is not in the store, or of which the registry may have another version.
pub(super) struct Missing {
    pub name: String,
    pub platform: Platform,
    pub span: Span,
    /// The stage that may have been meant.
    pub near: Option<String>,
}

impl Missing {
    /// The error of a pull, with the image's name, and with the stage that may have been meant.
    pub(super) fn explain(&self, error: Error) -> Error {
        let (kind, mut text) = (error.kind(), error.to_string());
        if text.contains(&self.name) && self.near.is_none() {
            return error;
        }
        if !text.contains(&self.name) {
            text = format!("image {}: {text}", self.name);
        }
        if let Some(near) = &self.near {
            text.push_str(&format!(" (did you mean the stage {near}?)"));
        }
        Error::Worker { kind, text }
    }
}

/// Pulls all of them. Returns the name that each has in the store, in the same order.
pub(super) fn pull_all(
    engine: &Engine,
    request: &Request,
    file: &str,
    images: &[Missing],
    first_step: StepId,
    reporter: &mut dyn Reporter,
) -> Result<Vec<String>> {
    let mut names = vec![String::new(); images.len()];
    let mut processes = Processes::new();
    let began = Instant::now();
    for (at, image) in images.iter().enumerate() {
        let id = first_step + at as StepId;
        let name = format!("[internal] load metadata for {}", image.name);
        reporter.report(&Event::Planned(Step {
            id,
            name,
            stage: None,
            span: Some(image.span),
            inputs: vec![],
        }));
        reporter.report(&Event::Started { step: id, at: SystemTime::now() });
        processes.start(at, |link| pull(engine, request, image, id, link))?;
    }
    while processes.count() > 0 {
        for (at, message) in processes.wait(reporter)? {
            let step = first_step + at as StepId;
            let mut finished = |outcome| {
                let (at, took) = (SystemTime::now(), began.elapsed());
                reporter.report(&Event::Finished { step, at, took, outcome });
            };
            let message = message.map_err(|error| error.at(file, images[at].span))?;
            match message {
                FromWorker::Event(event) => reporter.report(&event),
                FromWorker::Pulled(name) => {
                    finished(Outcome::Done(None));
                    names[at] = name;
                }
                FromWorker::Failed(report) => {
                    let error = images[at].explain(report.into_error());
                    finished(Outcome::Failed(error.to_string()));
                    return Err(error.at(file, images[at].span));
                }
                FromWorker::Done(_) | FromWorker::Needs(_) => {}
            }
        }
    }
    Ok(names)
}

fn pull(engine: &Engine, request: &Request, image: &Missing, step: StepId, link: Link) {
    let link = std::sync::Arc::new(Mutex::new(link));
    let platform = image.platform.to_string();
    let pull = Pull {
        policy: PullPolicy::Always,
        access: &|| request.registry.clone(),
        progress: &|| Box::new(Reported { link: link.clone(), step }),
    };
    let message = match engine.ensure_image(&image.name, Some(&platform), &pull) {
        Ok(name) => FromWorker::Pulled(name),
        Err(error) => FromWorker::Failed(Report::new(&Error::from(error))),
    };
    // If the coordinator has gone, nobody needs the image.
    let _ = link.lock().map(|mut link| link.send(&message));
}

/// Sends how far the layers have come to the coordinator.
struct Reported {
    link: std::sync::Arc<Mutex<Link>>,
    step: StepId,
}

impl Progress for Reported {
    fn layer(&self, layer: &Digest, step: LayerStep) {
        let LayerStep::Moving { done, total } = step else { return };
        let event = Event::Transferred {
            step: self.step,
            what: layer.to_string(),
            current: done,
            total: Some(total),
        };
        let _ = self.link.lock().map(|mut link| link.send(&FromWorker::Event(event)));
    }

    fn remark(&self, _: &str) {}
}
