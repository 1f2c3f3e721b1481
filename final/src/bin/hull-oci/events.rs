//! `events`: prints a container's resource usage and out-of-memory events, as one JSON object in each line.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hull_runtime::cgroups::Cgroup;
use hull_sys::wait::until_readable;
use serde_json::{Value, json};

use crate::cli;
use crate::list::print;
use crate::state::{Root, Status, open};

/// How often the number of out-of-memory kills is read. The kernel's notifications differ between cgroup v1 and v2.
const OOM_INTERVAL: Duration = Duration::from_millis(200);

pub fn events(root: &Root, args: &cli::Events) -> Result<u8> {
    let container = root.container(&args.id)?;
    let state = container.read()?;
    let status = container.status(&state);
    let init = state.init.as_ref().map(open).transpose()?.flatten();
    let Some(init) = init.filter(|_| !matches!(status, Status::Creating | Status::Stopped)) else {
        bail!("container not running: {}, which is {status}", args.id);
    };
    let cgroup = state.open_cgroup()?;
    print_event(&args.id, "stats", Some(stats(&cgroup)?))?;
    if args.stats {
        return Ok(0);
    }
    let (mut next, mut killed) = (Instant::now() + args.interval, cgroup.oom_kills().unwrap_or(0));
    loop {
        let left = next.saturating_duration_since(Instant::now()).min(OOM_INTERVAL);
        let ended = until_readable(&init, Some(left)).context("cannot wait for the container")?;
        let kills = cgroup.oom_kills().unwrap_or(killed);
        if kills > killed {
            print_event(&args.id, "oom", None)?;
            killed = kills;
        }
        if ended {
            return Ok(0);
        }
        if Instant::now() >= next {
            print_event(&args.id, "stats", Some(stats(&cgroup)?))?;
            next += args.interval;
        }
    }
}

fn stats(cgroup: &Cgroup) -> Result<Value> {
    Ok(serde_json::to_value(cgroup.stats())?)
}

fn print_event(id: &str, kind: &str, data: Option<Value>) -> Result<u8> {
    let mut event = json!({"type": kind, "id": id});
    if let Some(data) = data {
        event["data"] = data;
    }
    print(&event.to_string())
}
