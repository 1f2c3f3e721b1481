//! Go's field names, if docker's JSON has another key.
//!
//! docker runs a template over its Go structs, so `{{.ID}}` and `{{.HostConfig.NanoCPUs}}` are what its users write,
//! and over the JSON where that fails, so `{{.Id}}` is understood too. The rest of docker's names are the same in both.

/// Go's name, and the key in the JSON.
const NAMES: [(&str, &str); 20] = [
    ("APIVersion", "ApiVersion"),
    ("AuxAddress", "AuxiliaryAddresses"),
    ("BridgeNfIP6tables", "BridgeNfIp6tables"),
    ("CPUCfsPeriod", "CpuCfsPeriod"),
    ("CPUCfsQuota", "CpuCfsQuota"),
    ("CPUCount", "CpuCount"),
    ("CPUPercent", "CpuPercent"),
    ("CPUPeriod", "CpuPeriod"),
    ("CPUQuota", "CpuQuota"),
    ("CPURealtimePeriod", "CpuRealtimePeriod"),
    ("CPURealtimeRuntime", "CpuRealtimeRuntime"),
    ("CPUShares", "CpuShares"),
    ("DNS", "Dns"),
    ("DNSOptions", "DnsOptions"),
    ("DNSSearch", "DnsSearch"),
    ("HTTPProxy", "HttpProxy"),
    ("HTTPSProxy", "HttpsProxy"),
    ("HostIP", "HostIp"),
    ("ID", "Id"),
    ("NanoCPUs", "NanoCpus"),
];

/// The key in docker's JSON for the field `name` of a template; `None` if both are the same.
pub fn key(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(go, _)| *go == name).map(|(_, json)| *json)
}

/// What docker leaves out of its JSON where a container has none, though its structs have it.
const OPTIONAL: [&str; 2] = ["Health", "Healthcheck"];

/// Whether a template may ask for `name` where it is not there: `{{if .State.Health}}…{{else}}…{{end}}` is what many
/// scripts do.
pub fn is_optional(name: &str) -> bool {
    OPTIONAL.contains(&name)
}

/// The keys whose objects are maps in docker's types: any key may be asked for, and one that is not there
/// gives `<no value>`. Every other object stands for a struct, where a name that is not there is a mistake.
pub const MAPS: [&str; 14] = [
    "Annotations",
    "AuxiliaryAddresses",
    "Containers",
    "DriverOpts",
    "Data",
    "ExposedPorts",
    "Labels",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "Sysctls",
    "Tmpfs",
    "Volumes",
];

#[test]
fn gos_names_lead_to_jsons() {
    assert_eq!(key("ID"), Some("Id"));
    assert_eq!(key("NanoCPUs"), Some("NanoCpus"));
    assert_eq!(key("Id"), None);
}
