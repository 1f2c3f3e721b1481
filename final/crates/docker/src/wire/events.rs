//! `GET /events`: what has happened to an object.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::nullable;

/// One event, as a line of `docker events --format json`.
///
/// `status`, `id` and `from` repeat what `Action` and `Actor` say. Only events of containers have all three; those of
/// images have the first two, and all others none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Message {
    #[serde(rename = "status", skip_serializing_if = "String::is_empty")]
    pub status: String,
    #[serde(rename = "id", skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(rename = "from", skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// `container`, `image`, `volume`, `network`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// `start`, `die`; for some with an argument: `exec_create: sh -c date`, `health_status: healthy`.
    pub action: String,
    pub actor: Actor,
    /// `local`: the event is of one machine and not of a swarm.
    #[serde(rename = "scope", skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// Seconds since 1970.
    #[serde(rename = "time")]
    pub time: i64,
    /// Nanoseconds since 1970.
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
}

/// The object that an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Actor {
    /// A container's or network's id, a volume's name, an image's id or name; empty for `prune`.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name, a container's image and labels, and what the action adds, such as `exitCode`.
    #[serde(deserialize_with = "nullable::deserialize")]
    pub attributes: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_docker_is_read_and_written_unchanged() {
        for line in [
            r#"{"status":"die","id":"a1","from":"debian","Type":"container","Action":"die","Actor":{"ID":"a1","Attributes":{"exitCode":"3","image":"debian","name":"web"}},"scope":"local","time":1700000000,"timeNano":1700000000000000001}"#,
            r#"{"Type":"volume","Action":"create","Actor":{"ID":"data","Attributes":{"driver":"local"}},"scope":"local","time":1700000000,"timeNano":1700000000000000001}"#,
        ] {
            let message: Message = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&message).unwrap(), line);
        }
    }
}
