//! `GET /containers/{name}/stats`.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use hull_docker::wire::stats::StatsResponse;
use hull_engine::{Error, StatsReader};
use rustix::event::{PollFd, PollFlags, poll};

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;
use crate::version::ApiVersion;

/// Between two readings, from which the share of CPU follows.
const SECOND: Duration = Duration::from_secs(1);

pub fn stats(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    let is_stream = query.flag_or("stream", true);
    let is_one_shot = query.flag("one-shot") && exchange.version() >= ApiVersion(41);
    if is_stream && is_one_shot {
        return Err(Failure::invalid("cannot have stream=true and one-shot=true"));
    }
    let ids = [api.engine.resolve(exchange.parameter("name"))?];
    let mut reader = api.engine.stats_reader()?;
    if is_stream {
        return stream(exchange, &mut reader, &ids);
    }
    if !is_one_shot && is_running(&read(&mut reader, &ids)?) {
        std::thread::sleep(SECOND);
    }
    let stats = read(&mut reader, &ids)?;
    exchange.json(200, &stats)
}

/// Until the client goes, or the container is removed.
fn stream(exchange: &mut Exchange<'_>, reader: &mut StatsReader, ids: &[String]) -> Result<()> {
    let mut stream = exchange.stream(200, "application/json")?;
    loop {
        match read(reader, ids) {
            Ok(stats) => stream.json_line(&stats)?,
            Err(error) if error.is_no_such_container() => return stream.finish(),
            Err(error) => return Err(error.into()),
        }
        if has_gone_within(&stream, SECOND) {
            return Err(Failure::client_gone(std::io::ErrorKind::ConnectionReset.into()));
        }
    }
}

fn read(reader: &mut StatsReader, ids: &[String]) -> hull_engine::Result<StatsResponse> {
    reader.read(ids).pop().unwrap_or_else(|| Err(Error::NoSuchContainer(ids.concat())))
}

fn is_running(stats: &StatsResponse) -> bool {
    stats.cpu_stats.system_cpu_usage != 0
}

/// Whether the client has closed its connection within `limit`.
fn has_gone_within(client: impl AsFd, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(&client, PollFlags::RDHUP)];
        let timeout = left.try_into().ok();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => return false,
            Ok(_) => return true,
            // A signal.
            Err(_) if left.is_zero() => return false,
            Err(_) => {}
        }
    }
}
