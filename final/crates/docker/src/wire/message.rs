//! A line of the JSON streams of `pull`, `push`, `load`, `import` and `build`.

use serde::{Deserialize, Serialize};

use crate::size;

/// What is not set is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Message {
    /// Text to be printed as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<ProgressDetail>,
    /// The same as a bar, for old clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// What the status is about: a layer, a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<ErrorDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<Aux>,
}

/// Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressDetail {
    #[serde(skip_serializing_if = "is_zero")]
    pub current: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub total: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    /// The exit code of a step of a build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    pub message: String,
}

/// What programs read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Aux {
    Pushed {
        #[serde(rename = "Tag")]
        tag: String,
        #[serde(rename = "Digest")]
        digest: String,
        /// Bytes of the manifest.
        #[serde(rename = "Size")]
        size: u64,
    },
    Built {
        #[serde(rename = "ID")]
        id: String,
    },
}

impl Message {
    pub fn stream(text: impl Into<String>) -> Self {
        Self { stream: Some(text.into()), ..Self::default() }
    }

    pub fn status(text: impl Into<String>) -> Self {
        Self { status: Some(text.into()), ..Self::default() }
    }

    /// The state of a layer.
    pub fn layer(id: &str, status: &str) -> Self {
        let progress_detail = Some(ProgressDetail::default());
        Self { id: Some(id.into()), progress_detail, ..Self::status(status) }
    }

    /// How far the transfer of a layer has come.
    pub fn moving(id: &str, status: &str, current: u64, total: u64) -> Self {
        let progress_detail = Some(ProgressDetail { current, total });
        Self { progress_detail, progress: Some(bar(current, total)), ..Self::layer(id, status) }
    }

    pub fn error(message: impl Into<String>, code: Option<i32>) -> Self {
        let message = message.into();
        let error_detail = Some(ErrorDetail { code, message: message.clone() });
        Self { error_detail, error: Some(message), ..Self::default() }
    }

    pub fn aux(aux: Aux) -> Self {
        Self { aux: Some(aux), ..Self::default() }
    }
}

/// docker's bar of a terminal that is 200 columns wide (`pkg/jsonmessage`).
fn bar(current: u64, total: u64) -> String {
    const WIDTH: usize = 50;
    let now = size::summed(current);
    if total == 0 {
        return format!("{now:>8}");
    }
    let done = usize::try_from(u128::from(current) * 100 / u128::from(total) / 2).unwrap_or(WIDTH).min(WIDTH);
    let bar = format!("[{}>{}]", "=".repeat(done), " ".repeat(WIDTH - done));
    // More than was announced: the end is not known.
    if current > total {
        format!("{bar} {now:>8}")
    } else {
        format!("{bar} {now:>8}/{}", size::summed(total))
    }
}

fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

#[test]
fn bars_are_dockers() {
    let bar_of = |done: usize| format!("[{}>{}]", "=".repeat(done), " ".repeat(50 - done));
    assert_eq!(bar(36445, 1064560), format!("{}  36.45kB/1.065MB", bar_of(1)));
    assert_eq!(bar(1064560, 1064560), format!("{}  1.065MB/1.065MB", bar_of(50)));
    assert_eq!(bar(1996800, 1982312), format!("{}  1.997MB", bar_of(50)));
    assert_eq!(bar(10, 0), "     10B");
}
