//! Starting, ending, changing and removing a container.

use std::time::SystemTime;

use hull_docker::filters::prune::{PruneFilters, Pruned};
use hull_docker::wire::container::PruneResponse;
use hull_docker::wire::host_config::HostConfig;
use hull_engine::{Ended, Error};

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;
use crate::version::ApiVersion;

/// `POST /containers/{name}/start`.
pub fn start(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    // dockerd's rule and text: some clients send `null` or `{}`.
    if exchange.head().has_body_beyond(7) {
        return Err(Failure::invalid(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
        ));
    }
    if exchange.query().text("checkpoint").is_some() {
        return Err(Failure::invalid("checkpoint is only supported in experimental mode"));
    }
    let is_new = api.engine.start_detached(exchange.parameter("name"))?;
    exchange.empty(if is_new { 204 } else { 304 })
}

/// `POST /containers/{name}/stop`.
pub fn stop(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let names = [exchange.parameter("name").to_owned()];
    let mut outcome = Ok(Ended::NotRunning);
    let timeout = timeout(exchange)?;
    api.engine.stop(&names, signal(exchange), timeout, &mut |_, ended| outcome = ended);
    exchange.empty(if outcome? == Ended::NotRunning { 304 } else { 204 })
}

/// `POST /containers/{name}/restart`.
pub fn restart(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let names = [exchange.parameter("name").to_owned()];
    let mut outcome = Ok(());
    let timeout = timeout(exchange)?;
    api.engine.restart(&names, signal(exchange), timeout, &mut |_, done| outcome = done);
    outcome?;
    exchange.empty(204)
}

/// The signal that is sent first, which clients can choose since version 1.42.
fn signal<'a>(exchange: &'a Exchange<'_>) -> Option<&'a str> {
    exchange.query().text("signal").filter(|_| exchange.version() >= ApiVersion(42))
}

/// The seconds of `t`. Less than 0 is without a limit.
fn timeout(exchange: &Exchange<'_>) -> Result<Option<u32>> {
    let seconds = exchange.query().number("t")?;
    Ok(seconds.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)))
}

/// `POST /containers/{name}/kill`.
pub fn kill(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let names = [exchange.parameter("name").to_owned()];
    let mut outcome = Ok(());
    let signal = exchange.query().text("signal").unwrap_or("KILL");
    api.engine.kill(&names, signal, &mut |_, done| outcome = done);
    outcome.map_err(|error| before(&format!("cannot kill container: {}: ", names[0]), error.into()))?;
    exchange.empty(204)
}

/// The failure with more before its message.
fn before(text: &str, failure: Failure) -> Failure {
    Failure { message: format!("{text}{}", failure.message), ..failure }
}

/// `POST /containers/{name}/pause`.
pub fn pause(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    api.engine.pause(exchange.parameter("name"))?;
    exchange.empty(204)
}

/// `POST /containers/{name}/unpause`.
pub fn unpause(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    api.engine.unpause(exchange.parameter("name"))?;
    exchange.empty(204)
}

/// `POST /containers/{name}/rename`.
pub fn rename(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let Some(new) = exchange.query().text("name") else {
        return Err(Failure::invalid("Neither old nor new names may be empty"));
    };
    let renamed = api.engine.rename(exchange.parameter("name"), new.strip_prefix('/').unwrap_or(new));
    match renamed {
        Err(Error::Invalid { what, why }) if what == "name" => return Err(Failure::invalid(why)),
        Err(error @ Error::Storage(_)) => {
            return Err(before("Error when allocating new name: ", error.into()));
        }
        renamed => renamed?,
    }
    exchange.empty(204)
}

/// `POST /containers/{name}/update`.
pub fn update(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let request = updatable(exchange.read_json()?, exchange.version());
    let response = api.engine.update(exchange.parameter("name"), &request)?;
    exchange.json(200, &response)
}

/// The keys that dockerd reads: limits and the restart policy. All others are unknown to it here.
fn updatable(asked: HostConfig, version: ApiVersion) -> HostConfig {
    HostConfig {
        restart_policy: asked.restart_policy,
        cpu_shares: asked.cpu_shares,
        memory: asked.memory,
        nano_cpus: asked.nano_cpus,
        cgroup_parent: asked.cgroup_parent,
        blkio_weight: asked.blkio_weight,
        blkio_weight_device: asked.blkio_weight_device,
        blkio_device_read_bps: asked.blkio_device_read_bps,
        blkio_device_write_bps: asked.blkio_device_write_bps,
        blkio_device_read_iops: asked.blkio_device_read_iops,
        blkio_device_write_iops: asked.blkio_device_write_iops,
        cpu_period: asked.cpu_period,
        cpu_quota: asked.cpu_quota,
        cpu_realtime_period: asked.cpu_realtime_period,
        cpu_realtime_runtime: asked.cpu_realtime_runtime,
        cpuset_cpus: asked.cpuset_cpus,
        cpuset_mems: asked.cpuset_mems,
        devices: asked.devices,
        device_cgroup_rules: asked.device_cgroup_rules,
        device_requests: asked.device_requests,
        memory_reservation: asked.memory_reservation,
        memory_swap: asked.memory_swap,
        memory_swappiness: asked.memory_swappiness,
        oom_kill_disable: asked.oom_kill_disable.filter(|is_set| *is_set),
        // Any number that is not above 0 ends the limit.
        pids_limit: asked.pids_limit.filter(|_| version >= ApiVersion(40)).map(|limit| limit.max(0)),
        ulimits: asked.ulimits,
        ..HostConfig::default()
    }
}

/// `DELETE /containers/{name}`.
pub fn delete(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    let (force, volumes) = (query.flag("force"), query.flag("v"));
    if query.flag("link") {
        api.engine.resolve(exchange.parameter("name"))?;
        return Err(Failure::new(500, "Conflict, cannot remove the default link name of the container"));
    }
    api.engine.remove(exchange.parameter("name"), force, volumes)?;
    exchange.empty(204)
}

/// `POST /containers/prune`.
pub fn prune(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let texts = exchange.query().filters()?;
    let filters = PruneFilters::parse(&texts, Pruned::Plain, SystemTime::now())?;
    let pruned = api.engine.prune_containers(&|one| filters.fit(&one.labels, Some(one.created)))?;
    if pruned.containers.is_empty() {
        pruned.errors.into_result()?;
    }
    exchange
        .json(200, &PruneResponse { containers_deleted: pruned.containers, space_reclaimed: pruned.bytes })
}

#[test]
fn what_is_no_limit_is_unknown_to_an_update() {
    let asked = HostConfig {
        memory: 1,
        privileged: true,
        oom_kill_disable: Some(false),
        pids_limit: Some(-1),
        ..HostConfig::default()
    };
    let expected = HostConfig { memory: 1, pids_limit: Some(0), ..HostConfig::default() };
    assert_eq!(updatable(asked.clone(), ApiVersion(51)), expected);
    assert_eq!(updatable(asked, ApiVersion(39)).pids_limit, None);
}
