//! Packet filtering and address translation, by nf_tables over nfnetlink.
//!
//! The rules are written once and stay (`ruleset`). They look packets up in sets (`sets`), and each container is a few
//! elements of these, added and removed in one transaction (`batch`). So publishing a port costs the same with thousands of
//! ports as with none.
//!
//! ```text
//! to a published port    prerouting or output: map ports4 to the container ─▶ forward ─▶ postrouting
//! out of a container     ports (bridge): check the source ─▶ guard ─▶ forward ─▶ postrouting: masquerade
//! container to container on one network: ports (bridge) only · on two networks: forward drops it
//! ```
//!
//! There are two tables with the same name: one of family `inet`, and one of family `bridge` for frames between two containers
//! on a network. If the state root is not the default one, its suffix is in the name. No other table is changed, except by
//! `iptables`.
