//! LXD's configuration of a container: keys, devices and profiles, and what they change.
