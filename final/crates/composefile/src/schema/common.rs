//! Rules that several objects share.

use super::rule::*;

pub(super) const TEXT: Rule = Rule::Scalar(STRING);
pub(super) const SWITCH: Rule = Rule::Scalar(BOOLEAN | STRING);
pub(super) const WHOLE: Rule = Rule::Scalar(INTEGER | STRING);
pub(super) const AMOUNT: Rule = Rule::Scalar(NUMBER | STRING);

static TEXTS_LIST: List = List { item: TEXT, is_set: false };
static TEXT_SET_LIST: List = List { item: TEXT, is_set: true };
static AMOUNT_SET_LIST: List = List { item: AMOUNT, is_set: true };
pub(super) const TEXTS: Rule = Rule::List(&TEXTS_LIST);
/// A list of strings that are all different.
pub(super) const TEXT_SET: Rule = Rule::List(&TEXT_SET_LIST);
pub(super) const AMOUNT_SET: Rule = Rule::List(&AMOUNT_SET_LIST);
pub(super) const TEXT_OR_LIST: Rule = Rule::Either(&[TEXT, TEXT_SET]);
pub(super) const TEXT_OR_TEXTS: Rule = Rule::Either(&[TEXT, TEXTS]);

static PAIRS: Map =
    Map { key: Key::NotEmpty, is_closed: true, value: Rule::Scalar(STRING | NUMBER | BOOLEAN | NULL) };
/// `KEY: value`, or a list of `KEY=VALUE`.
pub(super) const LIST_OR_MAPPING: Rule = Rule::Either(&[Rule::Map(&PAIRS), TEXT_SET]);

static HOST_ADDRESSES: Map = Map { key: Key::NotEmpty, is_closed: true, value: TEXT_OR_TEXTS };
pub(super) const EXTRA_HOSTS: Rule = Rule::Either(&[Rule::Map(&HOST_ADDRESSES), TEXT_SET]);

static DRIVER_OPTIONS_MAP: Map = Map { key: Key::NotEmpty, is_closed: false, value: AMOUNT };
pub(super) const DRIVER_OPTIONS: Rule = Rule::Map(&DRIVER_OPTIONS_MAP);

pub(super) const COMMAND: Rule = Rule::Either(&[Rule::Scalar(STRING | NULL), TEXTS]);

static FILE_REFERENCE: Object =
    object(&[("source", TEXT), ("target", TEXT), ("uid", TEXT), ("gid", TEXT), ("mode", AMOUNT)]);
static FILE_REFERENCE_LIST: List =
    List { item: Rule::Either(&[TEXT, Rule::Object(&FILE_REFERENCE)]), is_set: false };
pub(super) const FILE_REFERENCES: Rule = Rule::List(&FILE_REFERENCE_LIST);

static ULIMIT: Object = object(&[("hard", WHOLE), ("soft", WHOLE)]).requires(&["soft", "hard"]);
static ULIMIT_MAP: Map =
    Map { key: Key::Lowercase, is_closed: false, value: Rule::Either(&[WHOLE, Rule::Object(&ULIMIT)]) };
pub(super) const ULIMITS: Rule = Rule::Map(&ULIMIT_MAP);

const DEVICE_REQUEST: &[(&str, Rule)] = &[
    ("capabilities", TEXT_SET),
    ("count", WHOLE),
    ("device_ids", TEXT_SET),
    ("driver", TEXT),
    ("options", LIST_OR_MAPPING),
];
static RESERVED_DEVICE: Object = object(DEVICE_REQUEST).requires(&["capabilities"]);
static RESERVED_DEVICE_LIST: List = List { item: Rule::Object(&RESERVED_DEVICE), is_set: false };
pub(super) const RESERVED_DEVICES: Rule = Rule::List(&RESERVED_DEVICE_LIST);
// The schema leaves the keys of a request for GPUs open.
static GPU: Object = object(DEVICE_REQUEST).open();
static GPU_LIST: List = List { item: Rule::Object(&GPU), is_set: false };
pub(super) const GPUS: Rule = Rule::Either(&[Rule::Word(&["all"]), Rule::List(&GPU_LIST)]);

pub(super) static HOOK: Object = object(&[
    ("command", COMMAND),
    ("user", TEXT),
    ("privileged", SWITCH),
    ("working_dir", TEXT),
    ("environment", LIST_OR_MAPPING),
])
.requires(&["command"]);
