use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

fn refused(text: &str) -> String {
    match parse(text) {
        Ok(value) => panic!("{:.60}: {value}", text),
        Err(error) => error.to_string(),
    }
}

#[test]
fn plain_scalars_have_the_types_of_the_core_schema() {
    for (text, value) in [
        ("~", json!(null)),
        ("Null", json!(null)),
        ("TRUE", json!(true)),
        ("false", json!(false)),
        ("0", json!(0)),
        ("-12", json!(-12)),
        ("+12", json!(12)),
        ("0o17", json!(15)),
        ("0xfF", json!(255)),
        ("18446744073709551615", json!(u64::MAX)),
        ("1.5", json!(1.5)),
        ("-.5e+3", json!(-500.0)),
        ("1e3", json!(1000.0)),
        // Octal, as docker's library has it.
        ("0660", json!(0o660)),
        ("089", json!(89)),
        // Types of YAML 1.1, or of none.
        ("yes", json!("yes")),
        ("off", json!("off")),
        ("1_000", json!("1_000")),
        ("0b1", json!("0b1")),
        ("12:30", json!("12:30")),
        ("-0x1", json!("-0x1")),
        ("0.5.0", json!("0.5.0")),
        ("1e", json!("1e")),
        ("e5", json!("e5")),
        ("-", json!([null])),
        (".", json!(".")),
        ("+", json!("+")),
        ("tRUE", json!("tRUE")),
    ] {
        assert_eq!(parse(text), Ok(value), "{text}");
    }
    for text in [".inf", "-.INF", ".nan", "1e999", "99999999999999999999"] {
        assert!(refused(text).contains("JSON has no number"), "{text}");
    }
}

#[test]
fn quoted_and_block_scalars_are_strings_and_tags_decide() {
    let text =
        "[\"1\", 'true', \"\\x41\\u00e9\", !!str 12, !!int \"7\", !!float 1, !!null '', !!bool 'true']";
    assert_eq!(parse(text), Ok(json!(["1", "true", "Aé", "12", 7, 1, null, true])));
    assert_eq!(
        parse("a: |\n  1\n  2\nb: >-\n  3\n  4\nc: !!map {}\nd: !!seq []\n"),
        Ok(json!({"a": "1\n2\n", "b": "3 4", "c": {}, "d": []}))
    );
    for text in ["!!int x", "!!bool 1", "!!binary aGk=", "!own 1", "!!map []", "!!str {}", "!x!y 1"] {
        refused(text);
    }
}

#[test]
fn json_means_the_same() {
    let text = r#"{"a": [1, -2.5, true, null, "x\n\"y\" é"], "b": {"c": {}, "d": []}}"#;
    assert_eq!(parse(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
}

#[test]
fn a_key_is_a_scalar_and_is_there_once() {
    assert_eq!(parse("1: a\ntrue: b\n'1.0': c\n"), Ok(json!({"1": "a", "true": "b", "1.0": "c"})));
    assert_eq!(refused("a: 1\nb:\n  c: 1\n  \"c\": 2\n"), "the key \"c\" is there twice at line 4 column 3");
    for text in ["{a: 1, a: 1}", "0x10: a\n16: b\n", "{1: a, '1': b}", "[a]: b", "{{}: b}", "~: b", ": b"] {
        refused(text);
    }
}

#[test]
fn there_is_exactly_one_document() {
    assert_eq!(parse("%YAML 1.2\n---\na: 1\n...\n# end\n"), Ok(json!({"a": 1})));
    assert_eq!(parse("\u{feff}a: 1\r\nb: 2\r\n"), Ok(json!({"a": 1, "b": 2})));
    for text in ["", "# nothing\n", "a: 1\n---\nb: 2\n", "a: 1\n---\n"] {
        refused(text);
    }
    for text in ["a: [", "a: \"", "\ta: 1", "a: b: c", "*a", "a: 1\n b: 2\n", "}", "&a", "\0", "@a"] {
        // A lone anchor is an empty scalar; nothing here may panic.
        let _ = parse(text);
    }
    assert!(refused("a: [").contains("at line"));
}

#[test]
fn an_alias_stands_for_its_node() {
    assert_eq!(
        parse("a: &a {x: [1]}\nb: *a\nc: &a 2\nd: *a\n&k key: *k\n"),
        Ok(json!({"a": {"x": [1]}, "b": {"x": [1]}, "c": 2, "d": 2, "key": "key"}))
    );
    assert!(refused("a: &a [*a]").contains("inside of its own node"));
    refused("a: *b");
}

/// Each node is made of ten of the one before.
fn laughs(first: &str, levels: usize) -> String {
    let mut text = format!("- &l0 {first}\n");
    for level in 1..=levels {
        let aliases = vec![format!("*l{}", level - 1); 10].join(", ");
        writeln!(text, "- &l{level} [{aliases}]").unwrap();
    }
    text
}

/// The message, and that it came soon.
fn refused_soon(text: &str) -> String {
    let start = Instant::now();
    let why = refused(text);
    let took = start.elapsed();
    // Milliseconds, in an optimised build on an idle machine.
    assert!(took < Duration::from_secs(2), "{took:?} for {:.60}", text);
    why
}

#[test]
fn what_expands_beyond_the_limits_is_refused_before_it_is_made() {
    assert!(parse(&laughs("x", 3)).is_ok());
    assert!(refused_soon(&laughs("x", 30)).contains("100000 nodes"));
    let long = "x".repeat(1 << 20);
    assert!(refused_soon(&laughs(&long, 2)).contains("bytes of text"));
    // Copies that anchors keep count too, or each level of nesting would hold one more of all below.
    let nested: String = (0..100).map(|level| format!("&a{level} [")).collect();
    let items = vec!["x"; 2000].join(",");
    assert!(refused_soon(&format!("{nested}{items}{}", "]".repeat(100))).contains("nodes"));
    // Nesting by aliases, without brackets.
    let mut chain = "- &l0 []\n".to_owned();
    (1..200).for_each(|level| writeln!(chain, "- &l{level} [*l{}]", level - 1).unwrap());
    assert!(refused_soon(&chain).contains("deeper than 128"));
}

#[test]
fn depth_and_number_of_nodes_are_limited() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(DEPTH)).is_ok());
    assert!(refused(&nested(DEPTH + 1)).contains("deeper than 128"));
    for one in ["[", "{a: ", "- ", "? ", "{? "] {
        refused_soon(&one.repeat(1 << 18));
    }
    assert!(refused_soon(&"- x\n".repeat(NODES)).contains("nodes"));
}
