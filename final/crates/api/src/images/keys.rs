//! Which keys an image has in which version of the API.

use hull_docker::wire::config::Config;
use hull_docker::wire::disk_usage::ImageSummary;
use hull_docker::wire::image::Image;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::failure::{Failure, Result};
use crate::version::ApiVersion;

/// Up to this version images say their size a second time.
const LAST_VIRTUAL_SIZE: ApiVersion = ApiVersion(43);
/// Up to this version images have the id of the container that they were committed from.
const LAST_CONTAINER: ApiVersion = ApiVersion(41);
/// Up to this version images have the configuration of the container that they were committed from.
const LAST_CONTAINER_CONFIG: ApiVersion = ApiVersion(44);
/// Up to this version an image's configuration has a container's keys.
const LAST_WIDE_CONFIG: ApiVersion = ApiVersion(49);
/// From this version images have the descriptor of their manifest.
const FIRST_DESCRIPTOR: ApiVersion = ApiVersion(48);
/// Up to this version an image without a name has names that say so.
const LAST_NONE: ApiVersion = ApiVersion(42);
/// From this version the containers of listed images are counted.
pub const FIRST_CONTAINERS: ApiVersion = ApiVersion(51);

fn object(value: &impl Serialize) -> Result<Map<String, Value>> {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Ok(Map::new()),
        Err(error) => Err(Failure::new(500, error.to_string())),
    }
}

pub fn inspected(image: &Image, version: ApiVersion) -> Result<Map<String, Value>> {
    let mut keys = object(image)?;
    if version <= LAST_VIRTUAL_SIZE {
        keys.insert("VirtualSize".into(), image.size.into());
    }
    if version <= LAST_CONTAINER_CONFIG {
        let mut config = object(&Config::default())?;
        // Unlike a container's own, they are not set here.
        config.extend(["Env", "Labels"].map(|key| (key.to_owned(), Value::Null)));
        keys.insert("ContainerConfig".into(), Value::Object(config));
    }
    if version <= LAST_CONTAINER {
        keys.insert("Container".into(), "".into());
    }
    if version < FIRST_DESCRIPTOR {
        keys.remove("Descriptor");
    }
    if version <= LAST_WIDE_CONFIG {
        let mut wide = object(&Config::default())?;
        wide.extend(object(&image.config)?);
        keys.insert("Config".into(), Value::Object(wide));
    }
    Ok(keys)
}

pub fn listed(image: &ImageSummary, version: ApiVersion) -> Result<Map<String, Value>> {
    let mut keys = object(image)?;
    if image.labels.is_empty() {
        keys.insert("Labels".into(), Value::Null);
    }
    if version <= LAST_VIRTUAL_SIZE {
        keys.insert("VirtualSize".into(), image.size.into());
    }
    let is_unnamed = image.repo_tags.is_empty() && image.repo_digests.is_empty();
    if version <= LAST_NONE && is_unnamed {
        keys.insert("RepoTags".into(), Value::from(vec!["<none>:<none>"]));
        keys.insert("RepoDigests".into(), Value::from(vec!["<none>@<none>"]));
    } else if version > LAST_NONE {
        keys.insert("RepoTags".into(), image.repo_tags.clone().into());
        keys.insert("RepoDigests".into(), image.repo_digests.clone().into());
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_and_go_with_versions() {
        let image = Image::default();
        let has = |version, key: &str| inspected(&image, ApiVersion(version)).unwrap().contains_key(key);
        for (key, with, without) in [
            ("VirtualSize", 43, 44),
            ("ContainerConfig", 44, 45),
            ("Container", 41, 42),
            ("Descriptor", 48, 47),
        ] {
            assert!(has(with, key) && !has(without, key), "{key}");
        }
        let config = |version| inspected(&image, ApiVersion(version)).unwrap()["Config"].clone();
        assert!(config(49).get("AttachStdin").is_some() && config(50).get("AttachStdin").is_none());
    }

    #[test]
    fn an_unnamed_image_is_none_for_older_clients() {
        let image = ImageSummary::default();
        let tags = |version| listed(&image, ApiVersion(version)).unwrap()["RepoTags"].to_string();
        assert_eq!((tags(42).as_str(), tags(43).as_str()), (r#"["<none>:<none>"]"#, "[]"));
    }
}
