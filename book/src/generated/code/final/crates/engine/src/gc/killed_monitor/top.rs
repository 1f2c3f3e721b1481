//! Cleans up after a killed monitor: the processes in its cgroup, the cgroup, and the state that says it runs.
