//! Support for the black-box tests of `hull`.
//!
//! ```text
//! scenario   one test's environment: mount and network namespace, roots, cgroup parent; checked for leaks at the end
//! outcome    run a command with a deadline; what it printed and how it ended
//! terminal   the same on a pseudo-terminal, for -it
//! cgroups    where the machine keeps a process's limits, on v1, hybrid and v2
//! leaks      what a scenario may not leave behind
//! lxd        LXD's daemon and client, to be compared with
//! lxc        LXC's programs, to be compared with
//! beside     namespaces in which another engine runs
//! fixtures   image archives made on this machine: busybox, Debian's minbase, skopeo's formats
//! registry   Debian's docker-registry, in the scenario's own network
//! saved      an image as an engine saved it: configuration and files, in lines that can be compared
//! proxy      forwards connections to registries and records them
//! peers      podman and dockerd, to be compared with
//! docker_server  hull serve, or dockerd as the oracle, with docker's clients
//! composer   docker compose, as hull's and as Docker Compose's
//! transcript commands and what they print, as recorded on dockerd
//! server     a small HTTP server that answers whatever a test wants
//! user       an unprivileged user of a scenario
//! http       a client of docker's API on a unix socket, and `hull serve` to talk to
//! api_clients  libraries and programs that talk docker's API, from their registries
//! helper     C programs that run inside containers
//! inject     the n-th kernel call of a command fails
//! program    where `hull` and `hull-oci` under test are
//! systems    whole systems with an init: Debian with systemd, OpenRC or runit, and busybox
//! skip       a test that cannot run here says so
//! ```
//!
//! The program under test is used through its command line only, so that the tests can run with any engine that has
//! docker's.

pub mod api_clients;
pub mod beside;
pub mod cgroups;
pub mod composer;
pub mod damage;
pub mod docker_server;
pub mod fixtures;
pub mod helper;
pub mod http;
pub mod inject;
pub mod leaks;
pub mod lxc;
pub mod lxd;
pub mod outcome;
pub mod peers;
pub mod program;
pub mod proxy;
pub mod python;
pub mod registry;
pub mod saved;
pub mod scenario;
pub mod server;
pub mod skip;
pub mod systems;
pub mod terminal;
pub mod transcript;
pub mod user;

pub use composer::Composer;
pub use docker_server::DockerServer;
pub use lxc::Lxc;
pub use lxd::Lxd;
pub use outcome::{Outcome, Running};
pub use registry::Registry;
pub use scenario::Scenario;
pub use systems::System;
pub use terminal::Terminal;
