//! `use_api_socket`: the engine's socket and the caller's credentials in the container, so that a client in it can use the
//! engine as the caller does. As in Compose, the project gets a volume, a config and a variable that the files do not have.

use hull_composefile::model::{Config, FileObject, FileReference, Project, ServiceVolume};

/// Where the socket is, on the host and in the container.
pub const SOCKET: &str = "/var/run/docker.sock";

/// The key of the config with the credentials. No file can have it.
const CONFIG: &str = "#apisocket";

/// The directory with the credentials, in the container.
const DIRECTORY: &str = "/run/secrets/docker";

/// `credentials` is the text of a `config.json` of docker's client. It is asked for only if a service needs it.
pub fn use_api_socket<E>(
    project: &mut Project,
    credentials: impl FnOnce() -> Result<String, E>,
) -> Result<(), E> {
    if !project.services.values().any(|service| service.use_api_socket) {
        return Ok(());
    }
    let content = FileObject { content: credentials()?, ..FileObject::default() };
    project.configs.insert(CONFIG.to_owned(), Config(content));
    for service in project.services.values_mut().filter(|service| service.use_api_socket) {
        service.volumes.push(ServiceVolume {
            kind: "bind".to_owned(),
            source: SOCKET.to_owned(),
            target: SOCKET.to_owned(),
            ..ServiceVolume::default()
        });
        let directory = || Some(DIRECTORY.to_owned());
        service.environment.entry("DOCKER_CONFIG".to_owned()).or_insert_with(directory);
        service.configs.push(FileReference {
            source: CONFIG.to_owned(),
            target: format!("{DIRECTORY}/config.json"),
            ..FileReference::default()
        });
    }
    Ok(())
}
