//! Limits and devices. What `deploy.resources` says wins over the service's own keys.

use hull_composefile::model::{self, Service};
use hull_docker::wire::host_config::{
    Device, DeviceRequest, HostConfig, ThrottleDevice, Ulimit, WeightDevice,
};

pub fn apply(service: &Service, host: &mut HostConfig) {
    host.cgroup_parent = service.cgroup_parent.clone();
    host.memory = service.mem_limit.0;
    host.memory_swap = service.memswap_limit.0;
    host.memory_swappiness = Some(service.mem_swappiness.0).filter(|percent| *percent != 0);
    host.memory_reservation = service.mem_reservation.0;
    host.oom_kill_disable = Some(service.oom_kill_disable);
    host.cpu_count = service.cpu_count;
    host.cpu_period = service.cpu_period;
    host.cpu_quota = service.cpu_quota;
    host.cpu_realtime_period = service.cpu_rt_period;
    host.cpu_realtime_runtime = service.cpu_rt_runtime;
    host.cpu_shares = service.cpu_shares;
    host.nano_cpus = nano_cpus(service.cpus);
    host.cpu_percent = (service.cpu_percent * 100.0) as i64;
    host.cpuset_cpus = service.cpuset.clone();
    host.device_cgroup_rules = service.device_cgroup_rules.clone();
    host.pids_limit = Some(service.pids_limit).filter(|limit| *limit != 0);
    if let Some(block) = &service.blkio_config {
        block_io(block, host);
    }
    if let Some(deploy) = &service.deploy {
        deployed(&deploy.resources, host);
    }
    devices(service, host);
    host.ulimits = ulimits(&service.ulimits);
}

/// Go's arithmetic: the number of CPUs has single precision.
fn nano_cpus(cpus: f32) -> i64 {
    (cpus * 1e9) as i64
}

fn block_io(block: &model::BlkioConfig, host: &mut HostConfig) {
    let rates = |devices: &[model::ThrottleDevice]| {
        devices.iter().map(|one| ThrottleDevice { path: one.path.clone(), rate: one.rate.0 as u64 }).collect()
    };
    host.blkio_weight = block.weight;
    let weight = |one: &model::WeightDevice| WeightDevice { path: one.path.clone(), weight: one.weight };
    host.blkio_weight_device = block.weight_device.iter().map(weight).collect();
    host.blkio_device_read_bps = rates(&block.device_read_bps);
    host.blkio_device_read_iops = rates(&block.device_read_iops);
    host.blkio_device_write_bps = rates(&block.device_write_bps);
    host.blkio_device_write_iops = rates(&block.device_write_iops);
}

/// CPUs cannot be reserved on one machine, and a number of processes can only be limited.
fn deployed(resources: &model::Resources, host: &mut HostConfig) {
    if let Some(limits) = &resources.limits {
        if limits.memory.0 != 0 {
            host.memory = limits.memory.0;
        }
        if limits.cpus.0 != 0.0 {
            host.nano_cpus = nano_cpus(limits.cpus.0);
        }
        if limits.pids > 0 {
            host.pids_limit = Some(limits.pids);
        }
    }
    if let Some(reserved) = &resources.reservations {
        if reserved.memory.0 != 0 {
            host.memory_reservation = reserved.memory.0;
        }
        host.device_requests.extend(reserved.devices.iter().map(|device| request(device, None)));
    }
}

fn request(device: &model::DeviceRequest, further: Option<&str>) -> DeviceRequest {
    let capabilities = device.capabilities.iter().cloned().chain(further.map(str::to_owned)).collect();
    DeviceRequest {
        driver: device.driver.clone(),
        count: device.count.0,
        device_ids: device.ids.clone(),
        capabilities: vec![capabilities],
        options: Some(device.options.0.clone()).filter(|options| !options.is_empty()),
    }
}

fn devices(service: &Service, host: &mut HostConfig) {
    let (by_name, nodes): (Vec<_>, Vec<_>) = service.devices.iter().partition(|device| {
        device.source == device.target && hull_docker::flags::cdi::is_name(&device.source)
    });
    let node = |device: &model::DeviceMapping| Device {
        path_on_host: device.source.clone(),
        path_in_container: device.target.clone(),
        cgroup_permissions: device.permissions.clone(),
    };
    host.devices = nodes.into_iter().map(node).collect();
    if !by_name.is_empty() {
        let names = by_name.into_iter().map(|device| device.source.clone()).collect();
        host.device_requests.push(hull_docker::flags::cdi::request(names));
    }
    host.device_requests.extend(service.gpus.iter().map(|gpu| request(gpu, Some("gpu"))));
}

pub fn ulimits(limits: &std::collections::BTreeMap<String, model::Ulimit>) -> Vec<Ulimit> {
    let or_single = |value: i64, single: i64| if value == 0 { single } else { value };
    let limit = |(name, limit): (&String, &model::Ulimit)| Ulimit {
        name: name.clone(),
        hard: or_single(limit.hard, limit.single),
        soft: or_single(limit.soft, limit.single),
    };
    limits.iter().map(limit).collect()
}
