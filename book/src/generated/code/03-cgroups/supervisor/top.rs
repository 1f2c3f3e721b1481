//! The supervisor: a process that removes the directories of this program, however this program
//! ends.
//!
//! Most parts of a container end with its last process. A directory does not, and a process that is
//! killed by SIGKILL removes nothing. So a second process removes the directories. It blocks on a
//! pipe until every write end is closed; the kernel closes them when this program dies.
