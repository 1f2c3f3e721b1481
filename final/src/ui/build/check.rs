//! The result of the checks of a Dockerfile, in BuildKit's words and with its JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hull_build::dockerfile::{Dockerfile, Span};
use hull_build::lint::{Report, Severity, Warning};
use serde_json::{Value, json};

use super::failure::excerpt;

/// For people: how many warnings there are, and each with its lines, as BuildKit prints them.
pub fn text(file: &Dockerfile, report: &Report) -> String {
    let mut text = match report.warnings.len() {
        0 => "Check complete, no warnings found.\n".to_owned(),
        1 => "Check complete, 1 warning has been found!\n".to_owned(),
        count => format!("Check complete, {count} warnings have been found!\n"),
    };
    for warning in &report.warnings {
        // Only hadolint's rules have other levels.
        let level = match warning.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "WARNING",
            Severity::Info => "INFO",
            Severity::Style | Severity::Ignore => "STYLE",
        };
        let url = warning.url.as_ref().map(|url| format!(" - {url}")).unwrap_or_default();
        text.push_str(&format!("\n{level}: {}{url}\n{}\n", warning.rule, warning.message));
        text.push_str(&excerpt(&file.name, &file.text, warning.span));
    }
    text
}

/// For programs: `LintResults` of BuildKit's `frontend/subrequests/lint`.
pub fn json(file: &Dockerfile, report: &Report) -> Value {
    let warning = |one: &Warning| {
        json!({
            "ruleName": one.rule,
            "description": one.description,
            "url": one.url.as_deref().unwrap_or_default(),
            "detail": one.message,
            "level": one.severity,
            "location": location(one.span),
        })
    };
    let mut value = json!({
        "warnings": report.warnings.iter().map(warning).collect::<Vec<_>>(),
        "sources": [source(file)],
    });
    if !report.errors.is_empty() {
        let message = format!("lint violation found for rules: {}", report.errors.join(", "));
        value["buildError"] = json!({ "message": message });
    }
    value
}

fn source(file: &Dockerfile) -> Value {
    json!({ "filename": file.name, "language": "Dockerfile", "data": STANDARD.encode(&file.text) })
}

fn location(span: Span) -> Value {
    json!({ "ranges": [{ "start": { "line": span.first }, "end": { "line": span.last } }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_has_its_rule_and_its_lines() {
        let file =
            Dockerfile { name: "Dockerfile".into(), text: "FROM a AS B\n".into(), ..Default::default() };
        assert_eq!(text(&file, &Report::default()), "Check complete, no warnings found.\n");
        let warning = Warning {
            rule: "StageNameCasing".into(),
            message: "Stage name 'B' should be lowercase".into(),
            span: Span { first: 1, last: 1 },
            url: Some("https://example.com/rule".into()),
            ..Warning::default()
        };
        let report = Report { warnings: vec![warning], errors: vec![] };
        let wanted = "\
Check complete, 1 warning has been found!

WARNING: StageNameCasing - https://example.com/rule
Stage name 'B' should be lowercase
Dockerfile:1
--------------------
   1 | >>> FROM a AS B
--------------------
";
        assert_eq!(text(&file, &report), wanted);
        let value = json(&file, &report);
        assert_eq!(value["warnings"][0]["location"]["ranges"][0]["start"]["line"], 1);
        assert_eq!(value["sources"][0]["data"], "RlJPTSBhIEFTIEIK");
    }
}
