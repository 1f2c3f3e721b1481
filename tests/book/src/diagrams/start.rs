//! The time line of a start: a bar for each stage, from when it begins to when the next one does, as it was measured.

use anyhow::{Context, Result};

use super::layout::{Anchor, Area, Drawing, Layout};
use super::source::Shape;
use super::text::{LINE, width};
use crate::measured;

/// The stages of a start: the process, the call that begins the stage (the first of that name after the stage before), and
/// the label.
const STAGES: [(&str, &str, &str); 17] = [
    ("command", "execve", "load hull"),
    ("command", "execveat", "run hull again from a read-only mount"),
    ("command", "linkat", "claim the name, make the directory"),
    ("command", "clone", "make the monitor"),
    ("monitor", "setsid", "lock, socket and state"),
    ("monitor", "unshare", "a mount namespace"),
    ("monitor", "fsopen", "mount the overlay"),
    ("monitor", "mount", "`hostname`, `hosts`, `resolv.conf`"),
    ("monitor", "prctl", "pipes, capabilities, the filter"),
    ("monitor", "mkdir", "make the cgroups"),
    ("monitor", "clone3", "make process 1 with its namespaces"),
    ("process 1", "prctl", "hostname, `lo`, cgroups"),
    ("process 1", "mount", "mount `/proc`, `/dev`, `/sys`"),
    ("process 1", "mknodat", "devices, masked paths"),
    ("process 1", "pivot_root", "change the root"),
    ("process 1", "prctl", "drop capabilities, change the user"),
    ("process 1", "sendmsg", "ready, go, seccomp"),
];

/// The room of the labels on a wide page, and of the bars.
const LABELS: f64 = 380.0;
const BARS: f64 = 330.0;

/// Of a bar, and of a stage with its label.
const BAR: f64 = 14.0;
const MARGIN: f64 = 3.0;

struct Stage {
    who: &'static str,
    what: &'static str,
    from: u64,
    to: u64,
}

fn stages(start: &measured::start::Start) -> Result<Vec<Stage>> {
    let mut parts = start.parts.iter();
    let mut stages: Vec<Stage> = Vec::new();
    for (who, call, what) in STAGES {
        let part = parts.find(|part| part.who == who && part.call == call);
        let from = part.with_context(|| format!("no {call} of {who} was measured"))?.at;
        if let Some(before) = stages.last_mut() {
            before.to = from;
        }
        stages.push(Stage { who, what, from, to: start.end });
    }
    Ok(stages)
}

pub fn drawing(shape: Shape) -> Result<(Drawing, String)> {
    let start = measured::read()?;
    let stages = stages(&start)?;
    let mut layout = Layout { shape, marks: Vec::new() };
    let (left, row) = match shape {
        Shape::Wide => (LABELS, LINE + 4.0),
        Shape::Narrow => (MARGIN, LINE + BAR + 10.0),
    };
    let scale = BARS / start.end as f64;
    let mut y = MARGIN;
    let mut who = "";
    for stage in &stages {
        if stage.who != who {
            who = stage.who;
            layout.text(&[format!("*{}*", heading(who))], MARGIN, y + 4.0, Anchor::Start);
            y += LINE + 8.0;
        }
        let label = format!("{} ms  {}", milliseconds(stage.to - stage.from), stage.what);
        layout.text(&[label], MARGIN, y, Anchor::Start);
        let class = if who == "process 1" { "container bar" } else { "host bar" };
        let below = if shape == Shape::Wide { 3.0 } else { LINE + 3.0 };
        let length = f64::max(2.0, (stage.to - stage.from) as f64 * scale);
        let x = left + stage.from as f64 * scale;
        layout.rect(Area { x, y: y + below, width: length, height: BAR }, class.to_owned());
        y += row;
    }
    axis(&mut layout, left, y + 4.0, start.end, scale);
    let total = milliseconds(start.end);
    let words = stages.iter().map(|stage| format!("{} {}", milliseconds(stage.from), stage.what));
    let words = format!(
        "A start takes {total} milliseconds. Each stage begins at so many milliseconds: {}.",
        words.collect::<Vec<_>>().join(", ").replace('`', "")
    );
    let drawing = Drawing { width: left + BARS + MARGIN, height: y + 4.0 + 12.0 + LINE, marks: layout.marks };
    Ok((drawing, words))
}

fn heading(who: &str) -> &str {
    match who {
        "command" => "the command, hull run",
        "monitor" => "the monitor",
        _ => "process 1, in the container",
    }
}

/// A line with a mark at each millisecond.
fn axis(layout: &mut Layout, left: f64, y: f64, end: u64, scale: f64) {
    layout.line((left, y), (left + end as f64 * scale, y), String::new());
    for millisecond in 0..=end / 1000 {
        let x = left + (millisecond * 1000) as f64 * scale;
        layout.line((x, y), (x, y + 6.0), String::new());
        let label = if millisecond == 0 { "0 ms".to_owned() } else { millisecond.to_string() };
        let x = if millisecond == 0 { f64::max(x, MARGIN + width(&label) / 2.0) } else { x };
        layout.text(&[label], x, y + 8.0, Anchor::Middle);
    }
}

fn milliseconds(microseconds: u64) -> String {
    format!("{:.2}", microseconds as f64 / 1000.0)
}
