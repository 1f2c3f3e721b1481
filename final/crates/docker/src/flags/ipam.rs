//! `--subnet`, `--ip-range` and `--gateway` of `network create`
//! (<https://docs.docker.com/reference/cli/docker/network/create/#specify-advanced-options>).

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::wire::network::IpamConfig;

/// One entry for each subnet, with the range and the gateway that lie in it. A range or gateway that lies in no subnet,
/// or in one that has another already, becomes a separate entry, which the engine refuses.
pub fn combine(subnets: &[IpNet], ranges: &[IpNet], gateways: &[IpAddr]) -> Vec<IpamConfig> {
    let entry = |subnet: &IpNet| IpamConfig { subnet: subnet.to_string(), ..IpamConfig::default() };
    let mut entries: Vec<IpamConfig> = subnets.iter().map(entry).collect();
    for range in ranges {
        let place = subnets
            .iter()
            .zip(&entries)
            .position(|(subnet, entry)| subnet.contains(range) && entry.ip_range.is_empty());
        entry_at(&mut entries, place).ip_range = range.to_string();
    }
    for gateway in gateways {
        let place = subnets
            .iter()
            .zip(&entries)
            .position(|(subnet, entry)| subnet.contains(gateway) && entry.gateway.is_empty());
        entry_at(&mut entries, place).gateway = gateway.to_string();
    }
    entries
}

/// Adds `--aux-address NAME=ADDRESS` to the entry of the subnet that has the address; each address goes into one.
pub fn add_auxiliary(
    entries: &mut Vec<IpamConfig>,
    subnets: &[IpNet],
    auxiliary: BTreeMap<String, String>,
) -> Result<(), String> {
    for (name, text) in auxiliary {
        let address: IpAddr = text
            .parse()
            .map_err(|_| format!("invalid auxiliary address {name}={text}: it is no IP address"))?;
        let place = subnets.iter().position(|subnet| subnet.contains(&address));
        let place = place.ok_or_else(|| format!("no matching subnet for aux-address {text}"))?;
        entry_at(entries, Some(place)).auxiliary_addresses.insert(name, text);
    }
    Ok(())
}

fn entry_at(entries: &mut Vec<IpamConfig>, place: Option<usize>) -> &mut IpamConfig {
    let place = place.unwrap_or_else(|| {
        entries.push(IpamConfig::default());
        entries.len() - 1
    });
    &mut entries[place]
}

#[test]
fn a_range_and_a_gateway_belong_to_the_subnet_they_lie_in() {
    let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNet>>();
    let entries = combine(
        &nets(&["10.1.0.0/16", "fd00::/64"]),
        &nets(&["fd00::/80"]),
        &["10.1.0.9".parse().unwrap(), "192.0.2.1".parse().unwrap()],
    );
    let texts = |entry: &IpamConfig| [&entry.subnet, &entry.ip_range, &entry.gateway].map(String::clone);
    assert_eq!(texts(&entries[0]), ["10.1.0.0/16", "", "10.1.0.9"]);
    assert_eq!(texts(&entries[1]), ["fd00::/64", "fd00::/80", ""]);
    assert_eq!(texts(&entries[2]), ["", "", "192.0.2.1"]);
}
