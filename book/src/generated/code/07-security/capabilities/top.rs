//! Capabilities: root's power in 41 pieces, most of which no program in a container needs.
//!
//! A process has them in sets (capabilities(7)):
//!
//! | set | what is in it |
//! |---|---|
//! | effective | what counts when the kernel asks |
//! | permitted | what may be made effective |
//! | inheritable, ambient | what goes through an execve of somebody who is not root |
//! | bounding | what an execve can ever give, to root and by files with capabilities |
//!
//! So what is not in the bounding set is gone for good, for the process and for all that it starts.
