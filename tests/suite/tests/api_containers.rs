//! `/containers` of docker's API: what its handlers do with a container, asked over the socket alone.

#[path = "api_containers/archives.rs"]
mod archives;
#[path = "api_containers/create.rs"]
mod create;
#[path = "api_containers/states.rs"]
mod states;
#[path = "api_containers/world.rs"]
mod world;
