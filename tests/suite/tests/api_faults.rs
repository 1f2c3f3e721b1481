//! Hostile and unlucky clients of docker's API, and processes of the server that are killed.

#[path = "api_faults/client.rs"]
mod client;
#[path = "api_faults/kills.rs"]
mod kills;
#[path = "api_faults/load.rs"]
mod load;
#[path = "api_faults/requests.rs"]
mod requests;
