//! Networks and volumes.

use std::net::IpAddr;

use hull_docker::flags::local_driver;
use hull_docker::flags::network::Attachment;
use hull_docker::wire::network::{ConnectRequest, CreateRequest as NetworkRequest};
use hull_docker::wire::volume::CreateRequest as VolumeRequest;
use hull_network::subnet::Subnet;

use super::{networks, non_empty, refuse};
use crate::error::{Error, Result};
use crate::net::NetworkOptions;
use crate::records::options::NetworkOption;
use crate::volumes::VolumeOptions;

impl TryFrom<NetworkRequest> for NetworkOptions {
    type Error = Error;

    fn try_from(request: NetworkRequest) -> Result<Self> {
        refuse(&[
            (!["", "local"].contains(&&*request.scope), "Scope"),
            (request.enable_ipv4 == Some(false), "EnableIPv4"),
            (!["", "default"].contains(&&*request.ipam.driver), "IPAM.Driver"),
            (request.ingress, "Ingress"),
            (request.config_only, "ConfigOnly"),
            (!request.config_from.network.is_empty(), "ConfigFrom"),
        ])?;
        let mut options = Self {
            name: request.name,
            driver: non_empty(request.driver),
            internal: request.internal,
            attachable: request.attachable,
            ipam_options: request.ipam.options,
            ipv6: request.enable_ipv6.unwrap_or(false),
            labels: request.labels,
            options: request.options,
            ..Self::default()
        };
        for config in request.ipam.config {
            let subnet = |text: String| text.parse::<Subnet>();
            options.subnets.extend(non_empty(config.subnet).map(subnet).transpose()?);
            options.ranges.extend(non_empty(config.ip_range).map(subnet).transpose()?);
            let gateway = |text: String| {
                text.parse::<IpAddr>()
                    .map_err(|_| super::invalid(format!("gateway {text:?}"), "it is no IP address"))
            };
            options.gateways.extend(non_empty(config.gateway).map(gateway).transpose()?);
            for (name, text) in config.auxiliary_addresses {
                let address = text.parse::<IpAddr>().map_err(|_| {
                    super::invalid(format!("auxiliary address {name}={text}"), "it is no IP address")
                })?;
                options.reserved.push((name, address));
            }
        }
        Ok(options)
    }
}

/// The network's name is not in the request's body.
impl TryFrom<(&str, &ConnectRequest)> for NetworkOption {
    type Error = Error;

    fn try_from((network, request): (&str, &ConnectRequest)) -> Result<Self> {
        refuse(&[(!request.endpoint_config.links.is_empty(), "Links")])?;
        let asked = Attachment::of(network, &request.endpoint_config);
        networks::option(asked.map_err(|why| super::invalid(format!("network {network}"), why))?)
    }
}

impl TryFrom<VolumeRequest> for VolumeOptions {
    type Error = Error;

    fn try_from(request: VolumeRequest) -> Result<Self> {
        let invalid = |why| super::invalid("volume", why);
        local_driver::check_name(&request.driver).map_err(invalid)?;
        local_driver::parse(&request.driver_opts).map_err(invalid)?;
        Ok(Self {
            name: non_empty(request.name),
            labels: request.labels,
            driver_options: request.driver_opts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hull_docker::wire::network::{Ipam, IpamConfig};

    #[test]
    fn a_network_has_its_subnets_ranges_and_gateways() {
        let config =
            IpamConfig { subnet: "10.1.0.0/16".into(), gateway: "10.1.0.9".into(), ..IpamConfig::default() };
        let ipam = Ipam { config: vec![config], ..Ipam::default() };
        let request = NetworkRequest { name: "mine".into(), ipam, ..NetworkRequest::default() };
        let options = NetworkOptions::try_from(request.clone()).unwrap();
        assert_eq!((options.subnets.len(), options.gateways.len(), options.ranges.len()), (1, 1, 0));
        for wrong in ["x", "10.1.0.0/99"] {
            let mut request = request.clone();
            request.ipam.config[0].subnet = wrong.into();
            assert!(NetworkOptions::try_from(request).is_err(), "{wrong}");
        }
        assert!(NetworkOptions::try_from(NetworkRequest { ingress: true, ..request }).is_err());
    }

    #[test]
    fn links_belong_to_a_new_container() {
        let mut request = ConnectRequest { container: "web".into(), ..ConnectRequest::default() };
        assert_eq!(NetworkOption::try_from(("mine", &request)).unwrap().network, "mine");
        request.endpoint_config.links.push("db:database".into());
        assert!(NetworkOption::try_from(("mine", &request)).unwrap_err().to_string().contains("Links"));
    }

    #[test]
    fn a_volume_has_no_driver_but_local() {
        let request = VolumeRequest { driver: "nfs".into(), ..VolumeRequest::default() };
        assert!(VolumeOptions::try_from(request).unwrap_err().to_string().contains("nfs"));
        assert_eq!(VolumeOptions::try_from(VolumeRequest::default()).unwrap().name, None);
    }
}
