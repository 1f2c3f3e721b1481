//! Booleans, in the forms that Go's `strconv.ParseBool` takes.

/// `1`, `t`, `true` and `0`, `f`, `false`, in lower case, in upper case, and with a capital.
pub fn parse(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

#[test]
fn gos_forms_are_taken_and_no_others() {
    for text in ["1", "t", "T", "true", "TRUE", "True"] {
        assert_eq!(parse(text), Ok(true));
        let no = text.replace('1', "0").replace(['t', 'T'], if text.starts_with('t') { "f" } else { "F" });
        let no = no.replace("frue", "false").replace("FRUE", "FALSE").replace("Frue", "False");
        assert_eq!(parse(&no), Ok(false), "{no}");
    }
    for wrong in ["", "yes", "no", "on", "tRUE", " true"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
