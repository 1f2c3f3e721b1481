//! The user namespace of a container: what was asked for, and the ids that it was given.

use hull_docker::flags::userns::{Map, Userns};
use hull_runtime::spec::IdMapping;
use hull_sys::id_map::Ids;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The overflow id (user_namespaces(7)).
const NOBODY: u32 = 65534;

/// `--userns` and its kin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsernsOptions {
    /// `--userns`, in its own syntax; a container in it is named by its id.
    pub mode: String,
    /// `--uidmap` and `--gidmap`.
    pub uids: Vec<IdMapping>,
    pub gids: Vec<IdMapping>,
    /// `--subuidname` and `--subgidname`.
    pub uids_of: Option<String>,
    pub gids_of: Option<String>,
}

impl UsernsOptions {
    /// Whether the container is in the user namespace of the engine itself.
    pub(crate) fn is_host(&self) -> bool {
        matches!(self.mode.as_str(), "" | "host") && !self.has_maps()
    }

    pub(crate) fn has_maps(&self) -> bool {
        !self.uids.is_empty() || !self.gids.is_empty() || self.uids_of.is_some() || self.gids_of.is_some()
    }

    pub(crate) fn mode(&self) -> Result<Userns, String> {
        hull_docker::flags::userns::parse(&self.mode)
    }

    /// The container whose namespace this one joins.
    pub(crate) fn container(&self) -> Option<&str> {
        self.mode.strip_prefix("container:")
    }
}

/// The ids of a container with a user namespace of its own: lines of `uid_map` and `gid_map` (user_namespaces(7)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMaps {
    pub uids: Vec<IdMapping>,
    pub gids: Vec<IdMapping>,
}

impl IdMaps {
    pub(crate) fn of(&self, ids: Ids) -> &[IdMapping] {
        match ids {
            Ids::Users => &self.uids,
            Ids::Groups => &self.gids,
        }
    }

    /// The id outside of an id inside, if it is mapped.
    pub(crate) fn outside(&self, ids: Ids, inside: u32) -> Option<u32> {
        let offset =
            |map: &IdMapping| inside.checked_sub(map.container_id).filter(|offset| *offset < map.size);
        self.of(ids).iter().find_map(|map| map.host_id.checked_add(offset(map)?))
    }

    /// The id inside of an id outside, if it is mapped.
    pub(crate) fn inside(&self, ids: Ids, outside: u32) -> Option<u32> {
        let offset = |map: &IdMapping| outside.checked_sub(map.host_id).filter(|offset| *offset < map.size);
        self.of(ids).iter().find_map(|map| map.container_id.checked_add(offset(map)?))
    }

    /// The user and group outside of those inside.
    pub(crate) fn outside_of(&self, uid: u32, gid: u32) -> Result<(u32, u32)> {
        let id = |ids, id, kind| self.outside(ids, id).ok_or_else(|| Self::missing(kind, id));
        Ok((id(Ids::Users, uid, "user")?, id(Ids::Groups, gid, "group")?))
    }

    /// The user and group outside of those inside. An id that is not mapped becomes the kernel's overflow id, if the engine's
    /// own user namespace has it, or else root.
    pub(crate) fn outside_or_nobody(&self, uid: u32, gid: u32) -> (u32, u32) {
        let id = |ids, id| self.outside(ids, id).or_else(|| self.outside(ids, NOBODY)).unwrap_or(0);
        (id(Ids::Users, uid), id(Ids::Groups, gid))
    }

    /// The error for an id that the container's user namespace does not have.
    pub(crate) fn missing(kind: &str, id: u32) -> Error {
        Error::Invalid {
            what: format!("{kind} {id}"),
            why: "the container's user namespace has no such id (--userns, --uidmap, --gidmap)".into(),
        }
    }

    /// The user and group of the host that are root inside. `create` refuses maps without them.
    pub(crate) fn root(&self) -> (u32, u32) {
        let id = |ids| self.outside(ids, 0).unwrap_or(0);
        (id(Ids::Users), id(Ids::Groups))
    }
}

/// One mapping of the command line.
pub(crate) fn mapping(map: &Map) -> IdMapping {
    IdMapping { container_id: map.inside, host_id: map.outside, size: map.count }
}

/// As [`hull_docker::flags::userns::map`] reads it.
pub(crate) fn text(map: &IdMapping) -> String {
    Map { inside: map.container_id, outside: map.host_id, count: map.size }.to_string()
}
