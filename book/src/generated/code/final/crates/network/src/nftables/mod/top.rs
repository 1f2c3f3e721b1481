//! Packet filtering and address translation, by nf_tables over nfnetlink.
//!
//! The rules are written once and stay (`ruleset`). Containers come and go as elements of the sets that the rules look
//! things up in (`sets`), each in one transaction (`batch`), so that a published port costs the same whether there
//! are none or thousands.
//!
//! ```text
//! to a published port    prerouting or output: ports4 says container and port ─▶ forward ─▶ postrouting
//! out of a container     ports (bridge): is it who it says? ─▶ guard ─▶ forward ─▶ postrouting: the host's address
//! container to container on one network: ports (bridge), and no more · on two: forward drops it
//! ```
//!
//! There are two tables of one name: `inet`, and `bridge` for what passes between two containers of a network. A root other
//! than the machine's own has its suffix in the name; nothing here touches another table.
