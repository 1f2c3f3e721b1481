//! Starts containers whose monitor was killed, once a command has found them.

use std::sync::OnceLock;

use hull_engine::Engine;

use super::own_process::{Stdio, spawn};

/// The engine of this command.
static ENGINE: OnceLock<Engine> = OnceLock::new();

pub fn remember(engine: &Engine) {
    // A command opens one engine.
    let _ = ENGINE.set(engine.clone());
}

/// Starts what the command has found, in another process that nobody waits for: a listing is not to take as long as a
/// start. Whatever goes wrong is recorded as the container's error, and a process that was not started is the next
/// command's to start.
pub fn start_pending() {
    if let Some(engine) = ENGINE.get() {
        start_pending_of(engine);
    }
}

/// The same for what this engine has found.
pub fn start_pending_of(engine: &Engine) {
    let ids = engine.comebacks().take();
    if !ids.is_empty() {
        let mut args = vec!["boot", "start", "--killed"];
        args.extend(ids.iter().map(String::as_str));
        let _ = spawn(engine, &args, Stdio::Null);
    }
}
