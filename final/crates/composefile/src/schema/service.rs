//! A service.

use super::common::*;
use super::deploy::{DEPLOY, DEVELOP};
use super::mount::{DEVICES, PORTS, VOLUMES};
use super::rule::*;

static BUILD: Object = object(&[
    ("context", TEXT),
    ("dockerfile", TEXT),
    ("dockerfile_inline", TEXT),
    ("entitlements", TEXTS),
    ("args", LIST_OR_MAPPING),
    ("ssh", LIST_OR_MAPPING),
    ("labels", LIST_OR_MAPPING),
    ("cache_from", TEXTS),
    ("cache_to", TEXTS),
    ("no_cache", SWITCH),
    ("additional_contexts", LIST_OR_MAPPING),
    ("network", TEXT),
    ("provenance", SWITCH),
    ("sbom", SWITCH),
    ("pull", SWITCH),
    ("target", TEXT),
    ("shm_size", WHOLE),
    ("extra_hosts", EXTRA_HOSTS),
    ("isolation", TEXT),
    ("privileged", SWITCH),
    ("secrets", FILE_REFERENCES),
    ("tags", TEXTS),
    ("ulimits", ULIMITS),
    ("platforms", TEXTS),
]);

static DEVICE_RATE: Object = object(&[("path", TEXT), ("rate", WHOLE)]).without_extensions();
static DEVICE_RATES_LIST: List = List { item: Rule::Object(&DEVICE_RATE), is_set: false };
const DEVICE_RATES: Rule = Rule::List(&DEVICE_RATES_LIST);
static DEVICE_WEIGHT: Object = object(&[("path", TEXT), ("weight", WHOLE)]).without_extensions();
static DEVICE_WEIGHTS: List = List { item: Rule::Object(&DEVICE_WEIGHT), is_set: false };
static BLKIO: Object = object(&[
    ("device_read_bps", DEVICE_RATES),
    ("device_read_iops", DEVICE_RATES),
    ("device_write_bps", DEVICE_RATES),
    ("device_write_iops", DEVICE_RATES),
    ("weight", WHOLE),
    ("weight_device", Rule::List(&DEVICE_WEIGHTS)),
])
.without_extensions();

static CREDENTIAL_SPEC: Object = object(&[("config", TEXT), ("file", TEXT), ("registry", TEXT)]);

static DEPENDENCY: Object = object(&[
    ("restart", SWITCH),
    ("required", Rule::Scalar(BOOLEAN)),
    ("condition", Rule::Word(&["service_started", "service_healthy", "service_completed_successfully"])),
])
.requires(&["condition"]);
static DEPENDENCIES: Map = Map { key: Key::Name, is_closed: true, value: Rule::Object(&DEPENDENCY) };

static ENV_FILE: Object = object(&[("path", TEXT), ("format", TEXT), ("required", SWITCH)])
    .requires(&["path"])
    .without_extensions();
static ENV_FILES: List = List { item: Rule::Either(&[TEXT, Rule::Object(&ENV_FILE)]), is_set: false };

static EXTENDS: Object =
    object(&[("service", TEXT), ("file", TEXT)]).requires(&["service"]).without_extensions();

const OPTION: Rule = Rule::Scalar(STRING | NUMBER | BOOLEAN);
static OPTION_LIST: List = List { item: OPTION, is_set: false };
static PROVIDER_OPTIONS: Map =
    Map { key: Key::NotEmpty, is_closed: false, value: Rule::Either(&[OPTION, Rule::List(&OPTION_LIST)]) };
static PROVIDER: Object =
    object(&[("type", TEXT), ("options", Rule::Map(&PROVIDER_OPTIONS))]).requires(&["type"]);

static HEALTHCHECK: Object = object(&[
    ("disable", SWITCH),
    ("interval", Rule::Duration),
    ("retries", AMOUNT),
    ("test", TEXT_OR_TEXTS),
    ("timeout", Rule::Duration),
    ("start_period", Rule::Duration),
    ("start_interval", Rule::Duration),
]);

static LOG_OPTIONS: Map =
    Map { key: Key::NotEmpty, is_closed: false, value: Rule::Scalar(STRING | NUMBER | NULL) };
static LOGGING: Object = object(&[("driver", TEXT), ("options", Rule::Map(&LOG_OPTIONS))]);

static MODEL: Object = object(&[("endpoint_var", TEXT), ("model_var", TEXT)]);
static MODELS: Map = Map {
    key: Key::Name,
    is_closed: false,
    value: Rule::Either(&[Rule::Scalar(NULL), Rule::Object(&MODEL)]),
};

static NETWORK: Object = object(&[
    ("aliases", TEXT_SET),
    ("interface_name", TEXT),
    ("ipv4_address", TEXT),
    ("ipv6_address", TEXT),
    ("link_local_ips", TEXT_SET),
    ("mac_address", TEXT),
    ("driver_opts", DRIVER_OPTIONS),
    ("priority", Rule::Scalar(NUMBER)),
    ("gw_priority", Rule::Scalar(NUMBER)),
]);
static NETWORKS: Map = Map {
    key: Key::Name,
    is_closed: true,
    value: Rule::Either(&[Rule::Scalar(NULL), Rule::Object(&NETWORK)]),
};

static HOOKS_LIST: List = List { item: Rule::Object(&HOOK), is_set: false };
const HOOKS: Rule = Rule::List(&HOOKS_LIST);

pub(super) static SERVICE: Object = object(&[
    ("develop", DEVELOP),
    ("deploy", DEPLOY),
    ("annotations", LIST_OR_MAPPING),
    ("attach", SWITCH),
    ("build", Rule::Either(&[TEXT, Rule::Object(&BUILD)])),
    ("blkio_config", Rule::Object(&BLKIO)),
    ("cap_add", TEXT_SET),
    ("cap_drop", TEXT_SET),
    ("cgroup", Rule::Word(&["host", "private"])),
    ("cgroup_parent", TEXT),
    ("command", COMMAND),
    ("configs", FILE_REFERENCES),
    (
        "container_name",
        Rule::Text(has_name, "a name begins with a letter or a digit, and has two characters at least"),
    ),
    ("cpu_count", Rule::Range(0, i64::MAX)),
    ("cpu_percent", Rule::Range(0, 100)),
    ("cpu_shares", AMOUNT),
    ("cpu_quota", AMOUNT),
    ("cpu_period", AMOUNT),
    ("cpu_rt_period", AMOUNT),
    ("cpu_rt_runtime", AMOUNT),
    ("cpus", AMOUNT),
    ("cpuset", TEXT),
    ("credential_spec", Rule::Object(&CREDENTIAL_SPEC)),
    ("depends_on", Rule::Either(&[TEXT_SET, Rule::Map(&DEPENDENCIES)])),
    ("device_cgroup_rules", TEXT_SET),
    ("devices", DEVICES),
    ("dns", TEXT_OR_LIST),
    ("dns_opt", TEXT_SET),
    ("dns_search", TEXT_OR_LIST),
    ("domainname", TEXT),
    ("entrypoint", COMMAND),
    ("env_file", Rule::Either(&[TEXT, Rule::List(&ENV_FILES)])),
    ("label_file", TEXT_OR_TEXTS),
    ("environment", LIST_OR_MAPPING),
    ("expose", AMOUNT_SET),
    ("extends", Rule::Either(&[TEXT, Rule::Object(&EXTENDS)])),
    ("provider", Rule::Object(&PROVIDER)),
    ("external_links", TEXT_SET),
    ("extra_hosts", EXTRA_HOSTS),
    ("gpus", GPUS),
    ("group_add", AMOUNT_SET),
    ("healthcheck", Rule::Object(&HEALTHCHECK)),
    ("hostname", TEXT),
    ("image", TEXT),
    ("init", SWITCH),
    ("ipc", TEXT),
    ("isolation", TEXT),
    ("labels", LIST_OR_MAPPING),
    ("links", TEXT_SET),
    ("logging", Rule::Object(&LOGGING)),
    ("mac_address", TEXT),
    ("mem_limit", AMOUNT),
    ("mem_reservation", WHOLE),
    ("mem_swappiness", WHOLE),
    ("memswap_limit", AMOUNT),
    ("network_mode", TEXT),
    ("models", Rule::Either(&[TEXT_SET, Rule::Map(&MODELS)])),
    ("networks", Rule::Either(&[TEXT_SET, Rule::Map(&NETWORKS)])),
    ("oom_kill_disable", SWITCH),
    ("oom_score_adj", Rule::Range(-1000, 1000)),
    ("pid", Rule::Scalar(STRING | NULL)),
    ("pids_limit", AMOUNT),
    ("platform", TEXT),
    ("ports", PORTS),
    ("post_start", HOOKS),
    ("pre_stop", HOOKS),
    ("privileged", SWITCH),
    ("profiles", TEXT_SET),
    (
        "pull_policy",
        Rule::Text(
            is_pull_policy,
            "it is always, never, missing, build, daily, weekly, or every_ with a duration such as 12h",
        ),
    ),
    ("pull_refresh_after", TEXT),
    ("read_only", SWITCH),
    ("restart", TEXT),
    ("runtime", TEXT),
    ("scale", WHOLE),
    ("security_opt", TEXT_SET),
    ("shm_size", AMOUNT),
    ("secrets", FILE_REFERENCES),
    ("sysctls", LIST_OR_MAPPING),
    ("stdin_open", SWITCH),
    ("stop_grace_period", Rule::Duration),
    ("stop_signal", TEXT),
    ("storage_opt", Rule::Map(&STORAGE_OPTIONS)),
    ("tmpfs", TEXT_OR_LIST),
    ("tty", SWITCH),
    ("ulimits", ULIMITS),
    ("use_api_socket", Rule::Scalar(BOOLEAN)),
    ("user", TEXT),
    ("uts", TEXT),
    ("userns_mode", TEXT),
    ("volumes", VOLUMES),
    ("volumes_from", TEXT_SET),
    ("working_dir", TEXT),
]);

static STORAGE_OPTIONS: Map = Map { key: Key::NotEmpty, is_closed: false, value: Rule::Any };

/// The schema asks for a name somewhere in the text; the engine asks for more.
fn has_name(text: &str) -> bool {
    let is_rest = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    text.as_bytes().windows(2).any(|pair| pair[0].is_ascii_alphanumeric() && is_rest(&pair[1]))
}

/// As the schema has it: one of the words somewhere in the text.
fn is_pull_policy(text: &str) -> bool {
    const WORDS: [&str; 8] =
        ["always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly"];
    let has_every = || {
        text.match_indices("every_").any(|(at, every)| {
            let rest = text[at + every.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = text.len() - at - every.len() - rest.len();
            digits > 0 && rest.starts_with(['w', 'd', 'h', 'm', 's'])
        })
    };
    WORDS.iter().any(|word| text.contains(word)) || has_every()
}
