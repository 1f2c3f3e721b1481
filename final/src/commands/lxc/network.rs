//! `lxc network`: LXD's words over the same networks as `hull network`.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use hull_docker::wire::network as wire;
use hull_engine::Engine;
use hull_lxd::network::{self, Gateway, Setting};
use ipnet::IpNet;

use super::tables;
use crate::cli::lxc::network::{Create, Network};
use crate::commands::network_settings;
use crate::ui::output;

/// The longest name of a link that Linux accepts.
const LONGEST_LINK: usize = 15;

pub fn run(engine: &Engine, verb: &Network) -> Result<u8> {
    match verb {
        Network::Attach(args) => network_settings::attach(engine, args),
        Network::Create(args) => create(engine, args),
        Network::Delete(args) => {
            engine.remove_network(&args.network)?;
            output::lxds(format!("Network {} deleted", args.network))?;
            Ok(0)
        }
        Network::Detach(args) => network_settings::detach(engine, args),
        Network::Edit(args) => network_settings::edit(engine, &args.network),
        Network::Get(args) => network_settings::get(engine, &args.network, &args.key),
        Network::List(args) => tables::networks(engine, &args.format),
        Network::ListLeases(args) => network_settings::list_leases(engine, args),
        Network::Set(args) => network_settings::set(engine, &args.network, &args.pairs),
        Network::Show(args) => network_settings::show(engine, &args.network),
        Network::Unset(args) => network_settings::unset(engine, &args.network, &args.key),
    }
}

fn create(engine: &Engine, args: &Create) -> Result<u8> {
    let mut request = wire::CreateRequest {
        name: args.name.clone(),
        driver: args.kind.clone(),
        enable_ipv6: Some(false),
        ..wire::CreateRequest::default()
    };
    match args.kind.as_str() {
        // As in LXD, the bridge has the network's name.
        "bridge" if args.name.len() <= LONGEST_LINK => {
            request.options.insert("bridge.name".into(), args.name.clone());
        }
        "bridge" | "macvlan" => {}
        other => bail!("hull has no networks of the type {other:?}: --type is bridge or macvlan"),
    }
    for word in &args.keys {
        let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            bail!("{word:?} is no KEY=VALUE");
        };
        apply(&mut request, key, value)?;
    }
    engine.create_network(&request.try_into()?)?;
    output::lxds(format!("Network {} created", args.name))?;
    Ok(0)
}

fn apply(request: &mut wire::CreateRequest, key: &str, value: &str) -> Result<()> {
    match (key, value) {
        ("parent", _) if request.driver == "macvlan" => put(request, "parent", value),
        // hull chooses a subnet.
        ("ipv4.address", "auto") => Ok(()),
        ("ipv6.address", "auto") => {
            request.enable_ipv6 = Some(true);
            Ok(())
        }
        _ => match network::parse(key, value)? {
            Setting::Address { is_v6: true, gateway: None } => Ok(()),
            Setting::Address { is_v6: false, gateway: None } => {
                bail!("a network of hull has IPv4 addresses: ipv4.address cannot be none")
            }
            Setting::Address { is_v6, gateway: Some(gateway) } => {
                request.enable_ipv6 = Some(is_v6 || request.enable_ipv6 == Some(true));
                address(request, gateway)
            }
            Setting::Nat(nat) => put(request, "bridge.enable_ip_masquerade", &nat.to_string()),
            Setting::Mtu(mtu) => mtu.map_or(Ok(()), |mtu| put(request, "mtu", &mtu.to_string())),
            Setting::User { key, value } => {
                request.labels.insert(key, value);
                Ok(())
            }
        },
    }
}

/// Sets an option of the network. Two keys may set the same option, and must not contradict each other.
fn put(request: &mut wire::CreateRequest, option: &str, value: &str) -> Result<()> {
    let options: &mut BTreeMap<String, String> = &mut request.options;
    match options.insert(option.into(), value.into()) {
        Some(before) if before != value => {
            bail!("two keys say {before:?} and {value:?} of the same: {option} of a network of hull is one")
        }
        _ => Ok(()),
    }
}

fn address(request: &mut wire::CreateRequest, (address, prefix): Gateway) -> Result<()> {
    let subnet = IpNet::new(address, prefix).map_err(|_| anyhow!("invalid prefix /{prefix} of {address}"))?;
    let pool = hull_docker::flags::ipam::combine(&[subnet.trunc()], &[], &[address]);
    request.ipam.config.extend(pool);
    Ok(())
}
