//! Ports, devices and volumes of a service.

use super::common::*;
use super::rule::*;

static PORT: Object = object(&[
    ("name", TEXT),
    ("mode", TEXT),
    ("host_ip", TEXT),
    ("target", WHOLE),
    ("published", WHOLE),
    ("protocol", TEXT),
    ("app_protocol", TEXT),
]);
static PORT_LIST: List =
    List { item: Rule::Either(&[Rule::Scalar(NUMBER | STRING), Rule::Object(&PORT)]), is_set: true };
pub(super) const PORTS: Rule = Rule::List(&PORT_LIST);

static DEVICE: Object =
    object(&[("source", TEXT), ("target", TEXT), ("permissions", TEXT)]).requires(&["source"]);
static DEVICE_LIST: List = List { item: Rule::Either(&[TEXT, Rule::Object(&DEVICE)]), is_set: false };
pub(super) const DEVICES: Rule = Rule::List(&DEVICE_LIST);

static BIND: Object = object(&[
    ("propagation", TEXT),
    ("create_host_path", SWITCH),
    ("recursive", Rule::Word(&["enabled", "disabled", "writable", "readonly"])),
    ("selinux", Rule::Word(&["z", "Z"])),
]);
static VOLUME: Object = object(&[("labels", LIST_OR_MAPPING), ("nocopy", SWITCH), ("subpath", TEXT)]);
static TMPFS: Object = object(&[("size", Rule::Range(0, i64::MAX)), ("mode", AMOUNT)]);
static IMAGE: Object = object(&[("subpath", TEXT)]);
static MOUNT: Object = object(&[
    ("type", Rule::Word(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])),
    ("source", TEXT),
    ("target", TEXT),
    ("read_only", SWITCH),
    ("consistency", TEXT),
    ("bind", Rule::Object(&BIND)),
    ("volume", Rule::Object(&VOLUME)),
    ("tmpfs", Rule::Object(&TMPFS)),
    ("image", Rule::Object(&IMAGE)),
])
.requires(&["type"]);
static MOUNT_LIST: List = List { item: Rule::Either(&[TEXT, Rule::Object(&MOUNT)]), is_set: true };
pub(super) const VOLUMES: Rule = Rule::List(&MOUNT_LIST);
