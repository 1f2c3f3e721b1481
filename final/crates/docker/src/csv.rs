//! One record of comma-separated values: RFC 4180, as Go's `encoding/csv` reads it.
//!
//! docker parses `--mount` and `--network name=…` as such a record, so a path with a comma can be quoted.

/// The fields of `text`. A field that begins with a quotation mark ends with one; two of them inside mean one.
pub fn fields(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => plain_field(rest)?,
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

fn plain_field(text: &str) -> Result<(String, &str), String> {
    let (field, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
    if field.contains('"') {
        return Err(format!("a quotation mark in {field}: quote the whole field, \"key=value\""));
    }
    Ok((field.to_owned(), rest))
}

/// Reads a quoted field. `text` begins after the opening quotation mark.
fn quoted_field(text: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('"') {
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None if after.is_empty() || after.starts_with(',') => return Ok((field, after)),
            None => return Err(format!("expected a comma behind \"{field}\"")),
        }
    }
    Err("a quotation mark is not closed".into())
}

/// Writes the record that [`fields`] parses to these fields.
pub fn print(fields: &[String]) -> String {
    let quoted = fields.iter().map(|field| match field.contains([',', '"']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.clone(),
    });
    quoted.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
proptest::proptest! {
    #[test]
    fn what_is_printed_is_read_back(list in proptest::collection::vec("[a-z=,\" ]{0,6}", 1..5)) {
        proptest::prop_assert_eq!(fields(&print(&list)), Ok(list));
    }
}

#[test]
fn fields_may_be_quoted() {
    let split = |text| fields(text).unwrap();
    assert_eq!(split("type=bind,src=/a"), ["type=bind", "src=/a"]);
    assert_eq!(split(r#"type=bind,"src=/a,b",dst=/x"#), ["type=bind", "src=/a,b", "dst=/x"]);
    assert_eq!(split(r#""src=/say ""hi""""#), [r#"src=/say "hi""#]);
    assert_eq!(split("a,,b,"), ["a", "", "b", ""]);
    for wrong in [r#"src="/a,b""#, r#""src=/a"#, r#""a"b"#] {
        assert!(fields(wrong).is_err(), "{wrong}");
    }
}
