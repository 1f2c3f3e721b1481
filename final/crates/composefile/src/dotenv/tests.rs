use super::*;

/// The variables of a text, the caller having `OUT=outer` and `SET=`, as `NAME=VALUE`.
fn read_text(text: &str, format: &str) -> Result<Vec<String>, String> {
    let mut values = Environment::new();
    let outer = |name: &str| match name {
        "OUT" => Some("outer".to_owned()),
        "SET" => Some(String::new()),
        _ => None,
    };
    parse(text, format, &mut values, &outer, &mut |_, _| ()).map_err(|why| why.text)?;
    Ok(values.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}

fn ok(text: &str) -> Vec<String> {
    read_text(text, "").unwrap()
}

#[test]
fn assignments_have_comments_and_blanks() {
    assert_eq!(
        ok("A=1\n\n# no\n  B = two words  # why\nC:3\r\nD=x#y\nE=\nF=#no"),
        ["A=1", "B=two words", "C=3", "D=x#y", "E=", "F=#no"]
    );
    assert_eq!(
        ok("\u{feff}export A=1\nexport   B.c-d[0]=2\nexported=3"),
        ["A=1", "B.c-d[0]=2", "exported=3"]
    );
}

#[test]
fn a_name_alone_takes_the_outer_value() {
    assert_eq!(ok("OUT\nNONE\nSET\nA=1"), ["A=1", "OUT=outer", "SET="]);
    assert_eq!(ok("A=1\nOUT"), ["A=1", "OUT=outer"]);
}

#[test]
fn quotes_keep_lines_and_only_double_ones_have_variables() {
    assert_eq!(ok("A='one # two\nthree' # four\nB=\"x\ny\""), ["A=one # two\nthree", "B=x\ny"]);
    assert_eq!(ok(r#"A='$OUT \' \n \\' "#), [r"A=$OUT ' \n \\"]);
    assert_eq!(ok(r#"A="$OUT \$OUT \" \\ \n \t \q \0101 \012""#), ["A=outer $OUT \" \\ \n \t \\q A \\12"]);
    assert_eq!(ok("A=\"\"\nB=''"), ["A=", "B="]);
}

#[test]
fn variables_are_the_outer_ones_and_then_the_ones_before() {
    assert_eq!(
        ok("A=1\nB=${A}2\nC=$OUT-${NONE:-d}\nOUT=mine\nD=$OUT"),
        ["A=1", "B=12", "C=outer-d", "D=outer", "OUT=mine"]
    );
}

#[test]
fn errors_tell_the_line() {
    let error = |text| read_text(text, "").unwrap_err();
    assert_eq!(error("A=1\n\nB C=2"), "line 3: key cannot contain a space");
    assert_eq!(error("# x\nA+=1\n"), "line 2: unexpected character \"+\" in variable name \"A+=1\"");
    assert_eq!(error("A=\"a\nb\nC='x\n"), "line 1: unterminated quoted value \"a");
    assert_eq!(error("A=${"), "Invalid template: \"${\"");
    assert_eq!(error("A=${B:?no}"), "required variable B is missing a value: no");
    assert_eq!(read_text("", "toml").unwrap_err(), "unsupported env_file format \"toml\"");
}

#[test]
fn the_raw_format_replaces_nothing() {
    let text = "A=\"$OUT\" # x\n# no\nOUT\nNONE\n";
    assert_eq!(read_text(text, "raw").unwrap(), ["A=\"$OUT\" # x", "OUT=outer"]);
    assert!(read_text("A B=1", "raw").is_err());
}
