/// Identifies one process for good. A pid alone is used again, and after a reboot means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: i32,
    /// In clock ticks since boot: field 22 of `/proc/PID/stat`, proc_pid_stat(5).
    pub start_time: u64,
    pub boot_id: String,
}
