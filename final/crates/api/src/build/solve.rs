//! `POST /build`.

use std::io::Read;

use hull_build::output::{Caller, Outputs};
use hull_build::request::ContextSource;
use hull_build::solve;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::failure;
use super::narrator::{Narrator, Words};
use super::parameters::{self, Wanted};
use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, JsonLines};

pub fn build(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let wanted = parameters::wanted(api, exchange)?;
    exchange.in_child(|exchange| {
        // The context is read while lines are sent.
        let mut body = exchange.lend_body()?;
        let is_empty = wanted.request.context == ContextSource::Archive && body.is_over();
        let outcome = match is_empty {
            true => Err(Failure::new(500, "Cannot locate specified Dockerfile: Dockerfile")),
            false => run(api, exchange, &wanted, &mut body),
        };
        exchange.give_back(body);
        outcome
    })
}

fn run(api: &Api, exchange: &mut Exchange<'_>, wanted: &Wanted, body: &mut dyn Read) -> Result<()> {
    let cancellation = cancellation()?;
    let request = &wanted.request;
    let outputs = Outputs::new(request).map_err(|error| Failure::of(error.kind(), error.to_string()))?;
    let words = Words::new(exchange.version(), wanted.tells_removal, usize::from(!request.labels.is_empty()));
    let mut lines = JsonLines::new(exchange);
    let mut narrator = Narrator::new(&mut lines, words, &cancellation, wanted.quiet);
    let built = solve::build(&api.engine, request, body, &mut narrator);
    let id = built.and_then(|built| match narrator.words.base() {
        // As in dockerd, an image to which nothing was added is its base.
        Some(base) => {
            let tagged = request.tags.iter().try_for_each(|tag| api.engine.tag_image(&base.to_string(), tag));
            tagged.map(|()| Some(base.clone())).map_err(hull_build::Error::from)
        }
        None => {
            let mut caller = Caller { stdout: &mut std::io::sink(), note: &mut |_| {} };
            Ok(outputs.write(&api.engine, &built, &mut caller)?.id)
        }
    });
    let (outcome, code) = match id {
        Ok(id) => {
            let id = id.ok_or_else(|| Failure::new(500, "the build has made no image"))?;
            (narrator.built(&id, &request.tags, &request.labels), None)
        }
        Err(error) => {
            narrator.failed(wanted.tells_removal_of_failed)?;
            let (failure, code) = failure::of(error, &narrator.words);
            (Err(failure), code)
        }
    };
    lines.end_with(outcome, code)
}

/// Becomes readable when this process is told to end, which happens when the client has gone: the steps are then stopped in
/// order.
fn cancellation() -> Result<SignalFd> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    let made = signals
        .thread_block()
        .and_then(|()| SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK));
    made.map_err(|error| Failure::new(500, format!("cannot take over a signal: {error}")))
}

/// `POST /build/cancel`, which ends builds by BuildKit: one of the classic builder ends with its connection.
pub fn cancel(_: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    match exchange.query().text("id") {
        Some(_) => exchange.bytes(200, "application/json", b""),
        None => Err(Failure::invalid("build ID not provided")),
    }
}
