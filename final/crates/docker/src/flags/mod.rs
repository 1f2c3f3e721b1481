//! The values of docker's flags, one file per syntax: parsing and printing.
//!
//! ```text
//! volume     -v SOURCE:TARGET[:OPTIONS]         network    --network NAME or name=NAME,ip=…
//! mount      --mount KEY=VALUE,…                port       -p [[IP:]HOST:]CONTAINER[/PROTOCOL], --expose
//! tmpfs      --tmpfs TARGET[:OPTIONS]           link       --link CONTAINER[:ALIAS]
//! device     --device, --device-cgroup-rule     hosts      --add-host NAME:ADDRESS
//! ulimit     --ulimit NAME=SOFT[:HARD]          namespace  --pid, --ipc, --uts, --cgroupns
//! cpus       --cpus 1.5                         security   --security-opt, --cap-add, --cap-drop
//! restart    --restart on-failure:3             env        -e, --env-file
//! ipam       --subnet, --ip-range, --gateway, --aux-address of `network create`
//! ipc        --ipc
//! gpus       --gpus all                         cdi        --device VENDOR/CLASS=NAME
//! log        --log-driver, --log-opt            pairs      labels, sysctls, annotations
//! block_io   --blkio-weight-device, --device-read-bps and its kin
//! volumes_from  --volumes-from CONTAINER[:MODE]  health   --health-cmd, --health-interval, …, --no-healthcheck
//! log_attributes  labels, env and tag of --log-opt, `logs --details`
//! local_driver  `volume create -o`, --mount volume-opt=
//! userns     --userns, --uidmap, --gidmap
//! endpoint   driver-opt= of --network: the link in the container
//! secret, ssh, build_output, build_cache, build_context, build_call   flags of `build`
//! ```
//!
//! Sizes are in [`crate::size`], times in [`crate::time`]. An error is a sentence; the caller knows the flag it is about.
//! The results are the types that a request of the Engine API is made of ([`crate::wire`]), or become them.

pub mod block_io;
pub mod build_cache;
pub mod build_call;
pub mod build_context;
pub mod build_output;
pub mod cdi;
pub mod cpus;
pub mod device;
pub mod endpoint;
pub mod env;
pub mod gpus;
pub mod health;
pub mod hosts;
pub mod ipam;
pub mod ipc;
pub mod link;
pub mod local_driver;
pub mod log;
pub mod log_attributes;
pub mod mount;
pub mod namespace;
pub mod network;
pub mod pairs;
pub mod port;
pub mod restart;
pub mod secret;
pub mod security;
pub mod ssh;
pub mod tmpfs;
pub mod ulimit;
pub mod userns;
pub mod volume;
pub mod volumes_from;
