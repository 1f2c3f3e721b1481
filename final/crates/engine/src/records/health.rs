//! Health checks: what is checked, and `health.json`, the results.
//!
//! The process that makes a check replaces the file whole, in the run root, so that other commands read it without asking
//! the monitor. Its results stay when the container ends: then the file moves to the container's directory.

use std::time::Duration;

use hull_docker::wire::config::Healthcheck;
use hull_image::config::Healthcheck as ImageHealthcheck;
use hull_storage::root::Root;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::records::options::{CreateOptions, OnFailure};
use crate::records::record::Record;
use crate::records::state::Status;
use crate::records::time::Timestamp;

/// How many results docker keeps.
const KEPT: usize = 5;

const FILE: &str = "health.json";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    Starting,
    Healthy,
    Unhealthy,
}

impl HealthStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// The check of a new container: docker takes from the image what the command line leaves out.
pub(crate) fn merge(
    image: Option<&ImageHealthcheck>,
    options: &CreateOptions,
) -> Result<Option<Healthcheck>> {
    let merged = match (options.healthcheck.clone(), image) {
        (asked, None) => asked,
        (asked, Some(image)) => {
            let asked = asked.unwrap_or_default();
            let or = |asked: Option<i64>, image| asked.or(image).filter(|number| *number != 0);
            Some(Healthcheck {
                test: if asked.test.is_empty() { image.test.clone() } else { asked.test },
                interval: or(asked.interval, image.interval),
                timeout: or(asked.timeout, image.timeout),
                start_period: or(asked.start_period, image.start_period),
                start_interval: or(asked.start_interval, image.start_interval),
                retries: or(asked.retries, image.retries),
            })
        }
    };
    let has_check = merged.as_ref().is_some_and(is_check);
    if options.health_on_failure != OnFailure::None && !has_check {
        let why = "the container has no health check".into();
        return Err(Error::Invalid { what: "--health-on-failure".into(), why });
    }
    Ok(merged)
}

/// A container's check, with docker's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub command: Vec<String>,
    pub interval: Duration,
    pub timeout: Duration,
    pub start_period: Duration,
    pub start_interval: Duration,
    pub retries: u32,
}

impl Check {
    /// `None` for a container without a check.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        Self::from_docker(record.healthcheck.as_ref()?)
    }

    fn from_docker(check: &Healthcheck) -> Option<Self> {
        let (kind, words) = check.test.split_first()?;
        let command = match kind.as_str() {
            "CMD" => words.to_vec(),
            "CMD-SHELL" => [&["/bin/sh".to_owned(), "-c".to_owned()], words].concat(),
            _ => return None,
        };
        let duration = |nanoseconds: Option<i64>, default| match nanoseconds.map(u64::try_from) {
            Some(Ok(nanoseconds)) if nanoseconds > 0 => Duration::from_nanos(nanoseconds),
            _ => Duration::from_secs(default),
        };
        Some(Self {
            command,
            interval: duration(check.interval, 30),
            timeout: duration(check.timeout, 30),
            start_period: duration(check.start_period, 0),
            start_interval: duration(check.start_interval, 5),
            retries: check.retries.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(3),
        })
    }
}

/// Whether docker's value asks for checks at all.
pub(crate) fn is_check(check: &Healthcheck) -> bool {
    check.test.first().is_some_and(|kind| kind == "CMD" || kind == "CMD-SHELL")
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CheckResult {
    pub start: Timestamp,
    pub end: Timestamp,
    /// -1 if the check could not be made, or took too long.
    pub exit_code: i32,
    pub output: String,
}

/// `health.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Health {
    pub format: u32,
    /// When the run began to which the status belongs. A later run begins as `starting`, and keeps only the results.
    pub run: Option<Timestamp>,
    pub status: HealthStatus,
    pub failing_streak: u32,
    /// The last results, the oldest first.
    pub log: Vec<CheckResult>,
}

impl Health {
    /// The health in the run that began at `run`.
    pub(crate) fn load(root: &Root, id: &str, run: Option<Timestamp>) -> Result<Self> {
        let kept = match hull_storage::file::read_json(&root.container_run_dir(id).join(FILE))? {
            Some(kept) => Some(kept),
            None => hull_storage::file::read_json::<Self>(&root.container_dir(id).join(FILE))?,
        };
        let of_run = |kept: &Self| run.is_some() && kept.run == run;
        Ok(match kept {
            Some(kept) if of_run(&kept) => kept,
            kept => Self {
                format: Record::FORMAT,
                run,
                status: HealthStatus::Starting,
                failing_streak: 0,
                log: kept.map(|kept| kept.log).unwrap_or_default(),
            },
        })
    }

    pub(crate) fn store(&self, root: &Root, id: &str) -> Result<()> {
        Ok(hull_storage::file::write_json_atomic(&root.container_run_dir(id).join(FILE), self)?)
    }

    /// Adds a result and decides what follows from it, by docker's rules.
    pub(crate) fn add(&mut self, check: &Check, result: CheckResult) {
        if result.exit_code == 0 {
            self.failing_streak = 0;
            self.status = HealthStatus::Healthy;
        } else if self.status != HealthStatus::Starting || !self.in_start_period(check, result.start) {
            self.failing_streak = self.failing_streak.saturating_add(1);
            if self.failing_streak >= check.retries {
                self.status = HealthStatus::Unhealthy;
            }
        }
        self.log.push(result);
        self.log.drain(..self.log.len().saturating_sub(KEPT));
    }

    fn in_start_period(&self, check: &Check, start: Timestamp) -> bool {
        let since = self.run.and_then(|run| start.0.duration_since(run.0).ok()).unwrap_or_default();
        since < check.start_period
    }
}

/// The part of `health.json` that a listing needs.
#[derive(Deserialize)]
struct Head {
    run: Option<Timestamp>,
    status: HealthStatus,
}

/// The status of a container that has a check. docker calls one unhealthy that no longer runs, or is paused.
pub(crate) fn status(root: &Root, id: &str, status: Status, run: Option<Timestamp>) -> Option<HealthStatus> {
    match status {
        Status::Created => None,
        Status::Running => {
            let head = hull_storage::file::read_json::<Head>(&root.container_run_dir(id).join(FILE));
            let head = head.ok().flatten().filter(|head| head.run == run);
            Some(head.map_or(HealthStatus::Starting, |head| head.status))
        }
        _ => Some(HealthStatus::Unhealthy),
    }
}

/// Keeps the results past the end of the container: its directory in the run root is about to be removed.
pub(crate) fn keep(root: &Root, id: &str) -> Result<()> {
    let path = root.container_run_dir(id).join(FILE);
    match hull_storage::file::read_json::<Health>(&path)? {
        Some(health) => {
            Ok(hull_storage::file::write_json_atomic(&root.container_dir(id).join(FILE), &health)?)
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: std::time::SystemTime = std::time::SystemTime::UNIX_EPOCH;

    fn check() -> Check {
        let test = vec!["CMD".into(), "true".into()];
        let start_period = Some(10_000_000_000);
        let asked = Healthcheck { test, retries: Some(2), start_period, ..Healthcheck::default() };
        Check::from_docker(&asked).unwrap()
    }

    fn after(health: &mut Health, seconds: u64, exit_code: i32) -> (HealthStatus, u32) {
        let start = Timestamp(RUN + Duration::from_secs(seconds));
        health.add(&check(), CheckResult { start, end: start, exit_code, output: String::new() });
        (health.status, health.failing_streak)
    }

    fn new() -> Health {
        let (run, status) = (Some(Timestamp(RUN)), HealthStatus::Starting);
        Health { format: 1, run, status, failing_streak: 0, log: vec![] }
    }

    #[test]
    fn failures_in_the_start_period_do_not_count_until_a_success() {
        let mut health = new();
        assert_eq!(after(&mut health, 1, 1), (HealthStatus::Starting, 0));
        assert_eq!(after(&mut health, 9, 1), (HealthStatus::Starting, 0));
        assert_eq!(after(&mut health, 10, 1), (HealthStatus::Starting, 1));
        assert_eq!(after(&mut health, 11, -1), (HealthStatus::Unhealthy, 2));
        assert_eq!(after(&mut health, 12, 0), (HealthStatus::Healthy, 0));
        let mut health = new();
        assert_eq!(after(&mut health, 1, 0), (HealthStatus::Healthy, 0));
        assert_eq!(after(&mut health, 2, 1), (HealthStatus::Healthy, 1));
        assert_eq!(after(&mut health, 3, 1), (HealthStatus::Unhealthy, 2));
    }

    #[test]
    fn the_last_five_results_are_kept() {
        let mut health = new();
        for n in 0..9 {
            after(&mut health, n, n as i32);
        }
        let codes: Vec<_> = health.log.iter().map(|result| result.exit_code).collect();
        assert_eq!(codes, [4, 5, 6, 7, 8]);
    }

    #[test]
    fn the_image_fills_in_what_the_command_line_leaves_out() {
        let image = ImageHealthcheck {
            test: vec!["CMD-SHELL".into(), "true".into()],
            interval: Some(5),
            retries: Some(7),
            ..ImageHealthcheck::default()
        };
        let asked = Healthcheck { interval: Some(9), ..Healthcheck::default() };
        let options = CreateOptions { healthcheck: Some(asked), ..CreateOptions::default() };
        let merged = merge(Some(&image), &options).unwrap().unwrap();
        assert_eq!((merged.interval, merged.retries), (Some(9), Some(7)));
        assert_eq!(merged.test, ["CMD-SHELL", "true"]);
        assert_eq!(Check::from_docker(&merged).unwrap().command, ["/bin/sh", "-c", "true"]);
        let none = Healthcheck { test: vec!["NONE".into()], ..Healthcheck::default() };
        let none = CreateOptions { healthcheck: Some(none), ..CreateOptions::default() };
        assert_eq!(Check::from_docker(&merge(Some(&image), &none).unwrap().unwrap()), None);
        let action = CreateOptions { health_on_failure: OnFailure::Kill, ..none };
        assert!(merge(Some(&image), &action).is_err());
    }
}
