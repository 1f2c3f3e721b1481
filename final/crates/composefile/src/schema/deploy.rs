//! `deploy` and `develop`.

use super::common::*;
use super::rule::*;

static UPDATE: Object = object(&[
    ("parallelism", WHOLE),
    ("delay", Rule::Duration),
    ("failure_action", TEXT),
    ("monitor", Rule::Duration),
    ("max_failure_ratio", AMOUNT),
    ("order", Rule::Word(&["start-first", "stop-first"])),
]);

static LIMITS: Object = object(&[("cpus", AMOUNT), ("memory", TEXT), ("pids", WHOLE)]);

static DISCRETE_RESOURCE: Object = object(&[("kind", TEXT), ("value", AMOUNT)]);
static GENERIC_RESOURCE: Object = object(&[("discrete_resource_spec", Rule::Object(&DISCRETE_RESOURCE))]);
static GENERIC_RESOURCES: List = List { item: Rule::Object(&GENERIC_RESOURCE), is_set: false };

static RESERVATIONS: Object = object(&[
    ("cpus", AMOUNT),
    ("memory", TEXT),
    ("generic_resources", Rule::List(&GENERIC_RESOURCES)),
    ("devices", RESERVED_DEVICES),
]);

static RESOURCES: Object =
    object(&[("limits", Rule::Object(&LIMITS)), ("reservations", Rule::Object(&RESERVATIONS))]);

static RESTART_POLICY: Object = object(&[
    ("condition", TEXT),
    ("delay", Rule::Duration),
    ("max_attempts", WHOLE),
    ("window", Rule::Duration),
]);

static PREFERENCE: Object = object(&[("spread", TEXT)]);
static PREFERENCES: List = List { item: Rule::Object(&PREFERENCE), is_set: false };
static PLACEMENT: Object = object(&[
    ("constraints", TEXTS),
    ("preferences", Rule::List(&PREFERENCES)),
    ("max_replicas_per_node", WHOLE),
]);

static DEPLOY_OBJECT: Object = object(&[
    ("mode", TEXT),
    ("endpoint_mode", TEXT),
    ("replicas", WHOLE),
    ("labels", LIST_OR_MAPPING),
    ("rollback_config", Rule::Object(&UPDATE)),
    ("update_config", Rule::Object(&UPDATE)),
    ("resources", Rule::Object(&RESOURCES)),
    ("restart_policy", Rule::Object(&RESTART_POLICY)),
    ("placement", Rule::Object(&PLACEMENT)),
]);
pub(super) const DEPLOY: Rule = Rule::Either(&[Rule::Scalar(NULL), Rule::Object(&DEPLOY_OBJECT)]);

static TRIGGER: Object = object(&[
    ("ignore", TEXT_OR_LIST),
    ("include", TEXT_OR_LIST),
    ("path", TEXT),
    ("action", Rule::Word(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"])),
    ("target", TEXT),
    ("exec", Rule::Object(&HOOK)),
    ("initial_sync", Rule::Scalar(BOOLEAN)),
])
.requires(&["path", "action"]);
static TRIGGERS: List = List { item: Rule::Object(&TRIGGER), is_set: false };
static DEVELOP_OBJECT: Object = object(&[("watch", Rule::List(&TRIGGERS))]);
pub(super) const DEVELOP: Rule = Rule::Either(&[Rule::Scalar(NULL), Rule::Object(&DEVELOP_OBJECT)]);
