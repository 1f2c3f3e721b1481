//! `info` and `version`.

use anyhow::{Result, bail};
use hull_engine::Engine;
use serde_json::json;

use super::watched::Watched;
use crate::cli::lxc::instance::Info;
use crate::commands::instances::{bytes, moment};
use crate::persona::Persona;
use crate::ui::{grid, output};

pub fn version() -> Result<u8> {
    let (lxd, hull) = (Persona::Lxc.version(), Persona::Hull.version());
    output::text(&format!("Client version: {lxd}\nServer version: {lxd} (hull {hull})\n"))?;
    Ok(0)
}

pub fn info(engine: &Engine, args: &Info) -> Result<u8> {
    if args.resources {
        bail!("hull does not list the hardware of this machine: lscpu, lsblk, lspci and ip link do");
    }
    match args.name.as_deref() {
        None if args.show_log => bail!("--show-log is about an instance: lxc info --show-log INSTANCE"),
        Some(name) => instance(engine, name, args.show_log),
        None => machine(engine),
    }
}

fn instance(engine: &Engine, name: &str, show_log: bool) -> Result<u8> {
    let watched = Watched::of(engine, name)?;
    let summary = &watched.summary;
    let mut text = format!(
        "Name: {}\nStatus: {}\nType: container\nArchitecture: {}\n",
        summary.name,
        watched.state(),
        std::env::consts::ARCH
    );
    if let Some(pid) = summary.init() {
        text.push_str(&format!("PID: {pid}\n"));
    }
    text.push_str(&format!("Created: {}\n", moment(summary.created)));
    if let Some(started) = summary.started {
        text.push_str(&format!("Last Used: {}\n", moment(started)));
    }
    text.push_str(&resources(&watched));
    text.push_str(&snapshots(engine, name)?);
    output::text(&text)?;
    if show_log {
        output::text("\nLog:\n\n")?;
        crate::commands::logs::all(engine, name)?;
    }
    Ok(0)
}

fn snapshots(engine: &Engine, name: &str) -> Result<String> {
    let taken = engine.snapshots(name)?;
    if taken.is_empty() {
        return Ok(String::new());
    }
    let rows = taken.iter().map(|one| {
        let expires = one.expires.map(|expires| moment(expires.0)).unwrap_or_default();
        vec![one.name.clone(), moment(one.created.0), expires, "NO".to_owned()]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let titles = ["NAME", "TAKEN AT", "EXPIRES AT", "STATEFUL"].map(str::to_owned).into();
    Ok(format!("\nSnapshots:\n{}", grid::text("table", titles, &rows).unwrap_or_default()))
}

fn resources(watched: &Watched) -> String {
    let Some(usage) = &watched.usage else { return String::new() };
    let mut text = format!(
        "\nResources:\n  Processes: {}\n  CPU usage:\n    CPU usage (in seconds): {}\n  Memory usage:\n    Memory (current): {}\n",
        usage.pids_stats.current,
        usage.cpu_stats.cpu_usage.total_usage / 1_000_000_000,
        bytes(usage.memory_stats.usage),
    );
    if usage.memory_stats.max_usage > 0 {
        text.push_str(&format!("    Memory (peak): {}\n", bytes(usage.memory_stats.max_usage)));
    }
    if !usage.networks.is_empty() {
        text.push_str("  Network usage:\n");
    }
    for (interface, counters) in &usage.networks {
        text.push_str(&format!(
            "    {interface}:\n      Bytes received: {}\n      Bytes sent: {}\n      Packets received: {}\n      Packets sent: {}\n",
            bytes(counters.rx_bytes), bytes(counters.tx_bytes), counters.rx_packets, counters.tx_packets
        ));
        let addresses = watched.summary.addresses().filter(|(name, _)| name == interface);
        let addresses = addresses.map(|(_, address)| {
            let family = if address.is_ipv6() { "inet6:" } else { "inet: " };
            format!("        {family} {address} (global)\n")
        });
        let addresses: String = addresses.collect();
        if !addresses.is_empty() {
            text.push_str(&format!("      IP addresses:\n{addresses}"));
        }
    }
    text
}

/// The part of LXD's description of its server that is about the machine.
fn machine(engine: &Engine) -> Result<u8> {
    let info = engine.info()?;
    let environment = json!({
        "config": {},
        "api_status": "stable",
        "api_version": "1.0",
        "auth": "trusted",
        "environment": {
            "architectures": [std::env::consts::ARCH],
            "driver": "hull",
            "driver_version": Persona::Hull.version(),
            "kernel": "Linux",
            "kernel_architecture": std::env::consts::ARCH,
            "kernel_version": info.kernel_version,
            "os_name": info.operating_system,
            "project": "default",
            "server": "hull",
            "server_clustered": false,
            "server_name": info.name,
            "server_version": Persona::Hull.version(),
        },
    });
    output::text(&hull_lxd::yaml::write(&environment))?;
    Ok(0)
}
