//! Capabilities: root's privileges in 41 parts, most of which no program in a container needs.
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
//! What is not in the bounding set can never be regained, by the process or by any that it starts.
