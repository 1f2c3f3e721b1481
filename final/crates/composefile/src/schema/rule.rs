//! The rules of which the schema is made.

/// Types of scalars, as bits.
pub(super) const STRING: u8 = 1;
pub(super) const NUMBER: u8 = 2;
/// A number without a fraction.
pub(super) const INTEGER: u8 = 4;
pub(super) const BOOLEAN: u8 = 8;
pub(super) const NULL: u8 = 16;

#[derive(Debug)]
pub(super) enum Rule {
    Any,
    Scalar(u8),
    /// A string that says a time with its unit. Its form is tested where it is decoded.
    Duration,
    /// One of these strings.
    Word(&'static [&'static str]),
    /// A string of this form: the test, and what an error says about it.
    Text(fn(&str) -> bool, &'static str),
    /// A string, or a whole number in a range.
    Range(i64, i64),
    List(&'static List),
    Map(&'static Map),
    Object(&'static Object),
    /// The value's type tells which of the rules it has to follow.
    Either(&'static [Rule]),
}

#[derive(Debug)]
pub(super) struct List {
    pub(super) item: Rule,
    /// No two items are equal.
    pub(super) is_set: bool,
}

/// A mapping whose keys are the user's.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) key: Key,
    /// Whether a key that does not follow the rule is refused.
    pub(super) is_closed: bool,
    pub(super) value: Rule,
}

#[derive(Debug)]
pub(super) enum Key {
    /// Letters, digits, dots, hyphens and underscores.
    Name,
    /// Small letters.
    Lowercase,
    NotEmpty,
}

impl Key {
    pub(super) fn is_valid(&self, key: &str) -> bool {
        let all = |is: fn(&u8) -> bool| !key.is_empty() && key.as_bytes().iter().all(is);
        match self {
            Self::Name => all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte)),
            Self::Lowercase => all(u8::is_ascii_lowercase),
            Self::NotEmpty => !key.is_empty(),
        }
    }

    pub(super) fn expected(&self) -> &'static str {
        match self {
            Self::Name => "a name has letters, digits, dots, hyphens and underscores only",
            Self::Lowercase => "a name has small letters only",
            Self::NotEmpty => "a name must not be empty",
        }
    }
}

/// A mapping whose keys are Compose's.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) keys: &'static [(&'static str, Rule)],
    pub(super) required: &'static [&'static str],
    /// Whether it may have keys that begin with `x-`.
    pub(super) is_extensible: bool,
    /// Whether it may have any other keys, too.
    pub(super) is_open: bool,
}

pub(super) const fn object(keys: &'static [(&'static str, Rule)]) -> Object {
    Object { keys, required: &[], is_extensible: true, is_open: false }
}

impl Object {
    pub(super) const fn requires(mut self, required: &'static [&'static str]) -> Self {
        self.required = required;
        self
    }

    pub(super) const fn without_extensions(mut self) -> Self {
        self.is_extensible = false;
        self
    }

    pub(super) const fn open(mut self) -> Self {
        self.is_open = true;
        self
    }
}
