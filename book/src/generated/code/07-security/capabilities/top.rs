//! Capabilities: root's privileges in 41 parts. A program in a container needs few of them.
//!
//! A process has five sets of capabilities (capabilities(7)). The kernel looks for a capability in
//! the *effective* set. A process may move a capability from its *permitted* set to its effective
//! set. The *bounding* set limits what an execve can add to the permitted set, for root and for
//! files that carry capabilities. The *inheritable* and *ambient* sets keep capabilities across an
//! execve of a user other than root.
//!
//! A capability that is not in the bounding set is lost for good, for the process and for every
//! process that it starts.
