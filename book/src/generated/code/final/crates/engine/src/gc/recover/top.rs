//! What a killed monitor left: processes in its cgroup, the cgroup, and a state that says it runs.
