//! `--call METHOD[,format=FORMAT][,ignorestatus=BOOL]` of `build`: the method, and how its result is printed
//! (<https://docs.docker.com/reference/cli/docker/buildx/build/#call>).

use crate::{bools, csv};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    #[default]
    Build,
    Check,
    Outline,
    Targets,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Call {
    pub method: Method,
    pub json: bool,
    /// Success even if a check finds something.
    pub ignores_status: bool,
}

/// Parses `--call`.
pub fn parse(text: &str) -> Result<Call, String> {
    let mut call = Call::default();
    for (position, field) in csv::fields(text)?.iter().enumerate() {
        match field.split_once('=') {
            None if position == 0 => {
                call.method = match field.as_str() {
                    "" | "build" => Method::Build,
                    "check" | "lint" => Method::Check,
                    "outline" => Method::Outline,
                    "targets" => Method::Targets,
                    other => {
                        return Err(format!(
                            "there is no method {other:?}: it is build, check, outline or targets"
                        ));
                    }
                }
            }
            Some(("format", "json")) => call.json = true,
            Some(("format", "text" | "")) => call.json = false,
            Some(("ignorestatus", value)) => call.ignores_status = bools::parse(value)?,
            _ => return Err(format!("invalid value {field}")),
        }
    }
    Ok(call)
}

#[test]
fn a_method_may_have_a_format() {
    let call = |method, json, ignores_status| Ok(Call { method, json, ignores_status });
    assert_eq!(parse("build"), call(Method::Build, false, false));
    assert_eq!(parse("lint"), call(Method::Check, false, false));
    assert_eq!(parse("outline,format=json"), call(Method::Outline, true, false));
    assert_eq!(parse("check,format=json,ignorestatus=true"), call(Method::Check, true, true));
    for wrong in ["bake", "check,x", "check,format=xml", "format", "check,ignorestatus=x"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
