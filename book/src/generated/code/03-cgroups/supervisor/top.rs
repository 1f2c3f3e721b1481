//! A process that removes what this program has made, however this program ends.
//!
//! Most parts of a container go with its last process. A directory does not, and a process killed
//! by SIGKILL removes nothing. So a second process does it: it blocks on a pipe until every write
//! end is closed, which the kernel does when this program dies, and then removes the directories.
