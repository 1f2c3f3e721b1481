//! `deploy`: replicas, limits and reservations, and what only a cluster has.

use super::device::DeviceRequest;
use super::mapping::Labels;
use super::object::object;
use super::quantity::{Duration, NanoCpus, UnitBytes};

object! {
    pub struct Deploy {
        mode: String = "mode",
        replicas: Option<i64> = "replicas",
        labels: Labels = "labels",
        update_config: Option<UpdateConfig> = "update_config",
        rollback_config: Option<UpdateConfig> = "rollback_config",
        resources: Resources = "resources",
        restart_policy: Option<RestartPolicy> = "restart_policy",
        placement: Placement = "placement",
        endpoint_mode: String = "endpoint_mode",
    }
}

object! {
    pub struct UpdateConfig {
        parallelism: Option<u64> = "parallelism",
        delay: Duration = "delay",
        failure_action: String = "failure_action",
        monitor: Duration = "monitor",
        max_failure_ratio: f32 = "max_failure_ratio",
        order: String = "order",
    }
}

object! {
    pub struct Resources {
        limits: Option<Resource> = "limits",
        reservations: Option<Resource> = "reservations",
    }
}

object! {
    pub struct Resource {
        cpus: NanoCpus = "cpus",
        memory: UnitBytes = "memory",
        pids: i64 = "pids",
        devices: Vec<DeviceRequest> = "devices",
        generic_resources: Vec<GenericResource> = "generic_resources",
    }
}

object! {
    pub struct GenericResource {
        discrete_resource_spec: Option<DiscreteGenericResource> = "discrete_resource_spec",
    }
}

object! {
    pub struct DiscreteGenericResource {
        kind: String = "kind" always,
        value: i64 = "value" always,
    }
}

object! {
    pub struct RestartPolicy {
        condition: String = "condition",
        delay: Option<Duration> = "delay",
        max_attempts: Option<u64> = "max_attempts",
        window: Option<Duration> = "window",
    }
}

object! {
    pub struct Placement {
        constraints: Vec<String> = "constraints",
        preferences: Vec<PlacementPreference> = "preferences",
        max_replicas: u64 = "max_replicas_per_node",
    }
}

object! {
    pub struct PlacementPreference {
        spread: String = "spread",
    }
}
