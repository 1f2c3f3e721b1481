/// Identifies one process. A pid alone is reused, and means nothing after a reboot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: i32,
    /// In clock ticks since boot: field 22 of `/proc/PID/stat`, proc_pid_stat(5), without the offset of a time namespace.
    pub start_time: u64,
    pub boot_id: String,
}
