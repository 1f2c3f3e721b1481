//! Health checks, hooks, dependencies and what `watch` does.

use super::command::{HealthCheckTest, ShellCommand};
use super::mapping::{MappingWithEquals, MultiOptions};
use super::object::object;
use super::quantity::Duration;

object! {
    pub struct HealthCheck {
        test: HealthCheckTest = "test",
        timeout: Option<Duration> = "timeout",
        interval: Option<Duration> = "interval",
        retries: Option<u64> = "retries",
        start_period: Option<Duration> = "start_period",
        start_interval: Option<Duration> = "start_interval",
        disable: bool = "disable",
    }
}

object! {
    /// A command that runs in a container after its start or before its stop.
    pub struct Hook {
        command: ShellCommand = "command",
        user: String = "user",
        privileged: bool = "privileged",
        working_dir: String = "working_dir",
        environment: MappingWithEquals = "environment",
    }
}

object! {
    /// A service that has to be started, healthy or completed before.
    pub struct Dependency {
        condition: String = "condition",
        restart: bool = "restart",
        required: bool = "required" always,
    }
}

object! {
    pub struct Extends without_extensions {
        file: String = "file",
        service: String = "service",
    }
}

object! {
    pub struct Develop {
        watch: Vec<Trigger> = "watch",
    }
}

object! {
    /// What happens when a file below `path` changes.
    pub struct Trigger {
        path: String = "path" always,
        action: String = "action" always,
        target: String = "target",
        exec: Hook = "exec",
        include: Vec<String> = "include",
        ignore: Vec<String> = "ignore",
        initial_sync: bool = "initial_sync",
    }
}

object! {
    /// A service that a program provides rather than a container.
    pub struct Provider {
        kind: String = "type",
        options: MultiOptions = "options",
    }
}

object! {
    /// A model that a model runner serves.
    pub struct Model {
        name: String = "name",
        model: String = "model",
        context_size: i64 = "context_size",
        runtime_flags: Vec<String> = "runtime_flags",
    }
}

object! {
    pub struct ServiceModel {
        endpoint_variable: String = "endpoint_var",
        model_variable: String = "model_var",
    }
}
