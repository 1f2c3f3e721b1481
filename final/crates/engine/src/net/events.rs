//! Events of networks.

use super::endpoint::Endpoint;
use super::record::NetworkRecord;
use super::special::special;
use crate::events::Event;
use crate::records::options::NetworkMode;
use crate::records::record::Record;

/// `create` or `destroy` of a network.
pub(super) fn of_network(network: &NetworkRecord, action: &str) -> Event {
    Event::network(&network.id, &network.name, network.driver().name(), action)
}

/// `connect` or `disconnect` of a container and its networks. As in docker, the host's network and none at all count as
/// networks.
pub(super) fn of_container(record: &Record, endpoints: &[Endpoint], action: &str) -> Vec<Event> {
    let special = match record.options.network {
        NetworkMode::Host => special("host"),
        NetworkMode::None => special("none"),
        _ => None,
    };
    let special = special.map(|network| Event::network(&network.id, &network.name, &network.driver, action));
    let own = endpoints.iter().map(|endpoint| of_network(&endpoint.network, action));
    let all = special.into_iter().chain(own);
    all.map(|event| event.of(record).with("container", &record.id)).collect()
}
