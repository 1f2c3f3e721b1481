//! The parts of docker's API that carry what programs read and write: attach, exec, logs and wait.
//!
//! `HULL_API_ORACLE=/usr/sbin/dockerd` runs the same tests against dockerd, except those about hull's own processes.

#[path = "api_streams/attach.rs"]
mod attach;
#[path = "api_streams/exec.rs"]
mod exec;
#[path = "api_streams/faults.rs"]
mod faults;
#[path = "api_streams/logs.rs"]
mod logs;
#[path = "api_streams/server.rs"]
mod server;
#[path = "api_streams/wait.rs"]
mod wait;
#[path = "api_streams/websocket.rs"]
mod websocket;
