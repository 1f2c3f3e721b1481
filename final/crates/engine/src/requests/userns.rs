//! `HostConfig.UsernsMode` and `IDMappings`: docker knows the modes "" and `host`, podman has all of them.

use hull_docker::flags::userns::{self, Map};
use hull_docker::wire::host_config::IdMappings;

use super::{invalid, non_empty};
use crate::error::Result;
use crate::records::userns::{UsernsOptions, mapping};

pub(super) fn options(mode: &str, ids: Option<IdMappings>) -> Result<UsernsOptions> {
    userns::parse(mode).map_err(|why| invalid("UsernsMode", why))?;
    let ids = ids.unwrap_or_default();
    let map = |text: &String| userns::map(text).map_err(|why| invalid("IDMappings", why));
    let maps = |texts: &[String]| texts.iter().map(map).collect::<Result<Vec<Map>>>();
    let mappings = |texts: &[String]| Ok::<_, crate::Error>(maps(texts)?.iter().map(mapping).collect());
    Ok(UsernsOptions {
        mode: mode.to_owned(),
        uids: mappings(&ids.uid_map)?,
        gids: mappings(&ids.gid_map)?,
        uids_of: non_empty(ids.sub_uid_name),
        gids_of: non_empty(ids.sub_gid_name),
    })
}
