//! When each container started, and what its service waited for before: what `--timeline` prints.

use std::time::{Duration, Instant};

use crate::plan::Condition;

/// Of one command, from its beginning on.
#[derive(Debug, Clone)]
pub struct Timeline {
    begun: Instant,
    pub waits: Vec<Wait>,
    pub starts: Vec<Start>,
}

/// A service that has waited for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    pub service: String,
    pub on: String,
    pub condition: Condition,
    /// When the service began to wait: when all that it depends on had been started.
    pub from: Duration,
    pub to: Duration,
}

/// A container that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    pub service: String,
    pub container: String,
    pub from: Duration,
    /// Its program runs.
    pub to: Duration,
}

impl Timeline {
    /// `begun` is when the command began.
    pub fn new(begun: Instant) -> Self {
        Self { begun, waits: vec![], starts: vec![] }
    }

    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Lines of text: each container's service, what it waited for, and a bar from the beginning of its start to its end.
    pub fn lines(&self, width: usize) -> Vec<String> {
        let end = self.starts.iter().map(|start| start.to).chain(self.waits.iter().map(|wait| wait.to)).max();
        let end = end.unwrap_or_default().as_secs_f64().max(0.001);
        let name = self.starts.iter().map(|start| start.container.chars().count()).max().unwrap_or(0);
        let column = |at: Duration| ((at.as_secs_f64() / end) * width as f64) as usize;
        let mut lines = Vec::new();
        let mut starts: Vec<&Start> = self.starts.iter().collect();
        starts.sort_by_key(|start| (start.from, start.container.clone()));
        for start in starts {
            let waits: Vec<&Wait> = self.waits.iter().filter(|wait| wait.service == start.service).collect();
            let waited = waits.iter().map(|wait| wait.from).min().unwrap_or(start.from).min(start.from);
            let (first, from, to) =
                (column(waited), column(start.from), column(start.to).max(column(start.from) + 1));
            let bar = format!(
                "{}{}{}",
                " ".repeat(first),
                "·".repeat(from.saturating_sub(first)),
                "█".repeat(to.saturating_sub(from))
            );
            let padding = " ".repeat((width + 1).saturating_sub(bar.chars().count()));
            lines.push(format!(
                "{:name$}  {bar}{padding}  {:>7.3} s + {:.3} s{}",
                start.container,
                start.from.as_secs_f64(),
                (start.to.saturating_sub(start.from)).as_secs_f64(),
                reasons(&waits)
            ));
        }
        lines
    }
}

/// The waits of a service, the longest first.
fn reasons(waits: &[&Wait]) -> String {
    let mut waits = waits.to_vec();
    waits.sort_by_key(|wait| std::cmp::Reverse(wait.to));
    let reason = |wait: &&Wait| {
        let waited = wait.to.saturating_sub(wait.from).as_secs_f64();
        let word = match wait.condition {
            Condition::Started => "to start",
            Condition::Healthy => "to be healthy",
            Condition::Completed => "to complete",
            Condition::RunningOrHealthy => "to be ready",
        };
        format!("{} {word} ({waited:.3} s)", wait.on)
    };
    match waits.is_empty() {
        true => String::new(),
        false => format!("  after {}", waits.iter().map(reason).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_container_has_a_line_with_what_it_waited_for() {
        let at = Duration::from_millis;
        let start = |service: &str, from, to| Start {
            service: service.into(),
            container: format!("shop-{service}-1"),
            from: at(from),
            to: at(to),
        };
        let wait = Wait {
            service: "web".into(),
            on: "db".into(),
            condition: Condition::Healthy,
            from: at(100),
            to: at(900),
        };
        let timeline = Timeline {
            begun: Instant::now(),
            waits: vec![wait],
            starts: vec![start("web", 900, 1000), start("db", 0, 100)],
        };
        let lines = timeline.lines(10);
        assert_eq!(lines[0], "shop-db-1   █              0.000 s + 0.100 s");
        assert_eq!(
            lines[1],
            "shop-web-1   ········█     0.900 s + 0.100 s  after db to be healthy (0.800 s)"
        );
    }
}
