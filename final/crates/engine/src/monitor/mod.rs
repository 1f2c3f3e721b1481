//! The process that stays with a container: forked, not executed, single-threaded, one poll loop.
//!
//! ```text
//! launch      the command's side: fork, wait for "started"
//! run         the monitor's life: set up, run, restart, clean up
//! restart     the restart policy, and the pauses between runs
//! setup       config.json, cgroup, stdio, network, start
//! prepare     streams and network, for every runtime
//! external    the same with a runtime that is a program of its own
//! forwarders  the processes of LXD's proxy devices        forwarding/ the work of such a process
//! hooks       programs that run after the start and after the end
//! share       /dev/shm of another container
//! event_loop  the poll loop: its descriptors and its timers
//! timers      the list of deadlines
//! requests    what clients' messages do
//! stop        whether a stop was requested, which ends the restarts
//! stdio       the container's pipes or terminal
//! clients     attached commands and what waits for them
//! log         the log drivers: json-file and local, journald
//! detach      what each forked process does first
//! session     the short-lived monitor of an exec
//! health      when a health check is due, and what follows from it
//! checks      the state of the checks, and the present one's child
//! checker     the child that makes one check
//! lifeline    the socket between the two
//! orphans     what a killed child has left behind
//! ```

mod checker;
mod checks;
mod clients;
pub(crate) mod detach;
mod event_loop;
mod external;
mod forwarders;
mod forwarding;
mod health;
mod hooks;
pub(crate) mod launch;
mod lifeline;
pub(crate) mod log;
mod orphans;
mod prepare;
mod requests;
mod restart;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod setup;
mod share;
mod stdio;
mod stop;
mod timers;
