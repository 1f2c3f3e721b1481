//! `network`: the networks over which containers reach each other.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Error, Result, bail};
use hull_docker::time;
use hull_docker::wire::network as wire;
use hull_engine::Engine;
use hull_engine::options::NetworkOption;
use ipnet::IpNet;
use serde::Serialize;

use super::filter::checked;
use super::{each, exists, inspect, network_settings, prune, trace};
use crate::cli::network::{Connect, Create, Disconnect, Expose, List, Network, Prune, Remove};
use crate::ui::list::{self, Columns};
use crate::ui::{human, output};
use hull_docker::filters::network::NetworkFilters;
use hull_docker::filters::prune::Pruned;
use hull_docker::flags::network::{Attachment, link_local};
use hull_docker::flags::{ipam, pairs};

pub fn run(engine: &Engine, verb: &Network) -> Result<u8> {
    match verb {
        Network::Attach(args) => network_settings::attach(engine, args),
        Network::Connect(args) => connect(engine, args),
        Network::Create(args) => create(engine, args),
        Network::Detach(args) => network_settings::detach(engine, args),
        Network::Edit(args) => network_settings::edit(engine, &args.network),
        Network::Get(args) => network_settings::get(engine, &args.network, &args.key),
        Network::ListLeases(args) => network_settings::list_leases(engine, args),
        Network::Set(args) => network_settings::set(engine, &args.network, &args.pairs),
        Network::Show(args) => network_settings::show(engine, &args.network),
        Network::Unset(args) => network_settings::unset(engine, &args.network, &args.key),
        Network::Disconnect(args) => disconnect(engine, args),
        Network::Exists(args) => exists::network(engine, &args.name),
        Network::Expose(args) => expose(engine, args),
        Network::Inspect(args) => {
            inspect::show(&args.names, args.format.as_deref(), |name| Ok(engine.inspect_network(name)?))
        }
        Network::Ls(args) => list(engine, args),
        Network::Prune(args) => prune_networks(engine, args),
        Network::Reload(_) => Ok(engine.reload_networks().map(|()| 0)?),
        Network::Rm(args) => remove(engine, args),
        Network::Trace(args) => trace::run(engine, args),
    }
}

fn create(engine: &Engine, args: &Create) -> Result<u8> {
    if args.ignore && exists::network(engine, &args.name)? == 0 {
        output::line(&args.name)?;
        return Ok(0);
    }
    let subnets: Vec<IpNet> = args.subnet.iter().map(|subnet| IpNet::from(*subnet)).collect();
    let ranges: Vec<IpNet> = args.ip_range.iter().map(|range| IpNet::from(*range)).collect();
    let mut config = ipam::combine(&subnets, &ranges, &args.gateway);
    let auxiliary = pairs::parse("auxiliary address", &args.aux_address).map_err(Error::msg)?;
    ipam::add_auxiliary(&mut config, &subnets, auxiliary).map_err(Error::msg)?;
    let request = wire::CreateRequest {
        name: args.name.clone(),
        driver: args.driver.clone().unwrap_or_default(),
        enable_ipv6: Some(args.ipv6),
        // docker's command line sends them, empty or not.
        ipam: wire::Ipam { config, options: Some(BTreeMap::new()), ..wire::Ipam::default() },
        internal: args.internal,
        attachable: args.attachable,
        options: options(args)?,
        labels: pairs::labels(&[], &args.label).map_err(Error::msg)?,
        ..wire::CreateRequest::default()
    };
    let network = engine.create_network(&request.try_into()?)?;
    output::line(network.id)?;
    Ok(0)
}

fn read_link_local(args: &Connect) -> Result<Vec<IpAddr>> {
    args.link_local_ip.iter().map(|text| link_local(text).map_err(Error::msg)).collect()
}

/// `--parent` is a shorter `-o parent=`, and `--peer` one of several `-o peer=`.
fn options(args: &Create) -> Result<BTreeMap<String, String>> {
    let (peers, others): (Vec<_>, Vec<_>) = args.opt.iter().cloned().partition(|opt| opt.starts_with(PEER));
    let mut options = pairs::parse("network option", &others).map_err(Error::msg)?;
    if let Some(parent) = &args.parent {
        let before = options.insert("parent".into(), parent.clone());
        if before.is_some_and(|before| before != *parent) {
            bail!("--parent and -o parent name two links");
        }
    }
    let peers = peers.iter().filter_map(|opt| opt.strip_prefix(PEER)).map(str::to_owned);
    let peers: Vec<_> = args.peer.iter().map(ToString::to_string).chain(peers).collect();
    if !peers.is_empty() {
        options.insert("peer".into(), peers.join(","));
    }
    Ok(options)
}

const PEER: &str = "peer=";

fn connect(engine: &Engine, args: &Connect) -> Result<u8> {
    let asked = Attachment {
        network: args.network.clone(),
        ip: args.ip,
        ip6: args.ip6,
        link_local: read_link_local(args)?,
        aliases: args.alias.clone(),
        ..Attachment::default()
    };
    let request = wire::ConnectRequest { container: args.container.clone(), endpoint_config: asked.into() };
    let option = NetworkOption::try_from((&*args.network, &request))?;
    engine.connect(&args.container, &option)?;
    Ok(0)
}

fn disconnect(engine: &Engine, args: &Disconnect) -> Result<u8> {
    match engine.disconnect(&args.container, &args.network) {
        Err(hull_engine::Error::NotConnected { .. }) if args.force => Ok(0),
        done => Ok(done.map(|()| 0)?),
    }
}

fn expose(engine: &Engine, args: &Expose) -> Result<u8> {
    let name = match args.remove {
        true => engine.unexpose_network(&args.container)?,
        false => Some(engine.expose_network(&args.container, args.name.as_deref())?),
    };
    name.map_or(Ok(()), output::line)?;
    Ok(0)
}

const COLUMNS: Columns = Columns {
    titles: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("IPv4", "IPV4"),
        ("IPv6", "IPV6"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("CreatedAt", "CREATED AT"),
    ],
    shown: &["ID", "Name", "Driver", "Scope"],
};

fn list(engine: &Engine, args: &List) -> Result<u8> {
    let damaged = engine.damaged_networks()?;
    let damage = damaged.iter().map(|(name, why)| (name.as_str(), Some(why.as_str())));
    super::say_what_is_damaged(damage, "hull network rm");
    let filters = checked(&args.filter, NetworkFilters::parse(&args.filter))?;
    let networks = engine.fitting_networks(&filters)?;
    let id = |network: &wire::Network| match args.no_trunc {
        true => network.id.clone(),
        false => human::short_id(&network.id).to_owned(),
    };
    if args.quiet {
        networks.iter().try_for_each(|network| output::line(id(network)))?;
        return Ok(0);
    }
    let rows: Vec<Row> = networks.into_iter().map(|network| Row::of(id(&network), network)).collect();
    list::print_as(COLUMNS, &rows, args.format.as_deref(), args.noheading)?;
    Ok(0)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    #[serde(rename = "ID")]
    id: String,
    name: String,
    driver: String,
    scope: String,
    #[serde(rename = "IPv4")]
    ipv4: String,
    #[serde(rename = "IPv6")]
    ipv6: String,
    internal: String,
    labels: String,
    created_at: String,
}

impl Row {
    fn of(id: String, network: wire::Network) -> Self {
        Self {
            id,
            name: network.name,
            driver: network.driver,
            scope: network.scope,
            ipv4: network.enable_ipv4.to_string(),
            ipv6: network.enable_ipv6.to_string(),
            internal: network.internal.to_string(),
            labels: human::labels(&network.labels),
            created_at: time::go_of_text(&network.created),
        }
    }
}

fn prune_networks(engine: &Engine, args: &Prune) -> Result<u8> {
    let filters = prune::filters(&args.filter, Pruned::Plain)?;
    let question = "WARNING! This will remove all custom networks not used by at least one container.";
    if !args.force && !output::confirm(question)? {
        return Ok(0);
    }
    let pruned = engine.prune_networks(&|one| filters.fit(&one.labels, Some(one.created.0)))?;
    prune::print("Deleted Networks:", &pruned.networks)?;
    Ok(super::report_unpruned(pruned.errors))
}

fn remove(engine: &Engine, args: &Remove) -> Result<u8> {
    each(&args.names, |name| match engine.remove_network(name) {
        Err(hull_engine::Error::NoSuchNetwork(_)) if args.force => Ok(None),
        removed => {
            removed?;
            Ok(Some(name.into()))
        }
    })
}
