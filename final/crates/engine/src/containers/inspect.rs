//! `inspect`: a container in docker's layout of keys.

use serde_json::{Value, json};

use crate::engine::Engine;
use crate::error::Result;
use crate::net::{exposed_ports, network_mode, network_settings, port_bindings};
use crate::records::options::{CreateOptions, LogDriver, NamespaceMode, RestartPolicy, SeccompOption};
use crate::records::record::{MountKind, Record};
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;
use crate::records::time::Timestamp;

/// docker's zero time.
const NEVER: &str = "0001-01-01T00:00:00Z";

impl Engine {
    pub fn inspect(&self, name: &str) -> Result<Value> {
        let record = self.find(name)?;
        let snapshot = self.clear_if_dead(&record, Snapshot::take(self.root(), &record.id)?)?;
        let directory = self.root().container_dir(&record.id);
        let file = |name: &str| directory.join(name).display().to_string();
        let run_dir = self.root().container_run_dir(&record.id);
        let run = |name: &str| run_dir.join(name).display().to_string();
        let etc = |name: &str| run(&format!("etc/{name}"));
        let args = record.process.args();
        Ok(json!({
            "Id": record.id,
            "Created": record.created,
            "Path": args.first(),
            "Args": args.get(1..).unwrap_or_default(),
            "State": state(&snapshot),
            "Image": record.image_id,
            "ResolvConfPath": etc("resolv.conf"),
            "HostnamePath": etc("hostname"),
            "HostsPath": etc("hosts"),
            "LogPath": match record.options.log.driver { LogDriver::JsonFile => file("log"), LogDriver::None => String::new() },
            "Name": format!("/{}", record.name),
            "RestartCount": restart_count(&snapshot),
            "Driver": "overlay2",
            "Platform": "linux",
            "MountLabel": "",
            "ProcessLabel": "",
            "AppArmorProfile": "",
            "ExecIDs": null,
            "HostConfig": host_config(&record),
            "GraphDriver": {
                "Name": "overlay2",
                "Data": {
                    "LowerDir": record.layers.iter().rev().map(|layer| self.root().data().join(layer).display().to_string()).collect::<Vec<_>>().join(":"),
                    "MergedDir": merged_dir(&snapshot).unwrap_or_else(|| run("rootfs")),
                    "UpperDir": file("upper"),
                    "WorkDir": file("work"),
                },
            },
            "Mounts": mounts(&record),
            "Config": config(&record),
            "NetworkSettings": network_settings(self.root(), &record, &snapshot)?,
        }))
    }
}

/// The path by which a script on the host reaches the container's files. The overlay is mounted only in the container's
/// own mount namespace, which `/proc/PID/root` leads into.
fn merged_dir(snapshot: &Snapshot) -> Option<String> {
    snapshot.init_pid().map(|pid| format!("/proc/{pid}/root"))
}

fn state(snapshot: &Snapshot) -> Value {
    let exit = snapshot.exit.clone().unwrap_or_default();
    let active = snapshot.status.is_active();
    // A container that is between two runs shows how the last one ended.
    let has_ended = !active || snapshot.status == Status::Restarting;
    let started = match &snapshot.state {
        Some(state) if active => state.started,
        _ => exit.started,
    };
    let time = |time: Option<Timestamp>| time.map_or(NEVER.into(), |time| time.to_string());
    json!({
        "Status": snapshot.status.as_str(),
        // docker's: also between two runs.
        "Running": active,
        "Paused": snapshot.status == Status::Paused,
        "Restarting": snapshot.status == Status::Restarting,
        "OOMKilled": has_ended && exit.oom_killed,
        "Dead": false,
        "Pid": snapshot.init_pid().unwrap_or(0),
        "ExitCode": if has_ended { exit.code } else { 0 },
        "Error": exit.error.as_str(),
        "StartedAt": time(started),
        "FinishedAt": time(exit.finished),
    })
}

fn restart_count(snapshot: &Snapshot) -> u32 {
    match (&snapshot.state, &snapshot.exit) {
        (Some(state), _) => state.restart_count,
        (None, Some(exit)) => exit.restart_count,
        _ => 0,
    }
}

fn mounts(record: &Record) -> Vec<Value> {
    let mount = |mount: &crate::records::record::MountRecord| {
        let mut value = json!({
            "Type": match mount.kind {
                MountKind::Bind => "bind",
                MountKind::Volume => "volume",
                MountKind::Tmpfs => "tmpfs",
            },
        });
        if let Some(name) = &mount.name {
            value["Name"] = json!(name);
        }
        value["Source"] = json!(mount.source);
        value["Destination"] = json!(mount.destination);
        if mount.kind == MountKind::Volume {
            value["Driver"] = json!("local");
        }
        value["Mode"] = json!(if mount.read_only { "ro" } else { "" });
        value["RW"] = json!(!mount.read_only);
        value["Propagation"] = json!(if mount.kind == MountKind::Bind { "rprivate" } else { "" });
        value
    };
    record.mounts.iter().map(mount).collect()
}

fn config(record: &Record) -> Value {
    let options = &record.options;
    let or_null = |list: &[String]| if list.is_empty() { Value::Null } else { json!(list) };
    json!({
        "Hostname": record.hostname,
        "Domainname": options.domainname.as_deref().unwrap_or(""),
        "User": record.process.user,
        "AttachStdin": options.interactive && !options.detach,
        "AttachStdout": !options.detach,
        "AttachStderr": !options.detach,
        "ExposedPorts": exposed_ports(record),
        "Tty": options.tty,
        "OpenStdin": options.interactive,
        "StdinOnce": options.interactive && !options.detach,
        "Env": record.process.env,
        "Cmd": or_null(&record.process.command),
        "Image": options.image,
        "OnBuild": null,
        "Volumes": null,
        "WorkingDir": record.process.working_dir,
        "Entrypoint": or_null(&record.process.entrypoint),
        "Labels": record.labels,
        "StopSignal": options.stop_signal,
        "StopTimeout": options.stop_timeout,
    })
}

fn host_config(record: &Record) -> Value {
    let options = &record.options;
    let limits = &options.resources;
    let mut config = not_in_hull();
    let own = json!({
        "Binds": binds(record),
        "ContainerIDFile": "",
        "LogConfig": log_config(options),
        "NetworkMode": network_mode(options),
        "PortBindings": port_bindings(record),
        "RestartPolicy": restart_policy(&options.restart),
        "AutoRemove": options.auto_remove,
        "VolumesFrom": options.volumes_from,
        "CapAdd": options.cap_add,
        "CapDrop": options.cap_drop,
        "CgroupnsMode": mode(&options.cgroupns),
        "Dns": options.dns,
        "DnsOptions": options.dns_options,
        "DnsSearch": options.dns_search,
        "ExtraHosts": options.add_hosts,
        "GroupAdd": options.group_add,
        "IpcMode": mode(&options.ipc),
        "OomScoreAdj": options.oom_score_adj.unwrap_or(0),
        "PidMode": host_or_empty(&options.pid),
        "Privileged": options.privileged,
        "PublishAllPorts": options.publish_all,
        "ReadonlyRootfs": options.read_only,
        "SecurityOpt": security_options(options),
        "UTSMode": host_or_empty(&options.uts),
        "ShmSize": options.shm_size.unwrap_or(64 << 20),
        "Sysctls": options.sysctls,
        "Runtime": "hull",
        "CpuShares": limits.cpu_shares.unwrap_or(0),
        "Memory": limits.memory.unwrap_or(0),
        "NanoCpus": limits.nano_cpus.unwrap_or(0),
        "CpuPeriod": limits.cpu_period.unwrap_or(0),
        "CpuQuota": limits.cpu_quota.unwrap_or(0),
        "CpusetCpus": limits.cpuset_cpus.as_deref().unwrap_or(""),
        "CpusetMems": limits.cpuset_mems.as_deref().unwrap_or(""),
        "Devices": options.devices.iter().map(|device| json!({
            "PathOnHost": device.host,
            "PathInContainer": device.container,
            "CgroupPermissions": device.permissions,
        })).collect::<Vec<_>>(),
        "DeviceCgroupRules": options.device_cgroup_rules,
        "MemoryReservation": limits.memory_reservation.unwrap_or(0),
        "MemorySwap": limits.memory_swap.or(limits.memory.map(|limit| limit * 2)).unwrap_or(0),
        "MemorySwappiness": limits.memory_swappiness,
        "OomKillDisable": limits.oom_kill_disable,
        "PidsLimit": limits.pids_limit,
        "Ulimits": options.ulimits.iter().map(|limit| json!({
            "Name": limit.name, "Hard": limit.hard, "Soft": limit.soft,
        })).collect::<Vec<_>>(),
        "Init": options.init,
    });
    if let (Value::Object(config), Value::Object(own)) = (&mut config, own) {
        config.extend(own);
    }
    config
}

/// Fields of docker's `HostConfig` for what hull does not have. Scripts read them, so they are there with the value
/// that docker shows for unset ones.
fn not_in_hull() -> Value {
    json!({
        "BlkioDeviceReadBps": null,
        "BlkioDeviceReadIOps": null,
        "BlkioDeviceWriteBps": null,
        "BlkioDeviceWriteIOps": null,
        "BlkioWeight": 0,
        "BlkioWeightDevice": null,
        "Cgroup": "",
        "CgroupParent": "",
        "ConsoleSize": [0, 0],
        "CpuCount": 0,
        "CpuPercent": 0,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "DeviceRequests": null,
        "IOMaximumBandwidth": 0,
        "IOMaximumIOps": 0,
        "Isolation": "",
        "Links": null,
        "UsernsMode": "",
        "VolumeDriver": "",
    })
}

fn binds(record: &Record) -> Option<Vec<String>> {
    let named = record.mounts.iter().filter(|mount| mount.kind != MountKind::Tmpfs && !mount.anonymous);
    let binds: Vec<String> = named
        .map(|mount| {
            let source = mount.name.clone().unwrap_or_else(|| mount.source.display().to_string());
            let mode = if mount.read_only { ":ro" } else { "" };
            format!("{source}:{}{mode}", mount.destination.display())
        })
        .collect();
    (!binds.is_empty()).then_some(binds)
}

fn log_config(options: &CreateOptions) -> Value {
    let mut config = serde_json::Map::new();
    if let Some(size) = options.log.max_size {
        config.insert("max-size".into(), json!(size.to_string()));
    }
    if let Some(files) = options.log.max_file {
        config.insert("max-file".into(), json!(files.to_string()));
    }
    json!({
        "Type": match options.log.driver { LogDriver::JsonFile => "json-file", LogDriver::None => "none" },
        "Config": config,
    })
}

fn restart_policy(policy: &RestartPolicy) -> Value {
    let (name, count) = match policy {
        RestartPolicy::No => ("no", 0),
        RestartPolicy::Always => ("always", 0),
        RestartPolicy::UnlessStopped => ("unless-stopped", 0),
        RestartPolicy::OnFailure(count) => ("on-failure", *count),
    };
    json!({ "Name": name, "MaximumRetryCount": count })
}

fn security_options(options: &CreateOptions) -> Option<Vec<String>> {
    let mut list = Vec::new();
    if options.no_new_privileges {
        list.push("no-new-privileges".to_owned());
    }
    match &options.seccomp {
        SeccompOption::Default => {}
        SeccompOption::Unconfined => list.push("seccomp=unconfined".into()),
        SeccompOption::Policy(text) => list.push(format!("seccomp={text}")),
    }
    (!list.is_empty()).then_some(list)
}

fn mode(mode: &NamespaceMode) -> String {
    match mode {
        NamespaceMode::Private => "private".into(),
        other => host_or_empty(other),
    }
}

fn host_or_empty(mode: &NamespaceMode) -> String {
    match mode {
        NamespaceMode::Private => String::new(),
        NamespaceMode::Host => "host".into(),
        NamespaceMode::Container(id) => format!("container:{id}"),
    }
}
