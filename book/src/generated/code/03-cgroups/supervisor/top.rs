//! A process that takes away what we have made when we are gone, however we go.
//!
//! Most of what a container is made of ends with its last process. A directory does not, and a process that is killed by
//! -9 removes nothing. So another one does it, always, and that is its whole life: it waits on a pipe until nobody holds
//! the writing end any more. The kernel closes that end for whoever dies.
