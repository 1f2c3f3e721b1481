//! An error on its way from one process of hull to another: from the monitor, or from the session of an `exec`, to the
//! command.

use hull_sys::Kind;
use serde::{Deserialize, Serialize};

use super::{Detail, Error};

/// The largest encoded report, in bytes. It has to fit into one message between a monitor and a command.
const MAX_SIZE: usize = 32 * 1024;

/// What another process reported: the error's text, and what [`Error::kind`] and [`Error::detail`] said there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Report {
    kind: Kind,
    text: String,
    detail: Option<Detail>,
}

/// The same as JSON.
#[derive(Serialize, Deserialize)]
struct Wire {
    /// [`Kind::name`].
    kind: String,
    text: String,
    /// A [`Detail`]. One that this version does not know is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<serde_json::Value>,
}

impl Report {
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn detail(&self) -> Option<&Detail> {
        self.detail.as_ref()
    }

    /// One message that fits into [`MAX_SIZE`]. A text that is too long is cut.
    pub(crate) fn encode(error: &Error) -> String {
        let detail = error.detail().and_then(|detail| serde_json::to_value(detail).ok());
        let mut wire = Wire { kind: error.kind().name().to_owned(), text: error.to_string(), detail };
        loop {
            // It has only strings and numbers, which always have a form in JSON.
            let encoded = serde_json::to_string(&wire).unwrap_or_default();
            if encoded.len() <= MAX_SIZE {
                return encoded;
            }
            wire.detail = None;
            wire.text.truncate(wire.text.floor_char_boundary(wire.text.len() / 2));
        }
    }

    /// The report in a message. A monitor of another version, or one that was tampered with, may send anything: what is
    /// no report becomes its text, with no more meaning than that. The command line escapes it before it is printed.
    pub(crate) fn decode(message: &str) -> Self {
        match serde_json::from_str(message) {
            Ok(Wire { kind, text, detail }) => Self {
                kind: Kind::from_name(&kind).unwrap_or(Kind::Kernel),
                text,
                detail: detail.and_then(|detail| serde_json::from_value(detail).ok()),
            },
            Err(_) => {
                let text = format!("the monitor reported what cannot be read: {message}");
                Self { kind: Kind::Kernel, text, detail: None }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cross(error: Error) -> Error {
        Report::decode(&Report::encode(&error)).into()
    }

    #[test]
    fn every_kind_survives_the_crossing() {
        for kind in Kind::ALL {
            let report = Report { kind, text: format!("cannot: {}\nhint: none", kind.name()), detail: None };
            let crossed = cross(report.clone().into());
            assert!(matches!(&crossed, Error::Reported(there) if *there == report), "{crossed:?}");
            assert_eq!((crossed.kind(), crossed.to_string()), (kind, report.to_string()));
        }
    }

    #[test]
    fn details_survive_the_crossing() {
        let error = Error::MonitorSilent { name: "box".into(), pid: 7, why: "is stopped".into() };
        let detail = error.detail();
        assert_eq!(detail, Some(Detail::MonitorSilent { container: "box".into(), pid: 7 }));
        assert_eq!(cross(error).detail(), detail);
        let port = hull_network::Error::PortReserved { address: "[::]:80".into(), protocol: "tcp" };
        assert!(matches!(cross(port.into()).detail(), Some(Detail::PortReserved { port: 80, .. })));
    }

    #[test]
    fn a_damaged_or_hostile_message_is_only_a_text() {
        for message in
            ["", "}", "\u{1b}[2J", "{\"kind\":7}", "{\"kind\":\"not-found\"", "null", "[[[[", "125"]
        {
            let report = Report::decode(message);
            assert_eq!((report.kind(), report.detail()), (Kind::Kernel, None), "{message:?}");
            assert!(report.to_string().ends_with(message));
        }
        let unknown = Report::decode(
            "{\"kind\":\"of tomorrow\",\"text\":\"it failed\",\"detail\":{\"Of\":1},\"more\":1}",
        );
        assert_eq!((unknown.kind(), unknown.to_string().as_str()), (Kind::Kernel, "it failed"));
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let long = Error::Unsupported("\u{7f}\u{1}ü".repeat(MAX_SIZE));
        let encoded = Report::encode(&long);
        assert!(encoded.len() <= MAX_SIZE);
        let crossed = Report::decode(&encoded);
        assert_eq!(crossed.kind(), Kind::Unsupported);
        assert!(crossed.to_string().len() > MAX_SIZE / 16);
    }
}
