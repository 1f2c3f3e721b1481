//! The labels of what Compose v2 makes, by which a project is found again (`pkg/api/labels.go`).

pub const PROJECT: &str = "com.docker.compose.project";
pub const SERVICE: &str = "com.docker.compose.service";
/// The hash of the service, network or volume from which the object was made.
pub const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// The number of a container of its service, from one. One-off containers have none.
pub const CONTAINER_NUMBER: &str = "com.docker.compose.container-number";
/// The key of a volume in the file.
pub const VOLUME: &str = "com.docker.compose.volume";
/// The key of a network in the file.
pub const NETWORK: &str = "com.docker.compose.network";
pub const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// The files, with commas between them.
pub const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// The file of `--env-file`.
pub const ENVIRONMENT_FILE: &str = "com.docker.compose.project.environment_file";
/// `True` for a container of `run`, otherwise `False`.
pub const ONE_OFF: &str = "com.docker.compose.oneoff";
/// The random part of a one-off container's name.
pub const SLUG: &str = "com.docker.compose.slug";
/// The id of the image that the container was made from.
pub const IMAGE: &str = "com.docker.compose.image";
/// `service:condition:restart` of each dependency, with commas between them.
pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
pub const VERSION: &str = "com.docker.compose.version";
pub const IMAGE_BUILDER: &str = "com.docker.compose.image.builder";
/// The name of the container that this one is to replace.
pub const REPLACE: &str = "com.docker.compose.replace";

/// The version of Compose whose labels and hashes these are.
pub const COMPOSE_VERSION: &str = "2.40.3";
