//! A line of the list in docker's words.

use std::time::SystemTime;

use hull_docker::time;
use hull_docker::wire::container::{
    ContainerSummary, HostConfigSummary, NetworkSettingsSummary, PortSummary,
};
use hull_network::ports::Port;

use super::Summary;
use crate::net::{Subject, network_names, networks};
use crate::records::health::HealthStatus;
use crate::records::shown_mounts;
use crate::records::state::Status;

impl Summary {
    /// docker's texts: `Up 5 minutes (Paused)`, `Exited (0) 2 hours ago`.
    pub fn status_text(&self, now: SystemTime) -> String {
        let since = |moment: Option<SystemTime>| {
            moment.map_or("Less than a second".into(), |moment| time::human_since(moment, now))
        };
        let code = self.exit_code.unwrap_or(0);
        if self.damage.is_some() {
            // docker's state for a container that can only be removed.
            return match self.status.is_active() {
                true => format!("Up {} (damaged)", since(self.started)),
                false => "Dead (damaged)".into(),
            };
        }
        match self.status {
            Status::Created => "Created".into(),
            Status::Running => match self.health {
                None => format!("Up {}", since(self.started)),
                Some(HealthStatus::Starting) => format!("Up {} (health: starting)", since(self.started)),
                Some(health) => format!("Up {} ({})", since(self.started), health.as_str()),
            },
            Status::Paused => format!("Up {} (Paused)", since(self.started)),
            Status::Restarting => format!("Restarting ({code}) {} ago", since(self.finished)),
            Status::Exited | Status::Dead => format!("Exited ({code}) {} ago", since(self.finished)),
        }
    }

    /// The line of docker's API, without sizes.
    pub fn describe(&self, now: SystemTime) -> ContainerSummary {
        let options = &self.details.options;
        let subject = Subject {
            id: &self.id,
            name: &self.name,
            mode: &options.network,
            networks: &options.networks,
            links: &options.links,
        };
        let created = self.created.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        ContainerSummary {
            id: self.id.clone(),
            names: vec![format!("/{}", self.name)],
            image: self.image.clone(),
            image_id: self.image_id.clone(),
            command: self.command.clone(),
            created: i64::try_from(created.as_secs()).unwrap_or(i64::MAX),
            ports: self.port_summaries(),
            labels: self.labels.clone(),
            state: self.status.as_str().into(),
            status: self.status_text(now),
            host_config: HostConfigSummary {
                network_mode: network_names(&options.network, &options.networks)
                    .into_iter()
                    .next()
                    .unwrap_or_default(),
                annotations: options.annotations.clone(),
            },
            network_settings: NetworkSettingsSummary {
                networks: networks(&subject, &self.details.endpoints),
            },
            mounts: shown_mounts::points(&self.details.mounts, &options.mounts),
            ..ContainerSummary::default()
        }
    }

    fn port_summaries(&self) -> Vec<PortSummary> {
        let published = self.published.iter().map(|port| PortSummary {
            ip: port.host.ip().to_string(),
            private_port: port.container.number,
            public_port: Some(port.host.port()),
            kind: port.container.transport.name().into(),
        });
        let is_published = |port: &&Port| self.published.iter().any(|one| one.container == **port);
        let only_exposed = self.exposed.iter().filter(|port| !is_published(port));
        let only_exposed = only_exposed.map(|port| PortSummary {
            private_port: port.number,
            kind: port.transport.name().into(),
            ..PortSummary::default()
        });
        published.chain(only_exposed).collect()
    }
}
