use std::collections::BTreeMap;

use hull_image::platform::Platform;

use super::{Outline, outline, targets};
use crate::dockerfile::parse;

fn outlined(text: &str, target: &str) -> Outline {
    let file = parse("Dockerfile", text.as_bytes()).unwrap();
    let given = BTreeMap::from([("BAR".to_owned(), Some("678".to_owned()))]);
    outline(&file, &given, Some(target), &Platform::host()).unwrap()
}

/// What BuildKit's own test of outlines expects (`frontend/dockerfile/dockerfile_outline_test.go`): the arguments that
/// the target and its stages use, and those that the defaults of these need.
#[test]
fn arguments() {
    let text = "ARG top=box\nARG other=box2\nARG unused=abc${other}\n# sfx is a suffix\nARG sfx=\"usy${top}\"\n\n\
        FROM b${sfx} AS first\n# this is of nothing\nARG FOO=123\n# BAR is a number\nARG BAR=456\nRUN true\n\n\
        FROM alpine${unused} AS second\nARG BAZ\n\nFROM scratch AS third\nARG ABC=a TARGETARCH\n\n\
        # target defines build target\nFROM third AS target\nCOPY --from=first /etc/passwd /\n\nFROM second\n";
    let outline = outlined(text, "target");
    assert_eq!((&*outline.name, &*outline.description), ("target", "defines build target"));
    let args: Vec<_> = outline
        .args
        .iter()
        .map(|arg| (&*arg.name, &*arg.value, &*arg.description, arg.location.0.first))
        .collect();
    assert_eq!(
        args,
        [
            ("top", "box", "", 1),
            ("sfx", "usybox", "is a suffix", 5),
            ("FOO", "123", "", 9),
            ("BAR", "678", "is a number", 11),
            ("ABC", "a", "", 18),
        ]
    );
    assert_eq!(outline.sources[0].0, text);
}

#[test]
fn secrets_agents_and_caches() {
    let text = "\nFROM busybox AS first\n\
        RUN --mount=type=secret,target=/etc/passwd,required=true --mount=type=ssh true\n\n\
        FROM alpine AS second\nRUN --mount=type=secret,id=unused --mount=type=ssh,id=ssh2 true\n\n\
        FROM scratch AS third\nARG BAR\nRUN --mount=type=secret,id=second${BAR} true\n\n\
        FROM third AS target\nCOPY --from=first /foo /\n\
        RUN --mount=type=ssh,id=ssh3,required --mount=type=cache,target=/c true\n\nFROM second\n";
    let outline = outlined(text, "target");
    let needed = |list: &[super::Needed]| {
        list.iter().map(|one| (one.name.clone(), one.required, one.location.0.first)).collect::<Vec<_>>()
    };
    assert_eq!(needed(&outline.secrets), [("passwd".into(), true, 3), ("second678".into(), false, 10)]);
    assert_eq!(needed(&outline.ssh), [("default".into(), false, 3), ("ssh3".into(), true, 14)]);
    assert_eq!(outline.cache[0].id, "/c");
    let json = serde_json::to_value(&outline).unwrap();
    assert_eq!(
        json["ssh"][1],
        serde_json::json!({
            "name": "ssh3", "required": true, "location": { "ranges": [{ "start": { "line": 14 }, "end": { "line": 14 } }] },
        })
    );
}

/// As `frontend/dockerfile/dockerfile_targets_test.go` expects.
#[test]
fn stages() {
    let text = "\n# build defines stage for compiling the binary\nFROM alpine AS build\nRUN true\n\n\
        FROM --platform=$P busybox as second\n\nFROM alpine\n\n# binary returns the compiled binary\nFROM second AS binary\n";
    let file = parse("Dockerfile", text.as_bytes()).unwrap();
    let json = serde_json::to_value(targets(&file)).unwrap();
    let line =
        |line: u32| serde_json::json!({ "ranges": [{ "start": { "line": line }, "end": { "line": line } }] });
    assert_eq!(
        json["targets"],
        serde_json::json!([
            { "name": "build", "description": "defines stage for compiling the binary", "base": "alpine", "location": line(3) },
            { "name": "second", "base": "busybox", "platform": "$P", "location": line(6) },
            { "base": "alpine", "location": line(8) },
            { "name": "binary", "default": true, "description": "returns the compiled binary", "base": "second", "location": line(11) },
        ])
    );
}

#[test]
fn mistakes_have_lines() {
    let file = parse("Dockerfile", b"FROM a AS b\nARG X=${Y:?no}\n").unwrap();
    let error = outline(&file, &BTreeMap::new(), None, &Platform::host()).unwrap_err().to_string();
    assert!(error.starts_with("Dockerfile:2: ") && error.ends_with("Y: no"), "{error}");
    assert!(outline(&file, &BTreeMap::new(), Some("c"), &Platform::host()).is_err());
}
