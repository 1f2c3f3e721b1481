//! The document, and its networks, volumes, configs, secrets and models.

use super::common::*;
use super::rule::*;
use super::service::SERVICE;

// Networks and volumes refuse other keys in `external`, configs and secrets do not.
static OLD_EXTERNAL: Object = object(&[("name", TEXT)]);
static OLD_FILE_EXTERNAL: Object = object(&[("name", TEXT)]).open();
const EXTERNAL: Rule = Rule::Either(&[SWITCH, Rule::Object(&OLD_EXTERNAL)]);
const FILE_EXTERNAL: Rule = Rule::Either(&[SWITCH, Rule::Object(&OLD_FILE_EXTERNAL)]);

static TEXT_MAP: Map = Map { key: Key::NotEmpty, is_closed: true, value: TEXT };
static POOL: Object = object(&[
    ("subnet", TEXT),
    ("ip_range", TEXT),
    ("gateway", TEXT),
    ("aux_addresses", Rule::Map(&TEXT_MAP)),
]);
static POOLS: List = List { item: Rule::Object(&POOL), is_set: false };
static IPAM: Object =
    object(&[("driver", TEXT), ("config", Rule::List(&POOLS)), ("options", Rule::Map(&TEXT_MAP))]);

static NETWORK: Object = object(&[
    ("name", TEXT),
    ("driver", TEXT),
    ("driver_opts", DRIVER_OPTIONS),
    ("ipam", Rule::Object(&IPAM)),
    ("external", EXTERNAL),
    ("internal", SWITCH),
    ("enable_ipv4", SWITCH),
    ("enable_ipv6", SWITCH),
    ("attachable", SWITCH),
    ("labels", LIST_OR_MAPPING),
]);

static VOLUME: Object = object(&[
    ("name", TEXT),
    ("driver", TEXT),
    ("driver_opts", DRIVER_OPTIONS),
    ("external", EXTERNAL),
    ("labels", LIST_OR_MAPPING),
]);

static SECRET: Object = object(&[
    ("name", TEXT),
    ("environment", TEXT),
    ("file", TEXT),
    ("external", FILE_EXTERNAL),
    ("labels", LIST_OR_MAPPING),
    ("driver", TEXT),
    ("driver_opts", DRIVER_OPTIONS),
    ("template_driver", TEXT),
]);

static CONFIG: Object = object(&[
    ("name", TEXT),
    ("content", TEXT),
    ("environment", TEXT),
    ("file", TEXT),
    ("external", FILE_EXTERNAL),
    ("labels", LIST_OR_MAPPING),
    ("template_driver", TEXT),
]);

static MODEL: Object = object(&[
    ("name", TEXT),
    ("model", TEXT),
    ("context_size", Rule::Scalar(INTEGER)),
    ("runtime_flags", TEXTS),
])
.requires(&["model"]);

static INCLUDE: Object =
    object(&[("path", TEXT_OR_LIST), ("env_file", TEXT_OR_LIST), ("project_directory", TEXT)])
        .without_extensions();
static INCLUDES: List = List { item: Rule::Either(&[TEXT, Rule::Object(&INCLUDE)]), is_set: false };

const fn map(is_closed: bool, value: Rule) -> Map {
    Map { key: Key::Name, is_closed, value }
}

static SERVICES: Map = map(true, Rule::Object(&SERVICE));
static MODELS: Map = map(false, Rule::Object(&MODEL));
static NETWORKS: Map = map(false, Rule::Either(&[Rule::Scalar(NULL), Rule::Object(&NETWORK)]));
static VOLUMES: Map = map(true, Rule::Either(&[Rule::Scalar(NULL), Rule::Object(&VOLUME)]));
static SECRETS: Map = map(true, Rule::Object(&SECRET));
static CONFIGS: Map = map(true, Rule::Object(&CONFIG));

pub(super) static DOCUMENT: Object = object(&[
    ("version", TEXT),
    ("name", TEXT),
    ("include", Rule::List(&INCLUDES)),
    ("services", Rule::Map(&SERVICES)),
    ("models", Rule::Map(&MODELS)),
    ("networks", Rule::Map(&NETWORKS)),
    ("volumes", Rule::Map(&VOLUMES)),
    ("secrets", Rule::Map(&SECRETS)),
    ("configs", Rule::Map(&CONFIGS)),
]);
